"""Transform on record batches: TFT's analysis of the training split, and nothing else. Spans seen before are not
read again (analyzer_cache.py).

Stock Transform traces the preprocessing function four times only to inspect it, and reads, describes and writes
transformed examples unless it is told not to. Here TFT's own transforms are called directly; the graph that they write
is the same. What asks for more (a module of somebody's, statistics, transformed examples) is done by stock Transform's
own executor.
"""

from __future__ import annotations

import functools
import json
import logging
import traceback
from collections.abc import Collection, Mapping
from typing import Any

import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.beam.tft_beam_io import beam_metadata_io, transform_fn_io
from tensorflow_transform.tf_metadata import dataset_metadata
from tfx.components.transform import component
from tfx.components.transform import executor as stock
from tfx.components.util import examples_utils
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import import_utils, io_utils, json_utils

from pipeline.components import analyzer_cache
from pipeline.data.artifact_files import in_split
from pipeline.data.stacked import StackedTFXIO
from pipeline.errors import CodeError, causes
from pipeline.lineage.artifact_names import SUMMARY_FILE
from pipeline.patches.row_groups import make_tfxio
from trainer.features import FeatureTable, Kind
from trainer.user_code import UserCodeError, explained

PATCHES = ("pipeline.patches.reloaded_graph",)
"""What TFT is patched with while this runs; named so that its code counts in the digest of the step."""


OWN = "trainer.preprocessing.preprocessing_fn"
"""The function that is analyzed in columns: it takes the matrices of trainer.stacks."""


class Executor(stock.Executor):
    """Writes `transform_graph` and `updated_analyzer_cache` for `OWN`; for others what stock Transform does."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do."""
        if exec_properties.get(standard_component_specs.PREPROCESSING_FN_KEY) != OWN:
            logging.getLogger(__name__).info(
                "Transform takes TFX's own executor: the preprocessing function is not Longhaul's"
            )
            try:
                super().Do(input_dict, output_dict, exec_properties)
            except Exception as exc:
                if error := _of_the_user(exc, exec_properties):
                    raise CodeError(error.what, error.remedy) from exc
                raise
            return
        logging.getLogger(__name__).info("Transform analyzes in columns: the preprocessing function is Longhaul's")
        examples = artifact_utils.get_single_instance(input_dict[standard_component_specs.EXAMPLES_KEY])
        schema_uri = artifact_utils.get_single_uri(input_dict[standard_component_specs.SCHEMA_KEY])
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri))
        graph_uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.TRANSFORM_GRAPH_KEY])
        custom_config = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        module, _, function = exec_properties[standard_component_specs.PREPROCESSING_FN_KEY].rpartition(".")
        preprocessing_fn = functools.partial(
            import_utils.import_func_from_module(module, function), custom_config=custom_config
        )
        table = FeatureTable.from_dict(custom_config["features"])
        columns = _analyzed_columns(table)
        payload = examples_utils.get_payload_format(examples)

        def open_files(patterns: Collection[str]) -> Any:
            return StackedTFXIO(make_tfxio(patterns, ["Transform"], payload, schema=schema).Project(columns), table)

        train_uri = artifact_utils.get_split_uri([examples], "train")
        temporary = f"{graph_uri}/.temp_path"
        with self._make_beam_pipeline() as pipeline, tft_beam.Context(temporary, use_deep_copy_optimization=True):
            (cache_out,) = output_dict[standard_component_specs.UPDATED_ANALYZER_CACHE_KEY]
            cache_out.set_int_custom_property(analyzer_cache.EXAMPLES_ID, examples.id)
            if shards := _digests(examples, train_uri):
                caches = input_dict.get(standard_component_specs.ANALYZER_CACHE_KEY) or []
                cache_in = caches[0].uri if caches else None
                graph = analyzer_cache.analyze(pipeline, preprocessing_fn, shards, open_files, cache_in, cache_out.uri)
            else:
                source = open_files([io_utils.all_files_pattern(train_uri)])
                rows = pipeline | "ReadRows" >> source.BeamSource()
                graph = (rows, source.TensorAdapterConfig()) | "Analyze" >> tft_beam.AnalyzeDataset(preprocessing_fn)
                analyzer_cache.write_index(cache_out.uri, {})
            _ = graph | "WriteGraph" >> transform_fn_io.WriteTransformFn(graph_uri)
            _ = dataset_metadata.DatasetMetadata(schema) | "WriteRawMetadata" >> beam_metadata_io.WriteMetadata(
                f"{graph_uri}/{tft.TFTransformOutput.RAW_METADATA_DIR}", pipeline
            )
        io_utils.delete_dir(temporary)


def _digests(examples: Any, split_uri: str) -> dict[str, str]:
    """Name each shard of the split by its content; empty if there are no spans, or too few rows to be worth it."""
    file = f"{examples.uri}/{SUMMARY_FILE}"
    if not fileio.exists(file):  # of another ExampleGen
        return {}
    summary = json.loads(io_utils.read_string_file(file))
    if sum(summary["rows"].values()) < analyzer_cache.WORTHWHILE_ROWS:
        return {}
    return analyzer_cache.shard_names(in_split(split_uri, summary["shards"]))


def _of_the_user(exc: BaseException, exec_properties: Mapping[str, Any]) -> UserCodeError | None:
    """Return an error as one of the user's function: its own, or one that TFT met in the graph that it gave."""
    if told := next((cause for cause in causes(exc) if isinstance(cause, UserCodeError)), None):
        return told
    config = json_utils.loads(exec_properties.get(standard_component_specs.CUSTOM_CONFIG_KEY) or "{}") or {}
    frames = (frame for cause in causes(exc) for frame in traceback.extract_tb(cause.__traceback__))
    is_of_machine = any(isinstance(cause, OSError | MemoryError) for cause in causes(exc))
    if "code" not in config or is_of_machine or not any("/tensorflow_transform/" in one.filename for one in frames):
        return None
    error = explained(exc, config["code"])
    return UserCodeError(
        error.what.partition(" [while running")[0],
        "give each output one row for each row of the inputs, and see what its graph makes of all rows; the log has "
        "the whole story",
    )


def _analyzed_columns(table: FeatureTable) -> list[str]:
    """Return the columns whose values the preprocessing function learns from; with derived features it is all."""
    if table.derived:
        return [*(feature.name for feature in table.features), table.label.name]
    learned = [feature.name for feature in table.of(Kind.NUMERIC, Kind.TIMESTAMP, Kind.CATEGORICAL)]
    return learned or [table.label.name]  # nothing to learn: any column will do


class Transform(component.Transform):
    """Learn a graph from the training split that turns raw columns into what a model is given.

    It takes the arguments of TFX's Transform. Outputs: `transform_graph`, `updated_analyzer_cache`, and
    `transformed_examples` if `materialize` says so.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
