"""From an Arrow table to what Trainer exports, in this process: Transform's analysis and run_fn, no other step."""

from __future__ import annotations

import functools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.beam.tft_beam_io import beam_metadata_io, transform_fn_io
from tensorflow_transform.tf_metadata import dataset_metadata

from pipeline.data.row_groups import RowGroupTFXIO
from pipeline.data.stacked import StackedTFXIO
from trainer.features import FeatureTable
from trainer.preprocessing import preprocessing_fn
from trainer.settings.trainer import TrainerSettings


def analyse(rows: pa.Table, schema: schema_pb2.Schema, features: FeatureTable, folder: Path) -> None:
    """Writes `rows.parquet` into `folder`, and into its `graph` what Transform makes of it."""
    pq.write_table(rows, folder / "rows.parquet")
    source = StackedTFXIO(RowGroupTFXIO(str(folder / "rows.parquet"), schema), features)
    preprocess = functools.partial(preprocessing_fn, custom_config={"features": features.to_dict()})
    context = tft_beam.Context(temp_dir=str(folder / "tmp"), use_deep_copy_optimization=True)  # as Transform does
    with beam.Pipeline(runner="FnApiRunner") as pipeline, context:
        batches = pipeline | source.BeamSource()
        function = (batches, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(preprocess)
        _ = function | transform_fn_io.WriteTransformFn(str(folder / "graph"))
        _ = dataset_metadata.DatasetMetadata(schema) | beam_metadata_io.WriteMetadata(
            str(folder / "graph" / tft.TFTransformOutput.RAW_METADATA_DIR), pipeline
        )


def trainer_arguments(analysed: Path, features: FeatureTable, folder: Path, **settings: Any) -> Any:
    """What TFX's Trainer would hand to `run_fn`, after `analyse`; the model goes into `folder`'s `Format-Serving`.

    Args:
        settings: of the configuration's section `trainer`.
    """
    return SimpleNamespace(
        train_files=[str(analysed / "rows.parquet")],
        transform_output=str(analysed / "graph"),
        transform_graph_path=str(analysed / "graph"),
        serving_model_dir=str(folder / "Format-Serving"),
        model_run_dir=str(folder / "run"),
        base_model=None,
        hyperparameters=None,
        custom_config={
            "features": features.to_dict(),
            "trainer": TrainerSettings.model_validate(settings).model_dump(mode="json"),
            "order_by": None,
            "group_by": None,
        },
    )
