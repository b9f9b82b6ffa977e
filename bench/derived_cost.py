"""What ten derived features cost, in processor time: Transform's analysis, and requests to the model.

    python -m bench.derived_cost --rows 300000

A table about as wide as the flights is analysed and served in turn as it is, with ten expressions, and with ten
more columns of the same kinds: what is not due to the expressions but to more for the model to see. The model is
served as it is exported, in this process.
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
from pipeline.patches.install import LAUNCHER, install_patches
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
KINDS = {
    "f": ("speed", "far", "mild", "gap", "damp", "late_before", "day"),
    "b": ("rush", "windy"),
    "U": ("route",),
}
"""What the derived features are, as columns."""
Side = tuple[pa.Table, schema_pb2.Schema, dict[str, str]]
"""Rows, their schema, expressions."""
REQUESTS = {1: 500, 256: 50}
"""Rows in a request, and how many such requests are sent."""


def table_of(rows: int, times: int, *, stored: bool = False) -> tuple[pa.Table, schema_pb2.Schema]:
    """Make random rows, and their schema.

    Args:
        times: how often it has each number and category.
        stored: with a column for each derived feature.
    """
    random = np.random.default_rng(1)

    def number() -> Any:
        return random.normal(100, 30, rows).astype(np.float32)

    copies = ["", *map(str, range(2, times + 1))]
    columns: dict[str, Any] = {name + copy: number() for copy in copies for name in NUMBERS}
    columns["at"] = random.integers(1_300_000_000, 1_400_000_000, rows)
    columns |= {
        name + copy: random.integers(0, size, rows).astype(str) for copy in copies for name, size in CATEGORIES.items()
    }
    if stored:
        columns |= {name: number() for name in KINDS["f"]}
        columns |= {name: random.integers(0, 2, rows).astype(bool) for name in KINDS["b"]}
        columns |= {name: random.integers(0, 315, rows).astype(str) for name in KINDS["U"]}
    columns["late"] = random.integers(0, 2, rows)
    schema = schema_pb2.Schema()
    for name, values in columns.items():
        kind = {"f": "FLOAT", "i": "INT", "b": "INT", "U": "BYTES"}[values.dtype.kind]
        more = "time_domain {}" if name == "at" else "bool_domain {}" if values.dtype.kind == "b" else ""
        text = f'feature {{ name: "{name}" type: {kind} presence {{ min_fraction: 1 }} {more} }}'
        text_format.Merge(text, schema)
    schema.feature[-1].shape.dim.add(size=1)
    kept = {name: values.astype(int) if values.dtype.kind == "b" else values for name, values in columns.items()}
    return pa.table({name: pa.array(values) for name, values in kept.items()}), schema


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
    """Print how many times as long each takes with derived features, and with as many columns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--times", type=int, default=3, help="3 is about as wide as the flights, 1 a third of it")
    options = parser.parse_args()
    install_patches(LAUNCHER)  # as in a run
    plain, with_columns = (table_of(options.rows, options.times, stored=stored) for stored in (False, True))
    sides: list[Side] = [(*plain, {}), (*plain, DERIVED), (*with_columns, {})]
    times: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        requests = []
        for turn in range(options.turns + 1):
            for number, (rows, schema, expressions) in enumerate(sides):
                features = derive_all(
                    schema, label="late", task="binary", classes=["0", "1"], exclude=[], categorical=[],
                    max_vocabulary=5000, bins=24, expressions=expressions,
                )  # fmt: skip
                folder = Path(temporary, f"{turn}-{number}")
                folder.mkdir()
                some = rows if turn else rows.slice(0, 10_000)  # the first one warms up
                spent = seconds_of(lambda: analyse(some, schema, features, folder))  # noqa: B023 (called at once)
                if turn:
                    times.setdefault("Transform", [[] for _ in sides])[number].append(spent)
                else:
                    requests.append(served(some, features, folder, folder / "model"))
        for size, count in REQUESTS.items():
            for turn in range(2 * options.turns + 1):
                for number, ask in enumerate(requests):
                    spent = seconds_of(lambda: [ask[size]() for _ in range(count)]) / count  # noqa: B023
                    if turn:
                        times.setdefault(f"a request of {size}", [[] for _ in sides])[number].append(spent)
    for what, found in times.items():
        without, with_them, stored = map(statistics.median, found)
        ratios = f"with derived features {with_them / without:.2f}, with as many columns {stored / without:.2f}"
        print(f"{what}: {without:.4g} s; times that {ratios}")


if __name__ == "__main__":
    main()
