"""ExampleGen in columns: a table becomes typed, split Parquet files, without a Python object per row.

A stock FileBasedExampleGen (its driver finds the files and takes their fingerprint, here and on Vertex)
with an executor of ours. Beam maps over fragments of files; each fragment writes one shard per split.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import apache_beam as beam
from google.protobuf import any_pb2, json_format, struct_pb2
from pydantic import TypeAdapter
from tfx.components.example_gen import component, driver, input_processor, utils
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, proto_utils

from pipeline.config.data import DUCKDB, SQLITE, UNLABELLED_AT_MOST, Data
from pipeline.config.split import Split
from pipeline.config.text_format import CSV
from pipeline.data.columns import ColumnType
from pipeline.data.decided_labels import FILE as DECISIONS_FILE
from pipeline.data.decided_labels import applied
from pipeline.data.decisions_text import PROPERTY as DECISIONS
from pipeline.data.filled_splits import check_filled, settled
from pipeline.data.labels import LabelTally, check_label
from pipeline.data.patterns import has_spans, without_marks
from pipeline.data.row_weights import check_weighed
from pipeline.data.set_aside import FILE as ASIDE_FILE
from pipeline.data.set_aside import gathered
from pipeline.data.sources import parts, remote, source, table_files
from pipeline.data.split import split_names
from pipeline.data.split_shards import WriteSplitShards, write_json
from pipeline.data.training_columns import check_training_columns
from pipeline.data.values.readings import READ_BY, readings_of, written
from pipeline.errors import DataError
from pipeline.lineage.artifact_names import SUMMARY_FILE
from pipeline.lineage.of_pipeline import artifacts_of
from pipeline.lineage.source_files import FILES, are_as_read, digest_of, from_property, to_property

_NOT_READ = {"serving", "builder", "arrival", "ordered", DECISIONS, *READ_BY}
_PAYLOADS = {"parquet": example_gen_pb2.FORMAT_PARQUET, "tf_example": example_gen_pb2.FORMAT_TF_EXAMPLE}


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads fragments of the table, splits them, writes one shard per split of each."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do.

        Raises:
            DataError: whatever makes the table unusable; the launcher then removes the output.
        """
        request = _unpack(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        pattern = f"{exec_properties[standard_component_specs.INPUT_BASE_KEY]}{request['below']}"
        data = Data.model_validate(request["data"])
        split: Split = TypeAdapter(Split).validate_python(request["split"])
        files = table_files.find_files(pattern, data.spans, data.format, readings_of(data))
        states = table_files.file_states(files)  # before they are read: a file that changes meanwhile will tell
        digests = [digest_of(path, size) for path, size, _ in states]
        declared = {name: ColumnType(value) for name, value in request["declared"].items()}
        columns = source.infer_columns(files, data.drop, declared)  # the schema's type wins over the one found
        check_training_columns(columns, files[0].path, data, split)
        names = split_names(split)
        used = sorted({file.span for file in files})
        split = settled(split, files, columns, data.label)

        examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        examples.split_names = artifact_utils.encode_split_names(list(names))
        examples_utils.set_payload_format(examples, _PAYLOADS[data.payload])
        write = WriteSplitShards(
            columns,
            data,
            split,
            {name: artifact_utils.get_split_uri([examples], name) for name in names},
            request.get(DECISIONS),
        )
        outcomes_file = f"{examples.uri}/{SUMMARY_FILE}"
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "ListFragments" >> beam.Create(list(enumerate(source.plan_fragments(files, columns=columns))))
                | "SpreadFragments" >> beam.Reshuffle()
                | "WriteSplitShards" >> beam.Map(write)
                | "GatherOutcomes" >> beam.combiners.ToList()
                | "WriteOutcomes" >> beam.Map(write_json, outcomes_file)
            )
        outcomes = json.loads(io_utils.read_string_file(outcomes_file))
        summary = _judge(outcomes, data, names, used) | {
            "files": [table_files.file_name(file.path) for file in files],
            "spans": used,
            "columns": columns,
            "split": split.model_dump(mode="json"),
        }
        if data.bad_rows == "set_aside":
            told, text = gathered([outcome["aside"] for outcome in outcomes], data.bad_rows_at_most)
            summary |= {"set_aside": told | {"file": f"{examples.uri}/{ASIDE_FILE}"}}
            io_utils.write_string_file(f"{examples.uri}/{ASIDE_FILE}", text)
        if decisions := request.get(DECISIONS):
            told, text = applied(decisions, [outcome["decided"] for outcome in outcomes])
            summary |= {DECISIONS: told}
            io_utils.write_string_file(f"{examples.uri}/{DECISIONS_FILE}", text)
            examples.set_string_custom_property(DECISIONS, json.dumps(told))
        if has_spans(pattern):
            summary |= {"split_spans": _spans_of_splits(outcomes, names)}
        write_json(summary, outcomes_file)
        examples.set_string_custom_property("rows", json.dumps(summary["rows"]))
        examples.set_string_custom_property("spans", json.dumps(summary["spans"]))
        if "split_spans" in summary:
            examples.set_string_custom_property("split_spans", json.dumps(summary["split_spans"]))
        examples.set_string_custom_property(FILES, to_property(states, digests))


