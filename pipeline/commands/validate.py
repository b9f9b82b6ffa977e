"""`longhaul validate`: a new table against the schema, the policy and the last run's statistics, without a run."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.markup import escape
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.commands.validated_rows import Rows, served_contract
from pipeline.config.model_settings import ModelSettings
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.config.spans import span_name
from pipeline.config.split import time_column
from pipeline.contract.schema import check_columns, column_type, feature_table, read_schema, without
from pipeline.data.labels import LabelTally, check_label
from pipeline.data.sources import source, table_files
from pipeline.data.statistics_files import Statistics, read_span, read_split, spans_in, splits_in
from pipeline.data.training_columns import check_training_columns
from pipeline.data.values.readings import readings_of
from pipeline.guard.checks import TRAIN_SPLIT
from pipeline.guard.column_statistics import row_count
from pipeline.guard.derived_features import DerivedFeatures, count, counted_in
from pipeline.guard.findings import DataVerdict
from pipeline.guard.judge import Evidence, judge
from pipeline.guard.policy_file import read_policy
from pipeline.guard.rows import Source, with_rows
from pipeline.guard.validation import SERVING, TRAINING
from pipeline.lineage.own_code import find_own_code
from pipeline.lineage.runs import Run, find_run, list_runs
from pipeline.lineage.store import has_records, open_existing_store
from pipeline.serving.met import Met, beyond, limits_of
from pipeline.terminal.console import console_for
from pipeline.terminal.predictions import met_to_json, print_met
from pipeline.terminal.results import print_data_verdict
from pipeline.terminal.screen import chatter_to

Environment = Literal["TRAINING", "SERVING"]
"""Of the schema."""


@dataclass(frozen=True)
class Validation:
    """What was looked at, and what came of it.

    Attributes:
        environment: of the schema.
        unlabelled: rows that a run would drop for want of a label; they are not among `rows`.
        set_aside: values that do not fit, by column, whose rows a run would set aside; they are not among `rows`.
        compared_with: in words; "" if there was nothing to compare with.
        met: what the served model was not made for, the worst first; nothing where none serves. too_much: of that what
            is beyond its limit, a share.
        seconds: in all.
    """

    table: str
    environment: Environment
    rows: int
    unlabelled: int
    set_aside: dict[str, int]
    columns: int
    compared_with: str
    seconds: float
    verdict: DataVerdict
    met: list[Met]
    too_much: list[tuple[Met, float]]

    def passed(self, strict: bool) -> bool:
        """Return whether nothing blocks; if `strict`, nor anything warns."""
        return not (self.verdict.blocked or self.too_much or (strict and self.verdict.warnings))

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary: the verdict's entries beside the others."""
        own = {name: value for name, value in vars(self).items() if name != "verdict"}
        return own | self.verdict.to_json() | met_to_json(self.met, self.too_much)


@dataclass(frozen=True)
class _LastRun:
    """The newest run that ended well and whose statistics are still there."""

    run: Run
    statistics: str

    @property
    def labels(self) -> dict[str, Any] | None:
        """What ingestion counted of them (pipeline.data.labels), but for the rows that lacked one."""
        ingestion = self.run.ingestion
        return ingestion["labels"] | {"unlabelled": 0} if ingestion else None


def validate_table(
    config: PipelineConfig, table: str, environment: Environment | None, as_json: bool, strict: bool = False
) -> bool:
    """Validate and report on the terminal.

    Args:
        strict: whether warnings stop, too, and whatever the served model was not made for.

    Returns:
        False if a finding blocks.

    Raises:
        PipelineError: the table, the configuration, the schema or the policy cannot be used.
    """
    with chatter_to(Path(os.devnull), "" if as_json else "loading TensorFlow Data Validation"):
        found = validate(config, table, environment, strict)
    if as_json:
        print(json.dumps(found.to_json(), indent=1))
    else:
        _report(found, strict)
    return found.passed(strict)


def validate(
    config: PipelineConfig, table: str, environment: Environment | None = None, strict: bool = False
) -> Validation:
    """Judge a table as the gate of a run would.

    With a label it is held against the span before it of the last run (or its training split, where there are no
    spans); as serving requests, against the training split.

    Args:
        table: a file, a folder or a glob, as `data.path`. One that is not a span's own file comes after all spans.
        environment: when None, SERVING if the label's column is not there, else TRAINING.

    Raises:
        PipelineError: the table, the configuration, the schema or the policy cannot be used.
    """
    began = time.monotonic()
    schema = read_schema(config.schema_file)
    check_columns(config, schema)
    schema = without(schema, config.data.drop)
    policy = read_policy(config.policy_file)
    readings = readings_of(config.data)
    files = table_files.find_files(table, form=config.data.format, readings=readings)
    declared = {feature.name: column_type(feature) for feature in schema.feature}
    columns = source.infer_columns(files, config.data.drop, declared)
    label = config.data.label
    if environment is None:
        environment = TRAINING if label in columns else SERVING
    if environment == TRAINING:
        check_training_columns(columns, files[0].path, config.data, config.split)
    else:
        for name in (label, *config.never_asked):  # the model asks for neither
            columns.pop(name, None)
    where = Source(
        table, columns, label=label if environment == TRAINING else None, form=config.data.format, readings=readings
    )
    rows = Rows(where, config.data, config.split, served_contract(config, schema, columns))
    last = _last_run(config)

    from pipeline.data.table_statistics import table_statistics  # imports TFDV, which takes seconds
    from pipeline.patches import histograms

    histograms.install()
    statistics = table_statistics(rows.read(counted=True), config.data.weight if environment == TRAINING else None)
    rows.aside.check(table, config.data.bad_rows_at_most)
    if environment == TRAINING:
        known = last.labels if last else None
        # The label must vary in the whole table, not in each new file.
        check_label(
            LabelTally.merge([rows.tally.to_json(), *([known] if known else [])]), config.data, row_count(statistics)
        )
        evidence, compared_with = _as_training(config, files[0].path, statistics, rows, last)
    else:
        splits = {TRAIN_SPLIT: read_split(last.statistics, TRAIN_SPLIT)} if last else {}
        evidence = Evidence(label, config.data.task, splits, serving=statistics, excluded=config.never_asked)
        compared_with = f"the training split of run {last.run.run_id}" if last else ""
    if config.features.derive and last:
        evidence = replace(evidence, derived=_derived(config, schema, rows, last, evidence))
    verdict = judge(evidence, schema, policy)
    if environment == TRAINING:  # whatever the gate would call its split or span, here it is the table
        findings = [replace(finding, split=None) for finding in verdict.findings]
    else:  # what is wrong with the training data is not what was asked
        findings = [finding for finding in verdict.findings if finding.split == "serving"]
    verdict = with_rows(replace(verdict, findings=tuple(findings)), {"training": where, "serving": where}, policy.rows)
    if not compared_with:
        what = "it comes before the first span of the last run" if last else "no run has ended well yet"
        verdict = replace(verdict, notes=(*verdict.notes, f"held against the schema only: {what}"))
    return Validation(
        table=table,
        environment=environment,
        rows=row_count(statistics),
        unlabelled=rows.tally.unlabelled,
        set_aside=dict(rows.aside.columns),
        columns=len(columns),
        compared_with=compared_with,
        seconds=round(time.monotonic() - began, 2),
        verdict=verdict,
        met=(met := rows.met),
        # Training data are where new categories come from.
        too_much=beyond(met, limits_of(config.predict, config.data, strict))
        if strict or environment == SERVING
        else [],
    )


