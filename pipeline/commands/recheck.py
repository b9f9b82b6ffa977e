"""What the gate would say of a finished run's data under another schema: no run, no Beam."""

from __future__ import annotations

from pydantic import TypeAdapter
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.model_settings import ModelSettings
from pipeline.config.split import Split, time_column
from pipeline.contract.schema import feature_table, without
from pipeline.data.columns import ColumnType
from pipeline.data.examples import read_examples
from pipeline.data.patterns import has_spans
from pipeline.data.statistics_files import read_span, read_split, spans_in, splits_in
from pipeline.guard.derived_features import counted_in
from pipeline.guard.findings import DataVerdict
from pipeline.guard.judge import Evidence, judge
from pipeline.guard.policy_file import read_policy
from pipeline.guard.rows import Source, with_rows
from pipeline.lineage.own_code import find_own_code
from pipeline.lineage.runs import Run
from pipeline.observe.log_file import output_to


def recheck(settings: ModelSettings, run: Run, schema: schema_pb2.Schema) -> DataVerdict:
    """Judge the statistics and the rows of `run`, which has both; the serving table is left to a run.

    Raises:
        ConfigError: the policy cannot be read.
    """
    (statistics,) = (artifact.uri for artifact in run.artifacts["StatisticsGen"])
    (examples,) = (artifact.uri for artifact in run.artifacts["TableExampleGen"])
    ingestion = run.ingestion or {}
    columns = {name: ColumnType(kind) for name, kind in ingestion["columns"].items()}
    split: Split = TypeAdapter(Split).validate_python(ingestion.get("split") or settings.split.model_dump())
    policy = read_policy(settings.policy_file)
    schema = without(schema, settings.data.drop)
    splits = {name: read_split(statistics, name) for name in splits_in(statistics)}
    evidence = Evidence(
        label=settings.data.label,
        task=settings.data.task,
        splits=splits,
        spans={number: read_span(statistics, number) for number in spans_in(statistics)},
        spans_read=ingestion["spans"] if has_spans(settings.data_pattern) else (),
        time_column=time_column(split),
        excluded=settings.never_asked,
        rows=lambda: ((split, batch) for split in splits for batch in read_examples(examples, split, columns)),
        own_checks=find_own_code(settings).all_plain("schema.checks"),
        derived=counted_in(statistics, feature_table(settings, schema)) if settings.features.derive else None,
    )
    source = Source(
        settings.data_pattern, columns, ingestion["spans"], settings.data.label, split, settings.data.format
    )
    with output_to(settings.root / "logs" / "recheck.log"):  # TensorFlow's chatter, as it is loaded
        return with_rows(judge(evidence, schema, policy), {"training": source}, policy.rows)
