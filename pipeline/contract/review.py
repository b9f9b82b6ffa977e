"""The review loop: what the newest data object to in the schema, and approving what should change."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_metadata import MetadataStore
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.model_settings import ModelSettings
from pipeline.contract.proposal import Proposal
from pipeline.contract.proposals import propose
from pipeline.contract.schema import check_columns, parse_schema, read_schema, read_schema_text
from pipeline.contract.schema_text import replacing, write
from pipeline.data.columns import ColumnType, nearest
from pipeline.data.statistics_files import Statistics, read_split, splits_in
from pipeline.errors import PipelineError
from pipeline.guard.column_statistics import columns
from pipeline.guard.validation import TRAINING, infer_schema
from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run, find_run, list_runs
from pipeline.lineage.schema_versions import SchemaVersion, StatisticsSource, record_version, version_of
from pipeline.lineage.store import open_existing_store, open_store


@dataclass(frozen=True)
class Review:
    """The schema file beside the newest run that has statistics.

    Attributes:
        text, schema: the file as it is now.
        version: what is on record of that text, or None.
        proposals: what would have to change for that run's data to pass.
        behind: in words, why that is not the latest run; "" where it is.
    """

    file: Path
    text: str
    schema: schema_pb2.Schema
    version: SchemaVersion | None
    run: Run
    statistics: tuple[StatisticsSource, ...]
    proposals: tuple[Proposal, ...]
    behind: str = ""


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


def review(settings: ModelSettings) -> Review:
    """Read everything; change nothing.

    Raises:
        PipelineError: the file cannot be read, or there is no run to compare it with.
    """
    text = read_schema_text(settings.schema_file)
    schema = parse_schema(text, settings.schema_file)
    store = open_existing_store(settings)
    run, artifact, behind = _newest_with_statistics(store, settings.record_name)
    statistics = {split: read_split(artifact.uri, split) for split in splits_in(artifact.uri)}
    return Review(
        file=settings.schema_file,
        text=text,
        schema=schema,
        version=version_of(store, settings.record_name, text),
        run=run,
        statistics=(StatisticsSource(artifact.id, artifact.uri),),
        proposals=tuple(
            proposal
            for proposal in propose(
                schema,
                _inferred(run, statistics, schema),
                statistics,
                column_types={
                    name: ColumnType(kind) for name, kind in (run.ingestion or {}).get("columns", {}).items()
                },
                environment=TRAINING if _tells_training(schema) else None,
            )
            if proposal.feature not in settings.data.drop  # what is not read neither comes nor goes
        ),
        behind=behind,
    )


def approve(
    settings: ModelSettings,
    *,
    reviewer: str,
    note: str,
    features: Sequence[str] = (),
    as_is: bool = False,
    dry_run: bool = False,
) -> Approval:
    """Approve proposals: those about `features`, or all; `as_is` takes the file as it stands, without any.

    Raises:
        PipelineError: nothing is to be approved, or a name is wrong, or the file cannot be written.
    """
    if as_is and features:
        raise PipelineError("--as-is takes no proposal, and --feature names some", "give one of the two")
    state = review(settings)
    chosen = () if as_is else _chosen(state.proposals, features)
    schema = schema_pb2.Schema()
    schema.CopyFrom(state.schema)
    for proposal in chosen:
        proposal.apply(schema)
    return approve_schema(settings, state, schema, chosen, reviewer=reviewer, note=note, dry_run=dry_run)


def approve_schema(
    settings: ModelSettings,
    state: Review,
    schema: schema_pb2.Schema,
    proposals: Sequence[Proposal] = (),
    *,
    reviewer: str,
    note: str,
    dry_run: bool = False,
) -> Approval:
    """Write an edited schema into the file and record it, based on what `review` saw.

    Raises:
        PipelineError: no reviewer, or no reason; nothing to approve; the file changed meanwhile or cannot be written;
            a column that the configuration needs is gone.
    """
    for option, value in (("--reviewer", reviewer), ("--note", note)):
        if not value.strip():
            raise PipelineError(f"{option} is empty", "say who approves the schema, and why: it is kept for others")
    if read_schema_text(state.file) != state.text:
        raise PipelineError(f"{state.file} changed while it was reviewed", "look at it again, then approve")
    check_columns(settings, schema)
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
    store = open_store(settings)
    with replacing(state.file, text):
        if state.version is None:
            record_version(store, settings.record_name, state.text, run_id=state.run.run_id)
        version = record_version(
            store,
            settings.record_name,
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


def _newest_with_statistics(store: MetadataStore, pipeline: str) -> tuple[Run, Artifact, str]:
    """Return the newest run whose statistics are still there, those, and in words why it is not the latest run."""
    latest: Run | None = None
    for listed in list_runs(store, pipeline):
        run = find_run(store, pipeline, listed.run_id)
        latest = latest or run
        for artifact in run.artifacts.get("StatisticsGen", []):
            if artifact.type == "ExampleStatistics" and splits_in(artifact.uri):
                return run, artifact, "" if run is latest else f"{_why_not(latest)}; this is about run {run.run_id}"
    raise PipelineError(
        f"no run of pipeline {pipeline!r} has statistics to hold the schema against"
        + (f": {_why_not(latest)}" if latest else ""),
        "`longhaul run` makes them; `longhaul run --to DataGate` goes no further than the gate",
    )


def _why_not(run: Run) -> str:
    """Return what became of a run without statistics."""
    which = f"the latest run, {run.run_id},"
    if run.artifacts.get("StatisticsGen"):
        return f"{which} has lost its statistics: their files are gone"
    became = {
        "running": "is at work and has no statistics yet",
        "interrupted": "was interrupted before statistics",
        "failed": "failed before statistics",
        "died": "died before statistics",
    }
    return f"{which} {became.get(run.status, 'ended before statistics')}"


def _inferred(run: Run, statistics: Mapping[str, Statistics], schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """Return what TFDV makes of the statistics: as the run has it, or anew. Only columns that are new need it."""
    for artifact in run.artifacts.get("InferredSchema", []):
        if (file := Path(artifact.uri, "schema.pbtxt")).exists():
            return read_schema(file)
    known = {feature.name for feature in schema.feature}
    if all(columns(split).keys() <= known for split in statistics.values()):
        return schema_pb2.Schema()
    return infer_schema(statistics)


def _tells_training(schema: schema_pb2.Schema) -> bool:
    """Return whether the schema tells the training, which a run's data are for, from other environments."""
    return TRAINING in schema.default_environment or any(
        TRAINING in (*feature.in_environment, *feature.not_in_environment) for feature in schema.feature
    )