def _as_training(
    settings: ModelSettings, file: str, statistics: Statistics, rows: Rows, last: _LastRun | None
) -> tuple[Evidence, str]:
    """Return what the gate would look at if the table were the newest, and what it is compared with, in words."""
    spans: dict[int, Statistics] = {}
    previous: tuple[str, Statistics] | None = None
    rows_before: dict[int, int] = {}
    compared_with = ""
    if last and (known := spans_in(last.statistics)):
        own = table_files.span_of(str(Path(file).resolve()), settings.data_pattern)
        number = known[-1] + 1 if own is None else own
        if earlier := [span for span in known if span < number]:
            spans = {earlier[-1]: read_span(last.statistics, earlier[-1]), number: statistics}
            rows_before = {span: row_count(read_span(last.statistics, span)) for span in earlier}
            compared_with = f"span {span_name(earlier[-1])} of run {last.run.run_id}"
    elif last:
        previous = "training", read_split(last.statistics, TRAIN_SPLIT)
        compared_with = f"the training split of run {last.run.run_id}"
    evidence = Evidence(
        label=settings.data.label,
        task=settings.data.task,
        splits={TRAIN_SPLIT: statistics},
        spans=spans,
        rows_before=rows_before,
        previous=previous,
        time_column=time_column(settings.split),
        excluded=settings.never_asked,
        rows=lambda: ((TRAIN_SPLIT, batch) for batch in rows.read()),
        own_checks=find_own_code(settings).all_plain("schema.checks"),
    )
    return evidence, compared_with


def _derived(
    settings: ModelSettings, schema: schema_pb2.Schema, rows: Rows, last: _LastRun, evidence: Evidence
) -> DerivedFeatures | None:
    """Return the same of derived features, which are computed of the rows anew."""
    table = feature_table(settings, schema)
    were = json.loads(last.run.properties.get("config", "{}")).get("features", {}).get("derive", {})
    changed = {name for name, expression in settings.features.derive.items() if were.get(name) != expression}
    known = counted_in(last.statistics, table, changed)
    if known is None:
        return None
    counted = count(rows.read(), table)
    if evidence.serving is not None:
        return known._replace(spans={}, serving=counted)
    *before, newest = sorted(evidence.spans) or [0]
    spans = {span: known.spans[span] for span in before} | {newest: counted}
    previous = (evidence.previous[0], known.training) if evidence.previous else None
    return known._replace(training=counted, spans=spans, previous=previous)


def _last_run(place: Place) -> _LastRun | None:
    if not has_records(place.metadata, place.root):
        return None
    store = open_existing_store(place)
    for listed in list_runs(store, place.record_name):
        if listed.status != "complete":
            continue
        run = find_run(store, place.record_name, listed.run_id)
        for artifact in run.artifacts.get("StatisticsGen", []):
            if TRAIN_SPLIT in splits_in(artifact.uri):
                return _LastRun(run, artifact.uri)
    return None


def _report(found: Validation, strict: bool) -> None:
    console = console_for(sys.stdout)
    dropped = f"; {found.unlabelled:,} without a label left out" if found.unlabelled else ""
    if found.set_aside:
        counts = ", ".join(f"{name} {count:,}" for name, count in found.set_aside.items())
        dropped += escape(f"; set aside for values that do not fit: {counts}")
    console.print(
        f"Table     {escape(found.table)}: {found.rows:,} rows x {found.columns:,} columns{dropped}", soft_wrap=True
    )
    console.print(
        f"As        {found.environment}, held against the schema"
        + (f" and {found.compared_with}" if found.compared_with else ""),
        soft_wrap=True,
    )
    print_data_verdict(console, found.verdict, all_of_it="--json shows them all")
    print_met(console, found.met, found.too_much)
    if found.verdict.warnings and strict:
        console.print("[bold red]Blocked[/]   --strict takes no warning")
    if found.passed(strict):
        console.print("[bold green]Passed[/]" + ("    with warnings" if found.verdict.warnings else ""))