class Driver(driver.FileBasedDriver):
    """Of a table in a database the fingerprint is its size and time of change, which the file alone does not tell.
    Files that have only been touched since they were read last keep theirs."""

    def run(self, execution_info: Any) -> Any:
        """See FileBasedDriver."""
        result = super().run(execution_info)
        if fingerprint := self._fingerprint_as_read(execution_info):
            told = [
                one.custom_properties
                for one in result.output_artifacts[standard_component_specs.EXAMPLES_KEY].artifacts
            ]
            for properties in (result.exec_properties, *told):
                properties[utils.FINGERPRINT_PROPERTY_NAME].string_value = fingerprint
        return result

    def _fingerprint_as_read(self, execution_info: Any) -> str:
        """Return the fingerprint of the newest Examples if they were made of what lies there now; else ""."""
        properties = execution_info.exec_properties
        request = _unpack(properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        pattern = f"{properties[standard_component_specs.INPUT_BASE_KEY]}{request['below']}"
        if "://" in pattern:
            return ""
        with self._metadata_handle as handle:
            known = artifacts_of(handle.store, execution_info.pipeline_info.id, "Examples", only_live=True)
        made = [
            one.custom_properties for one in sorted(known, key=lambda one: one.id) if FILES in one.custom_properties
        ]
        if not made:
            return ""
        data = Data.model_validate(request["data"])
        states = table_files.file_states(table_files.find_files(pattern, data.spans, data.format, readings_of(data)))
        are_same = are_as_read(from_property(made[-1][FILES].string_value), states)
        return str(made[-1][utils.FINGERPRINT_PROPERTY_NAME].string_value) if are_same else ""

    def get_input_processor(
        self, splits: Any, range_config: Any = None, input_base_uri: str | None = None
    ) -> input_processor.InputProcessor:
        """See FileBasedDriver."""
        if input_base_uri and remote.remote_of(input_base_uri):
            return _TableProcessor(input_base_uri, splits)
        if splits[0].pattern.lower().endswith((*DUCKDB, *SQLITE)):
            return _TableProcessor(f"{input_base_uri}/{splits[0].pattern}", splits)
        return super().get_input_processor(splits, range_config, input_base_uri)


class _TableProcessor(input_processor.InputProcessor):
    """What TFX asks of tables: spans and versions have they none, {SPAN} being the executor's."""

    def __init__(self, address: str, splits: Any) -> None:
        super().__init__(splits)
        self._address = address

    def get_pattern_for_span_version(self, pattern: str, span: int, version: int | None) -> str:
        return pattern

    def get_latest_span(self) -> int:
        return 0

    def get_latest_version(self, span: int) -> int | None:
        return None

    def get_input_fingerprint(self, span: int, version: int | None) -> str:
        return json.dumps(table_files.file_states(table_files.find_files(self._address)))


class TableExampleGen(component.FileBasedExampleGen):
    """Component: `examples` as Parquet, split as configured.

    Args:
        pattern: where the table lies, as for pipeline.data.sources.table_files.find_files.
        declared: types of columns that the curated schema knows; they win over those that are found.
        decisions: labels that people decided, see pipeline.data.decided_labels.
        data_root: a RuntimeParameter for the folder of the table; that of the pattern when None.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(
        self, *, pattern: str, data: Data, split: Split, declared: Mapping[str, ColumnType],
        decisions: Mapping[str, Any] = MappingProxyType({}), data_root: Any = None,
    ) -> None:  # fmt: skip
        root, below = table_files.split_root(pattern)
        request = {
            "below": below,
            "data": data.model_dump(mode="json", exclude=_NOT_READ | _not_given(data)) | written(data),
            "split": _told(split),
            "declared": {name: column.value for name, column in declared.items()},
            **({DECISIONS: dict(decisions)} if decisions else {}),
        }
        files = without_marks(parts.file_of(below)).removeprefix("/") or "*"
        splits = [example_gen_pb2.Input.Split(name="table", pattern=files)]
        outputs = [
            example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=1)  # names only; the executor splits
            for name in split_names(split)
        ]
        super().__init__(
            input_base=data_root or root,
            input_config=example_gen_pb2.Input(splits=splits),
            output_config=example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=outputs)),
            custom_config=_pack(request),
            output_data_format=_PAYLOADS[data.payload],
        )


def _not_given(data: Data) -> set[str]:
    """Return settings that came later and that nobody gave: the step is not told them, so that it stays cached."""
    given = {
        "format": data.format != CSV,
        "weight": data.weight is not None,
        "unlabelled_at_most": data.unlabelled_at_most != UNLABELLED_AT_MOST,
    }
    return {name for name, is_given in given.items() if not is_given}


def _told(split: Split) -> dict[str, Any]:
    """Write the split as the step is told it: settings that came later stand there only when somebody gave them, so
    that the step stays cached without them."""
    later = ("eval", "test", "stratify", "bounds")
    return {name: value for name, value in split.model_dump(mode="json").items() if value or name not in later}


def _spans_of_splits(outcomes: list[dict[str, Any]], names: tuple[str, ...]) -> dict[str, list[int]]:
    return {name: sorted({one["span"] for one in outcomes if one["rows"][name]}) for name in names}


def _judge(outcomes: list[dict[str, Any]], data: Data, names: tuple[str, ...], used: list[int]) -> dict[str, Any]:
    """Sum the fragments' outcomes, or raise the first problem that one of them met."""
    for outcome in outcomes:
        if "problem" in outcome:
            raise DataError(*outcome["problem"])
    rows = {name: sum(outcome["rows"][name] for outcome in outcomes) for name in names}
    tally = LabelTally.merge(outcome["labels"] for outcome in outcomes)
    if sum(rows.values()) + tally.unlabelled == 0:
        raise DataError("the table has no rows", "check the export that wrote it")
    check_label(tally, data, sum(rows.values()))
    check_filled(rows, sorted({*used} - {one["span"] for one in outcomes if any(one["rows"].values())}))
    if data.weight is not None:
        check_weighed({name: sum(outcome["weights"][name] for outcome in outcomes) for name in names}, data.weight)
    shards = {path: digest for outcome in outcomes for path, digest in outcome["shards"].items()}
    return {"rows": rows, "labels": tally.to_json(), "shards": shards}


def _pack(request: dict[str, Any]) -> example_gen_pb2.CustomConfig:
    packed = any_pb2.Any()
    packed.Pack(json_format.ParseDict(request, struct_pb2.Struct()))
    return example_gen_pb2.CustomConfig(custom_config=packed)


def _unpack(custom_config: str) -> dict[str, Any]:
    config = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(custom_config, config)
    request = struct_pb2.Struct()
    config.custom_config.Unpack(request)
    return dict(json_format.MessageToDict(request))
