"""The gate between the data and the training: nothing after it runs without its blessing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import TypeAdapter
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact, artifact_utils, channel, component_spec, standard_artifacts
from tfx.utils import io_utils

from pipeline.config.data import Data
from pipeline.config.split import Split, time_column
from pipeline.config.text_format import CSV, TextFormat
from pipeline.data.artifact_files import open_file
from pipeline.data.columns import ColumnType
from pipeline.data.examples import read_examples
from pipeline.data.patterns import has_spans
from pipeline.data.sources import source, table_files
from pipeline.data.statistics_files import Statistics, read_span, read_split, spans_in
from pipeline.data.table_statistics import table_statistics
from pipeline.data.values.readings import Readings, readings_from, written
from pipeline.guard.derived_features import count, counted_in
from pipeline.guard.judge import Evidence, judge
from pipeline.guard.policy import Policy
from pipeline.guard.rows import Source, with_rows
from pipeline.lineage.artifact_names import SUMMARY_FILE, VERDICT_FILE
from trainer.features import FeatureTable

BLESSED = "blessed"
"""Custom property of the verdict: 1 or 0."""

PATCHES = ("pipeline.patches.histograms",)
"""What TFDV is patched with while this runs; named so that its code counts in the digest of the step."""


class DataVerdict(artifact.Artifact):
    """What the gate found, in `verdict.json` (pipeline.guard.findings.DataVerdict), and whether the run may go on."""

    TYPE_NAME = "longhaul.DataVerdict"  # Vertex wants a namespace


class Executor(base_executor.BaseExecutor):
    """Gathers the evidence, has it judged, writes the verdict."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do.

        Raises:
            CodeError: a check of the user's failed.
        """
        inputs = {key: artifact_utils.get_single_instance(value) for key, value in input_dict.items()}
        policy = Policy.model_validate_json(exec_properties["policy"])
        request = json.loads(exec_properties["table"])
        pattern = f"{exec_properties['data_root']}{request['below']}"
        label = request["label"]
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(inputs["schema"].uri))
        examples, statistics, anomalies = (inputs[key].uri for key in ("examples", "statistics", "anomalies"))
        ingestion = json.loads(io_utils.read_string_file(f"{examples}/{SUMMARY_FILE}"))
        split: Split = TypeAdapter(Split).validate_python(ingestion["split"])  # its bounds as they were found
        columns = {name: ColumnType(value) for name, value in ingestion["columns"].items()}
        splits = artifact_utils.decode_split_names(inputs["examples"].split_names)
        readings = readings_from(request)
        form = TextFormat(**request.get("format", {}))
        sources = {"training": Source(pattern, columns, ingestion["spans"], label, split, form, readings)}
        serving = None
        if request["serving"]:
            unseen = [*request["drop"], *request["excluded"]]
            sources["serving"], serving = _read_serving(request["serving"], columns, unseen, form, readings)
        derived = None
        if "features" in request:
            table = FeatureTable.from_dict(request["features"])
            derived = counted_in(statistics, table)
            if derived and serving:
                derived = derived._replace(serving=count(_rows(sources["serving"]), table))

        evidence = Evidence(
            label=label,
            task=request["task"],
            splits={name: read_split(statistics, name) for name in splits},
            anomalies={name: _anomalies(f"{anomalies}/Split-{name}/SchemaDiff.pb") for name in splits},
            spans={number: read_span(statistics, number) for number in spans_in(statistics)},
            spans_read=ingestion["spans"] if has_spans(pattern) else (),
            time_column=time_column(split),
            serving=serving,
            excluded=request["excluded"],
            rows=lambda: ((name, batch) for name in splits for batch in read_examples(examples, name, columns)),
            own_checks=request.get("checks", ()),
            derived=derived,
        )
        verdict = with_rows(judge(evidence, schema, policy), sources, policy.rows)
        output = artifact_utils.get_single_instance(output_dict["verdict"])
        io_utils.write_string_file(f"{output.uri}/{VERDICT_FILE}", json.dumps(verdict.to_json(), indent=1))
        output.set_int_custom_property(BLESSED, int(not verdict.blocked))


def _read_serving(
    pattern: str, columns: dict[str, ColumnType], drop: list[str], form: TextFormat, readings: Readings
) -> tuple[Source, Statistics]:
    """Return the table of serving requests without the columns `drop`, and its statistics; columns that training has
    are read in the same types."""
    files = table_files.find_files(pattern, form=form, readings=readings)
    found = source.infer_columns(files, drop, columns)
    where = Source(pattern, found, form=form, readings=readings)
    return where, table_statistics(_rows(where))


def _rows(where: Source) -> Iterator[pa.RecordBatch]:
    files = table_files.find_files(where.pattern, form=where.form, readings=where.readings)
    for fragment in source.plan_fragments(files, columns=where.columns):
        yield from source.read_fragment(fragment, where.columns)


def _anomalies(path: str) -> anomalies_pb2.Anomalies:
    with open_file(path) as file:
        return anomalies_pb2.Anomalies.FromString(file.read())


class DataGateSpec(component_spec.ComponentSpec):
    """The policy's and the table's settings travel whole, since the files they stand in may be elsewhere."""

    PARAMETERS: ClassVar = {
        "policy": component_spec.ExecutionParameter(type=str),
        "table": component_spec.ExecutionParameter(type=str),
        "data_root": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
    }
    OUTPUTS: ClassVar = {"verdict": component_spec.ChannelParameter(type=DataVerdict)}


class DataGate(base_component.BaseComponent):
    """Component: `verdict`.

    Args:
        pattern: where the table lies, as for table_files.find_files; `data` and `split` tell how to find offending
            rows in it.
        serving_pattern: the same of the serving requests; None if there are none.
        serving_digest: changes with their files, so that TFX's cache sees them change.
        data_root: a RuntimeParameter for the folder of the table; that of the pattern when None.
        checks: functions of the user's as plain data, see trainer.user_code.
        features: the FeatureTable as plain data; what is derived in it is compared, too.
    """

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self, *, examples: Any, statistics: Any, schema: Any, anomalies: Any, policy: Policy,
        pattern: str, serving_pattern: str | None, serving_digest: str, data: Data, split: Split,
        excluded: Iterable[str], data_root: Any = None, checks: Sequence[Mapping[str, str]] = (),
        features: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        root, below = table_files.split_root(pattern)
        table = {
            "below": below,
            **data.model_dump(mode="json", include={"label", "task", "drop"}),
            **written(data),
            **({"format": data.format.written()} if data.format != CSV else {}),
            "excluded": sorted(excluded),
            "serving": serving_pattern,
            "serving_files": serving_digest,
            **({"checks": list(checks)} if checks else {}),
            **({"features": dict(features)} if features.get("derived") else {}),
        }
        super().__init__(
            DataGateSpec(
                examples=examples,
                statistics=statistics,
                schema=schema,
                anomalies=anomalies,
                policy=policy.model_dump_json(),
                table=json.dumps(table, sort_keys=True),
                data_root=data_root or root,
                verdict=channel.Channel(type=DataVerdict),
            )
        )
