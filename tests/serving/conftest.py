"""A small SavedModel with Longhaul's four signatures, which a test may spoil, and rows for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.serving.check import ScoredRows
from tests.serving.fake_cloud import FakeCloud, serving

FEATURES = {"carrier": "carrier", "distance_miles": "distance miles"}
"""The raw feature behind each plain tensor."""


class Network(tf.Module):
    """A logistic regression of the distance and the carrier's length; `spoil` has its way with the scores."""

    def __init__(
        self, spoil: Callable[[tf.Tensor], tf.Tensor] = lambda scores: scores, tensors_add: float = 0.0
    ) -> None:
        super().__init__()
        self.weight = tf.Variable(0.001)
        self._spoil = spoil
        self._tensors_add = tensors_add

    def _predict(self, carrier: tf.Tensor, miles: tf.Tensor) -> dict[str, tf.Tensor]:
        miles = tf.where(tf.math.is_nan(miles), 500.0, miles)
        logits = self.weight * miles - tf.cast(tf.strings.length(carrier), tf.float32)
        return {"prediction": self._spoil(tf.sigmoid(logits)[:, tf.newaxis])}

    def _parsed(self, examples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        spec = {
            "carrier": tf.io.FixedLenFeature([], tf.string, "missing"),
            "distance miles": tf.io.FixedLenFeature([], tf.float32, np.nan),
        }
        found = tf.io.parse_example(examples, spec)
        return found["carrier"], found["distance miles"]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def by_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._predict(*self._parsed(examples))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "carrier"),
            tf.TensorSpec([None], tf.float64, "distance_miles"),
        ]
    )
    def by_tensors(self, carrier: tf.Tensor, distance_miles: tf.Tensor) -> dict[str, tf.Tensor]:
        present = tf.where(carrier == "", "missing", carrier)
        answer = self._predict(present, tf.cast(distance_miles, tf.float32))
        return {"prediction": answer["prediction"] + self._tensors_add}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def transform(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        miles = self._parsed(examples)[1]
        return {"numeric": tf.where(tf.math.is_nan(miles), 0.0, miles)}


def a_row(carrier: str | None, miles: float | None) -> bytes:
    features = {}
    if carrier is not None:
        features["carrier"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[carrier.encode()]))
    if miles is not None:
        features["distance miles"] = tf.train.Feature(float_list=tf.train.FloatList(value=[miles]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


ROWS = [a_row(carrier, float(miles)) for miles in range(100, 2100, 100) for carrier in ("UA", "DL1", "B")]


def predicted(rows: list[bytes]) -> Any:
    network = Network()  # a tf.function holds it by a weak reference only
    return network.by_examples(tf.constant(rows))["prediction"].numpy()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., str]:
    """`save(network)` exports it; returns the folder."""

    def write(network: Network) -> str:
        folder = str(tmp_path / "model")
        signatures = {
            "serving_default": network.by_examples,
            "serving_tensors": network.by_tensors,
            "transform_features": network.transform,
            "transform_labels": network.transform,
        }
        tf.saved_model.save(network, folder, signatures=signatures)
        return folder

    return write


@pytest.fixture
def scored() -> dict[str, ScoredRows]:
    """What an unspoilt network predicts for the rows, as two others might have said it."""
    predictions = predicted(ROWS)
    return {
        "what Evaluator measured": ScoredRows(ROWS[:40], predictions[:40]),
        "what the network predicted in training": ScoredRows(ROWS[40:], predictions[40:]),
    }


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloud]:
    """Stands in for Cloud Storage and Vertex AI."""
    with serving() as cloud:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", cloud.url)
        yield cloud
