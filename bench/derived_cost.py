"""What ten derived features cost, in processor time: Transform's analysis, and requests to the model.

    python -m bench.derived_cost --rows 300000

A table of nine numbers and times and four categories, like the flights, is analysed and served with and without ten
expressions, in turn. The model is served as it is exported, in this process.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from bench.small_training import analyse
from trainer.derived_columns import derive_all
from trainer.features import FeatureTable
from trainer.model import build_model
from trainer.rows import to_examples
from trainer.signatures import ServedModel
from trainer.training_split import vocabulary_sizes

NUMBERS = ("departure", "arrival", "distance", "air_time", "temperature", "wind", "humidity", "pressure")
CATEGORIES = {"origin": 3, "dest": 105, "carrier": 16, "tail": 4000}
DERIVED = {
    "speed": "distance / air_time",
    "rush": "hour(at) in [7, 8, 17, 18]",
    "route": "cross(origin, dest)",
    "far": "log1p(distance)",
    "mild": "clip(temperature, 50, 150)",
    "windy": "wind > 120",
    "gap": "departure - arrival",
    "damp": "bucket(humidity, [80, 100, 120])",
    "late_before": "rate_by(late, dest)",
    "day": "weekday(at)",
}
REQUESTS = {1: 500, 256: 50}
"""Rows in a request, and how many such requests are sent."""


def table_of(rows: int) -> tuple[pa.Table, schema_pb2.Schema]:
    """Make random rows, and their schema."""
    random = np.random.default_rng(1)
    columns: dict[str, Any] = {name: random.normal(100, 30, rows).astype(np.float32) for name in NUMBERS}
    columns["at"] = random.integers(1_300_000_000, 1_400_000_000, rows)
    columns |= {name: random.integers(0, size, rows).astype(str) for name, size in CATEGORIES.items()}
    columns["late"] = random.integers(0, 2, rows)
    schema = schema_pb2.Schema()
    for name, values in columns.items():
        kind = {"f": "FLOAT", "i": "INT", "U": "BYTES"}[values.dtype.kind]
        more = "time_domain {}" if name == "at" else ""
        text = f'feature {{ name: "{name}" type: {kind} presence {{ min_fraction: 1 }} {more} }}'
        text_format.Merge(text, schema)
    schema.feature[-1].shape.dim.add(size=1)
    return pa.table({name: pa.array(values) for name, values in columns.items()}), schema


def seconds_of(work: Callable[[], Any]) -> float:
    """Return the processor time that something takes, of all threads of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def served(rows: pa.Table, features: FeatureTable, analysed: Path, folder: Path) -> dict[int, Callable[[], Any]]:
    """Export a model of the features, and return requests to it by their number of rows."""
    output = tft.TFTransformOutput(str(analysed / "graph"))
    network = build_model(features, vocabulary_sizes(features, output), hidden_units=(64, 32), dropout=0.0)
    model = ServedModel(network, output, features)
    tf.saved_model.save(model, str(folder), signatures=model.signatures())
    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures["serving_default"]
    (name,) = signature.structured_input_signature[1]

    def ask(size: int) -> Callable[[], Any]:
        (batch,) = rows.slice(0, size).drop_columns(["late"]).to_batches()
        examples = tf.constant(to_examples(batch))
        return lambda: (loaded, signature(**{name: examples}))

    return {size: ask(size) for size in REQUESTS}


def main() -> None:
    """Print how many times as long each takes with derived features."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    rows, schema = table_of(options.rows)
    times: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        requests = []
        for turn in range(options.turns + 1):
            for number, expressions in enumerate(({}, DERIVED)):
                features = derive_all(
                    schema, label="late", task="binary", classes=["0", "1"], exclude=[], categorical=[],
                    max_vocabulary=5000, bins=24, expressions=expressions,
                )  # fmt: skip
                folder = Path(temporary, f"{turn}-{number}")
                folder.mkdir()
                spent = seconds_of(lambda: analyse(rows, schema, features, folder))  # noqa: B023 (called at once)
                if turn:  # the first one warms up
                    times.setdefault("Transform", [[], []])[number].append(spent)
                else:
                    requests.append(served(rows, features, folder, folder / "model"))
        for size, count in REQUESTS.items():
            for turn in range(options.turns + 1):
                for number, ask in enumerate(requests):
                    spent = seconds_of(lambda: [ask[size]() for _ in range(count)]) / count  # noqa: B023
                    if turn:
                        times.setdefault(f"a request of {size}", [[], []])[number].append(spent)
    for what, (without, with_them) in times.items():
        ratio = statistics.median(with_them) / statistics.median(without)
        print(f"{what}: {statistics.median(without):.4g} s, with derived features {ratio:.2f} times that")


if __name__ == "__main__":
    main()
