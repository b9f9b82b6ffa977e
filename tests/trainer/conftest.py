"""What TFX's Trainer would hand to run_fn, for a small table with a column of each kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from bench.small_training import analyse, trainer_arguments
from trainer.features import derive

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
    analyse(pa.table(columns), SCHEMA, TABLE, data)

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
        arguments = trainer_arguments(data, TABLE, folder, **given)
        arguments.base_model = str(base_model / "Format-Serving") if base_model else None
        arguments.hyperparameters = hyperparameters
        return arguments

    return make
