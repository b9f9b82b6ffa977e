"""What TFX's Trainer would hand to run_fn, for a small table with a column of each kind."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.beam.tft_beam_io import beam_metadata_io, transform_fn_io
from tensorflow_transform.tf_metadata import dataset_metadata

from pipeline.data.parquet_tfxio import RowGroupTFXIO
from pipeline.sections.trainer import Trainer
from trainer.features import derive
from trainer.preprocessing import preprocessing_fn

ROWS = 3000
SCHEMA = text_format.Parse(
    """
    feature { name: "miles" type: FLOAT presence { min_fraction: 0.5 } }
    feature { name: "carrier" type: BYTES presence { min_fraction: 1 } }
    feature { name: "tail number" type: BYTES presence { min_fraction: 1 } }
    feature { name: "late" type: INT presence { min_fraction: 1 } }
    """,
    schema_pb2.Schema(),
)
TABLE = derive(
    SCHEMA, label="late", task="binary", classes=["0", "1"], exclude=[], categorical=[], max_vocabulary=400, bins=8
)
MakeArgs = Callable[..., Any]


@pytest.fixture(scope="session")
def fn_args(tmp_path_factory: pytest.TempPathFactory) -> MakeArgs:
    """`fn_args(folder, base_model=None, hyperparameters=None, **settings)`; the model goes into the folder."""
    data = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(3)
    miles = random.uniform(100, 3000, ROWS).astype(np.float32)
    carrier = random.choice(["UA", "AA", "OO"], ROWS)
    tail_number = [f"N{number}" for number in random.integers(0, 300, ROWS)]
    late = (random.random(ROWS) < 0.1 + 0.5 * (carrier == "OO") + 0.3 * (miles > 2000)).astype(np.int64)
    columns = {"miles": miles, "carrier": carrier, "tail number": tail_number, "late": late}
    pq.write_table(pa.table(columns), data / "rows.parquet")
    source = RowGroupTFXIO(str(data / "rows.parquet"), SCHEMA)
    preprocess = functools.partial(preprocessing_fn, custom_config={"features": TABLE.to_dict()})
    with beam.Pipeline(runner="FnApiRunner") as pipeline, tft_beam.Context(temp_dir=str(data / "tmp")):
        rows = pipeline | source.BeamSource()
        function = (rows, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(preprocess)
        _ = function | transform_fn_io.WriteTransformFn(str(data / "graph"))
        _ = dataset_metadata.DatasetMetadata(SCHEMA) | beam_metadata_io.WriteMetadata(
            str(data / "graph" / tft.TFTransformOutput.RAW_METADATA_DIR), pipeline
        )

    def make(
        folder: Path, base_model: Path | None = None, hyperparameters: dict[str, Any] | None = None, **settings: Any
    ) -> Any:
        given = {
            "hidden_units": [64, 32],
            "members": 2,
            "dropout": 0.5,
            "refit": False,
            "epochs": 2,
            "batch_size": 256,
            "learning_rate": 3e-3,
        } | settings
        return SimpleNamespace(
            train_files=[str(data / "rows.parquet")],
            transform_output=str(data / "graph"),
            transform_graph_path=str(data / "graph"),
            serving_model_dir=str(folder / "Format-Serving"),
            model_run_dir=str(folder / "run"),
            base_model=str(base_model / "Format-Serving") if base_model else None,
            hyperparameters=hyperparameters,
            custom_config={
                "features": TABLE.to_dict(),
                "trainer": Trainer.model_validate(given).model_dump(mode="json"),
                "order_by": None,
                "group_by": None,
            },
        )

    return make
