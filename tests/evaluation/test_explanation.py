"""Attributions that can be worked out by hand, on functions and on a SavedModel as the trainer exports it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from pipeline.config.evaluation import Evaluation
from pipeline.evaluation.explanation import _importance
from pipeline.evaluation.row_sample import RowSample
from pipeline.serving.attributions import attributions
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.preprocessing import columns_by_feature
from trainer.rows import to_examples

X = {"numbers": np.array([[2.0, 3.0], [0.5, -1.0]], np.float32), "codes": np.array([[1, 0], [2, 2]])}
BASE = {"numbers": np.array([0.5, 1.0], np.float32), "codes": np.array([0, 0])}
OF_CODE = np.array([0.0, 4.0, 10.0])


def model(inputs: Mapping[str, Any], outputs: Any) -> dict[str, Any]:
    """a * a + 3 b + what the first code is worth, and that times b when the second code is not 0."""
    a, b = inputs["numbers"].T
    worth, is_on = OF_CODE[inputs["codes"][:, 0]], inputs["codes"][:, 1] > 0
    return {
        "prediction": a * a + 3 * b + worth + worth * b * is_on,
        "numbers": np.stack([2 * a, 3 + worth * is_on], axis=1),
    }


def test_parts_by_hand_and_their_sum() -> None:
    parts, typical, predictions = attributions(model, X, BASE, np.zeros(2, np.int64))
    np.testing.assert_allclose(typical, [3.25, 3.25])
    np.testing.assert_allclose(predictions, [4 + 9 + 4, 0.25 - 3 + 10 - 10])
    # The first row: nothing depends on two things at once.
    np.testing.assert_allclose(parts["numbers"][0], [4 - 0.25, 6], atol=1e-5)
    np.testing.assert_allclose(parts["codes"][0], [4, 0], atol=1e-6)
    # The second: b goes from 1 to -1, half of the way with the worth of 10 and half without.
    np.testing.assert_allclose(parts["numbers"][1], [0, -6 - 10], atol=1e-5)
    total = sum(of.sum(axis=1) for of in parts.values())
    np.testing.assert_allclose(total, predictions - typical, atol=1e-4)


def test_the_same_rows_give_the_same_parts() -> None:
    first, _, _ = attributions(model, X, BASE, np.zeros(2, np.int64))
    second, _, _ = attributions(model, X, BASE, np.zeros(2, np.int64))
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kept", ["numbers", "codes"])
def test_with_inputs_of_one_kind_only(kept: str) -> None:
    def narrow(inputs: Mapping[str, Any], outputs: Any) -> dict[str, Any]:
        rows = len(outputs)
        whole = {name: inputs.get(name, np.repeat(BASE[name][None], rows, axis=0)) for name in BASE}
        return {key: value for key, value in model(whole, outputs).items() if key in ("prediction", kept)}

    parts, typical, predictions = attributions(narrow, {kept: X[kept]}, {kept: BASE[kept]}, np.zeros(2, np.int64))
    assert parts.keys() == {kept}
    np.testing.assert_allclose(parts[kept].sum(axis=1), predictions - typical, atol=1e-4)


def test_every_column_of_the_inputs_tells_of_a_feature() -> None:
    """In the order in which trainer.preprocessing stacks them."""
    features = (
        Feature("seats", Kind.NUMERIC, Storage.INT, True),
        Feature("carrier", Kind.CATEGORICAL, Storage.BYTES, True),
        Feature("left", Kind.TIMESTAMP, Storage.INT, False),
        Feature("known", Kind.BOOLEAN, Storage.INT, False),
        Feature("wind", Kind.NUMERIC, Storage.FLOAT, False),
    )
    table = FeatureTable(Label("late", "binary", Storage.INT, ("0", "1")), features, 10, 4)
    assert columns_by_feature(table) == {
        "seats": [("numeric", 0), ("flags", 1)],
        "carrier": [("categorical", 0)],
        "left": [("numeric", 1), ("numeric", 2), ("numeric", 3)],
        "known": [("flags", 0)],
        "wind": [("numeric", 4)],
    }


class Linear(tf.Module):
    """400 numbers of which two matter, with what the trainer's SavedModel has for explanations."""

    features = 400
    weights = np.zeros(features, np.float32)
    weights[[7, 300]] = 3.0, -2.0

    def __init__(self) -> None:
        super().__init__()
        self.signatures = {"serving_tensors": self.predict, "transform_features": self.transform}

    def predict(self, **columns: Any) -> dict[str, Any]:
        return {"prediction": tf.sigmoid(self._score(tf.stack([*columns.values()], axis=1)))[:, None]}

    def transform(self, examples: Any) -> dict[str, Any]:
        spec = {f"f{place}": tf.io.FixedLenFeature([], tf.float32) for place in range(self.features)}
        parsed = tf.io.parse_example(examples, spec)
        return {"numeric": tf.stack([parsed[name] for name in spec], axis=1)}

    def differentiate(self, inputs: dict[str, Any], output: Any) -> dict[str, Any]:
        with tf.GradientTape() as tape:
            tape.watch(inputs["numeric"])
            prediction = tf.sigmoid(self._score(inputs["numeric"]))
        return {"prediction": prediction, "numeric": tape.gradient(prediction, inputs["numeric"])}

    def _score(self, numbers: Any) -> Any:
        return tf.linalg.matvec(tf.cast(numbers, tf.float32), self.weights)


def test_of_a_wide_table_the_features_that_matter_are_permuted() -> None:
    random = np.random.default_rng(0)
    numbers = random.normal(size=(1_000, Linear.features)).astype(np.float32)
    predictions = 1 / (1 + np.exp(-numbers @ Linear.weights))[:, None]
    labels = (random.random(1_000) < predictions[:, 0]).astype(np.int64)
    names = [f"f{place}" for place in range(Linear.features)]
    records = np.array(to_examples(pa.record_batch(dict(zip(names, numbers.T, strict=True)))), object)
    sample = RowSample(
        np.arange(1_000), np.abs(predictions[:, 0] - labels), labels, predictions, records, np.ones(1_000)
    )
    features = tuple(Feature(name, Kind.NUMERIC, Storage.FLOAT, False) for name in names)
    table = FeatureTable(Label("late", "binary", Storage.INT, ("0", "1")), features, 10, 4)
    rules = Evaluation.model_validate({"thresholds": {"auc": {"at_least": 0}}})
    found = _importance(Linear(), sample, table, rules)
    assert (found["rows"], found["repeats"], found["left_out"]) == (750, 1, 400 - 66)
    assert [feature["name"] for feature in found["features"][:2]] == ["f7", "f300"]
    assert {feature["drop"] for feature in found["features"][2:]} == {0.0}
