"""The review loop: what the latest run's data object to in the schema, and approving what should change."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_metadata import MetadataStore
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config import PipelineConfig
from pipeline.data.columns import ColumnType
from pipeline.data.convert import nearest
from pipeline.data.schema_types import check_columns, parse_schema, read_schema, read_schema_text
from pipeline.data.statistics_files import read_split, splits_in
from pipeline.errors import PipelineError
from pipeline.guard.proposal import Proposal
from pipeline.guard.proposals import propose
from pipeline.guard.schema_text import replacing, write
from pipeline.guard.validation import TRAINING
from pipeline.lineage.runs import Artifact, Run, find_run, list_runs
from pipeline.lineage.schema_versions import SchemaVersion, StatisticsSource, record_version, version_of
from pipeline.lineage.store import open_existing_store


@dataclass(frozen=True)
class Review:
    """The schema file beside the latest run that has statistics.

    Attributes:
        text, schema: the file as it is now.
        version: what is on record of that text, or None.
        proposals: what would have to change for that run's data to pass.
    """

    file: Path
    text: str
    schema: schema_pb2.Schema
    version: SchemaVersion | None
    run: Run
    statistics: tuple[StatisticsSource, ...]
    proposals: tuple[Proposal, ...]


@dataclass(frozen=True)
class Approval:
    """What an approval did, or would do.

    Attributes:
        version: as recorded; None of a rehearsal.
        difference: of the file, as `git diff` shows it; "" if the file was approved as it is.
    """

    review: Review
    proposals: tuple[Proposal, ...]
    difference: str
    version: SchemaVersion | None


def review(config: PipelineConfig) -> Review:
    """Reads everything; changes nothing.

    Raises:
        PipelineError: the file cannot be read, or there is no run to compare it with.
    """
    text = read_schema_text(config.schema_file)
    schema = parse_schema(text, config.schema_file)
    store = open_existing_store(config)
    run, statistics, inferred = _latest_statistics(store, config.name)
    return Review(
        file=config.schema_file,
        text=text,
        schema=schema,
        version=version_of(store, config.name, text),
        run=run,
        statistics=(StatisticsSource(statistics.id, statistics.uri),),
        proposals=tuple(
            propose(
                schema,
                read_schema(inferred),
                {split: read_split(statistics.uri, split) for split in splits_in(statistics.uri)},
                column_types={
                    name: ColumnType(kind) for name, kind in (run.ingestion or {}).get("columns", {}).items()
                },
                environment=TRAINING if _tells_training(schema) else None,
            )
        ),
    )


def approve(
    config: PipelineConfig,
    *,
    reviewer: str,
    note: str,
    features: Sequence[str] = (),
    as_is: bool = False,
    dry_run: bool = False,
) -> Approval:
    """Approves proposals: those about `features`, or all; `as_is` takes the file as it stands, without any.

    Raises:
        PipelineError: nothing is to be approved, or a name is wrong, or the file cannot be written.
    """
    if as_is and features:
        raise PipelineError("--as-is takes no proposal, and --feature names some", "give one of the two")
    state = review(config)
    chosen = () if as_is else _chosen(state.proposals, features)
    schema = schema_pb2.Schema()
    schema.CopyFrom(state.schema)
    for proposal in chosen:
        proposal.apply(schema)
    return approve_schema(config, state, schema, chosen, reviewer=reviewer, note=note, dry_run=dry_run)


def approve_schema(
    config: PipelineConfig,
    state: Review,
    schema: schema_pb2.Schema,
    proposals: Sequence[Proposal] = (),
    *,
    reviewer: str,
    note: str,
    dry_run: bool = False,
) -> Approval:
    """Writes an edited schema into the file and records it, based on what `review` saw.

    Raises:
        PipelineError: no reviewer, or no reason; nothing to approve; the file changed meanwhile or cannot be written;
            a column that the configuration needs is gone.
    """
    for option, value in (("--reviewer", reviewer), ("--note", note)):
        if not value.strip():
            raise PipelineError(f"{option} is empty", "say who approves the schema, and why: it is kept for others")
    if read_schema_text(state.file) != state.text:
        raise PipelineError(f"{state.file} changed while it was reviewed", "look at it again, then approve")
    check_columns(config, schema)
    text = write(schema, state.text)
    if text == state.text and state.version and state.version.reviewer:
        raise PipelineError(
            f"nothing to approve: {state.file} is version {state.version.number}, {state.version.review}",
            "`longhaul schema diff` shows what is proposed; edit the file for any other change",
        )
    difference = "".join(
        difflib.unified_diff(
            state.text.splitlines(keepends=True), text.splitlines(keepends=True), state.file.name, state.file.name, n=2
        )
    )
    if dry_run:
        return Approval(state, tuple(proposals), difference, None)
    store = open_existing_store(config)
    with replacing(state.file, text):
        if state.version is None:
            record_version(store, config.name, state.text, run_id=state.run.run_id)
        version = record_version(
            store,
            config.name,
            text,
            run_id=state.run.run_id,
            reviewer=reviewer.strip(),
            note=note.strip(),
            statistics=state.statistics,
        )
    return Approval(state, tuple(proposals), difference, version)


def _chosen(proposals: tuple[Proposal, ...], features: Sequence[str]) -> tuple[Proposal, ...]:
    proposed = list(dict.fromkeys(proposal.feature for proposal in proposals))
    for name in features:
        if name not in proposed:
            raise PipelineError(
                f"--feature {name!r}: nothing is proposed for it",
                nearest(name, proposed) if proposed else "nothing is proposed for any other column either",
            )
    return tuple(proposal for proposal in proposals if not features or proposal.feature in features)


def _latest_statistics(store: MetadataStore, pipeline: str) -> tuple[Run, Artifact, Path]:
    """The newest run whose statistics and inferred schema are still there."""
    for run_id in [run.run_id for run in list_runs(store, pipeline)]:
        run = find_run(store, pipeline, run_id)
        made = {
            node: artifact
            for node, kind in (("StatisticsGen", "ExampleStatistics"), ("InferredSchema", "Schema"))
            for artifact in run.artifacts.get(node, [])
            if artifact.type == kind and Path(artifact.uri).exists()
        }
        if len(made) == 2:
            return run, made["StatisticsGen"], Path(made["InferredSchema"].uri, "schema.pbtxt")
    raise PipelineError(
        f"no run of pipeline {pipeline!r} has statistics to hold the schema against",
        "`longhaul run` makes them; `longhaul run --to InferredSchema` goes no further",
    )


def _tells_training(schema: schema_pb2.Schema) -> bool:
    """Whether the schema tells the training, which a run's data are for, from other environments."""
    return TRAINING in schema.default_environment or any(
        TRAINING in (*feature.in_environment, *feature.not_in_environment) for feature in schema.feature
    )
