"""Do TensorFlow's two loaders answer alike? Every signature of five trained models, asked through both.

    python -m bench.served_equal                # 10,000 rows of each table; bench/results/served-equal.json
    python -m bench.served_equal --rows 500 --tables binary regression

The tables: a binary label, four classes, a number, text with gaps, 500 columns. Each is analysed by Transform and
fitted by the Trainer's own code, for one epoch. Differences are absolute; beyond 1 in units of the greatest number.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from bench.small_training import analyse, trainer_arguments
from pipeline.serving.cpp_session import CppSession
from trainer.features import FeatureTable, derive
from trainer.rows import to_examples
from trainer.train import run_fn

ROWS = 10_000
ALLOWED = 1e-6
TABLES = ("binary", "multiclass", "regression", "text with gaps", "500 columns")
LABEL = "label"
_RESULT = Path(__file__).parent / "results" / "served-equal.json"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints a line a table, and writes the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.served_equal")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--output", type=Path, default=_RESULT)
    given = parser.parse_args(arguments)
    found = {}
    for name in given.tables:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="longhaul-bench-") as folder:
            found[name] = compare(name, given.rows, Path(folder))
        greatest = max(found[name]["differences"].values())
        print(f"{name}: greatest difference {greatest:.1e} ({time.monotonic() - began:.0f} s)", flush=True)
    result = {"rows": given.rows, "allowed": ALLOWED, "tables": found}
    given.output.write_text(json.dumps(result, indent=1) + "\n")
    if any(not value <= ALLOWED for table in found.values() for value in table["differences"].values()):
        raise SystemExit(f"the loaders differ by more than {ALLOWED:g}: see {given.output}")


def compare(name: str, rows: int, folder: Path) -> dict[str, Any]:
    """Trains a model of the table `name` and asks every signature through both loaders.

    Returns:
        `columns`, and `differences`: the greatest by `SIGNATURE/OUTPUT`.
    """
    table, task = make_table(name, rows)
    classes = sorted(set(table[LABEL].to_pylist())) if task != "regression" else []
    schema = schema_of(table)
    features = derive(
        schema, label=LABEL, task=task, classes=[str(value) for value in classes], exclude=[], categorical=[],
        max_vocabulary=1000, bins=16,
    )  # fmt: skip
    analyse(table, schema, features, folder)
    run_fn(trainer_arguments(folder, features, folder, hidden_units=[32, 16], members=4, epochs=1, teacher="none"))
    (batch,) = table.combine_chunks().to_batches()
    examples = {"examples": np.array(to_examples(batch), object)}
    requests: dict[str, dict[str, Any]] = {
        "serving_default": examples,
        "serving_tensors": plain_tensors(table, features),
        "transform_features": examples,
        "transform_labels": examples,
    }
    model = str(folder / "Format-Serving")
    signatures = tf.saved_model.load(model).signatures
    graded = {"inputs": examples["examples"]}
    requests |= {name: graded for name in ("classification", "regression") if name in signatures}
    differences = {}
    with CppSession(model) as session:
        for signature, inputs in requests.items():
            python = signatures[signature](**{key: tf.constant(values) for key, values in inputs.items()})
            for output, values in session.ask(signature, inputs).items():
                differences[f"{signature}/{output}"] = _difference(values, python[output].numpy())
    return {"columns": table.num_columns, "differences": differences}


def make_table(name: str, rows: int) -> tuple[pa.Table, str]:
    """The table and its task: "binary", "multiclass" or "regression"."""
    random = np.random.default_rng(TABLES.index(name))
    wide = name == "500 columns"
    numbers = random.normal(size=(rows, 499 if wide else 6)).astype(np.float32)
    columns: dict[str, Any] = {f"number_{place}": numbers[:, place] for place in range(numbers.shape[1])}
    if not wide:
        columns |= {"count": random.integers(-5, 1000, rows), "word": random.choice(["red", "green", "blue"], rows)}
    signal = numbers[:, 0] + numbers[:, 1] ** 2
    if name == "text with gaps":
        words = np.array([f"wörd {place} " + "x" * place for place in range(60)], object)
        for place in range(8):
            texts = random.choice(words, rows)
            columns[f"text {place}"] = pa.array(texts, mask=random.random(rows) < 0.3)
        columns["number_0"] = pa.array(numbers[:, 0], mask=random.random(rows) < 0.2)
    label: Any
    if name == "multiclass":
        label, task = np.array(["a", "b", "c", "d"])[np.digitize(signal, [0.0, 0.7, 1.5])], "multiclass"
    elif name == "regression":
        label, task = (1e5 * signal).astype(np.float32), "regression"
    else:
        label, task = (signal + random.normal(size=rows) > 0.8).astype(np.int64), "binary"
    table = pa.table({LABEL: label, **columns})
    kinds = [pa.float32() if pa.types.is_floating(kind) else kind for kind in table.schema.types]
    return table.cast(pa.schema(list(zip(table.column_names, kinds, strict=True)))), task


def schema_of(table: pa.Table) -> schema_pb2.Schema:
    """Types as they are; a column with gaps may be missing."""
    schema = schema_pb2.Schema()
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = schema_pb2.BYTES
        if not pa.types.is_string(column.type):
            kind = schema_pb2.INT if pa.types.is_integer(column.type) else schema_pb2.FLOAT
        schema.feature.add(name=name, type=kind).presence.min_fraction = 0.0 if column.null_count else 1.0
    return schema


def plain_tensors(table: pa.Table, features: FeatureTable) -> dict[str, Any]:
    """The rows as `serving_tensors` takes them."""
    tensors: dict[str, Any] = {}
    for feature in features.features:
        column = table[feature.name]
        if pa.types.is_string(column.type):
            tensors[features.tensor_names[feature.name]] = np.array(column.fill_null("").to_pylist(), object)
        else:
            numbers = column.cast(pa.float64()).fill_null(np.nan)
            tensors[features.tensor_names[feature.name]] = numbers.to_numpy(zero_copy_only=False)
    return tensors


def _difference(one: Any, other: Any) -> float:
    if one.dtype == object:
        return float((one != other).mean())  # the share of rows with another class
    assert one.shape == other.shape
    unit = max(1.0, float(np.abs(other).max()))
    return float(np.abs(one.astype(float) - other).max()) / unit


if __name__ == "__main__":
    main()
