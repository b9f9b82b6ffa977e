"""Transform on record batches: TFT's analysis of the training split, and nothing else.

Stock Transform traces the preprocessing function four times only to inspect it, and reads, describes and writes
transformed examples unless it is told not to. Here TFT's own transforms are called directly; the graph that they write
is the same.
"""

from __future__ import annotations

import functools
from typing import Any

import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata
from tfx.components.transform import component
from tfx.components.util import examples_utils, tfxio_utils
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import import_utils, io_utils, json_utils

from pipeline.data import parquet_tfxio
from trainer.features import FeatureTable, Kind

parquet_tfxio.install()


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes `transform_graph`. Takes of stock Transform's parameters `preprocessing_fn` and `custom_config`."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do."""
        examples = artifact_utils.get_single_instance(input_dict[standard_component_specs.EXAMPLES_KEY])
        schema_uri = artifact_utils.get_single_uri(input_dict[standard_component_specs.SCHEMA_KEY])
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri))
        graph_uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.TRANSFORM_GRAPH_KEY])
        custom_config = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        module, _, function = exec_properties[standard_component_specs.PREPROCESSING_FN_KEY].rpartition(".")
        preprocessing_fn = functools.partial(
            import_utils.import_func_from_module(module, function), custom_config=custom_config
        )
        source = tfxio_utils.make_tfxio(
            io_utils.all_files_pattern(artifact_utils.get_split_uri([examples], "train")),
            ["Transform"],
            examples_utils.get_payload_format(examples),
            schema=schema,
        ).Project(_analyzed_columns(FeatureTable.from_dict(custom_config["features"])))
        temporary = f"{graph_uri}/.temp_path"
        with self._make_beam_pipeline() as pipeline, tft_beam.Context(temporary, use_deep_copy_optimization=True):
            rows = pipeline | "ReadRows" >> source.BeamSource()
            graph = (rows, source.TensorAdapterConfig()) | "Analyze" >> tft_beam.AnalyzeDataset(preprocessing_fn)
            _ = graph | "WriteGraph" >> tft_beam.WriteTransformFn(graph_uri)
            _ = dataset_metadata.DatasetMetadata(schema) | "WriteRawMetadata" >> tft_beam.WriteMetadata(
                f"{graph_uri}/{tft.TFTransformOutput.RAW_METADATA_DIR}", pipeline
            )
        io_utils.delete_dir(temporary)


def _analyzed_columns(table: FeatureTable) -> list[str]:
    """The columns whose values the preprocessing function learns from."""
    learned = [feature.name for feature in table.of(Kind.NUMERIC, Kind.TIMESTAMP, Kind.CATEGORICAL)]
    return learned or [table.label.name]  # nothing to learn: any column will do


class Transform(component.Transform):
    """Component: `transform_graph`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
