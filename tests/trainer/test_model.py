"""The network: the encoding of numbers, its shapes, and that a seed decides everything."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from trainer.batches import Batches
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.model import PiecewiseLinear, build_model
from trainer.preprocessing import CATEGORICAL, FLAGS, NUMERIC

FEATURES = (
    Feature("wind", Kind.NUMERIC, Storage.FLOAT, optional=True),
    Feature("left", Kind.TIMESTAMP, Storage.INT, optional=False),
    Feature("night", Kind.BOOLEAN, Storage.INT, optional=False),
    Feature("carrier/of it", Kind.CATEGORICAL, Storage.BYTES, optional=True),
    Feature("zone", Kind.CATEGORICAL, Storage.INT, optional=True),
)


def table(task: str, *features: Feature, classes: tuple[str, ...] = ()) -> FeatureTable:
    return FeatureTable(Label("late", task, Storage.INT, classes), features, max_vocabulary=50, bins=4)


def build(described: FeatureTable, **more: Any) -> keras.Model:
    sizes = [7, 3][: len(described.of(Kind.CATEGORICAL))]
    return build_model(described, sizes, **({"hidden_units": [16, 8], "dropout": 0.2} | more))


def rows(n: int) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    return {
        NUMERIC: rng.random((n, 4)).astype("float32"),
        FLAGS: rng.integers(0, 2, (n, 2)).astype("float32"),
        CATEGORICAL: rng.integers(0, 3, (n, 2)),
    }


def test_bins_fill_from_the_left() -> None:
    layer = PiecewiseLinear(4)
    places = np.array([[0.0], [0.125], [0.25], [0.5], [0.9375], [1.0]], "float32")
    assert np.array(layer(places)).tolist() == [
        [0, 0, 0, 0],
        [0.5, 0, 0, 0],
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0.75],
        [1, 1, 1, 1],
    ]
    two = np.array(layer(np.array([[0.5, 0.25]], "float32")))
    assert two.tolist() == [[1, 1, 0, 0, 1, 0, 0, 0]]


def test_inputs_and_layers_follow_the_table() -> None:
    model = build(table("binary", *FEATURES))
    assert {tensor.name: (tensor.shape, tensor.dtype) for tensor in model.inputs} == {
        NUMERIC: ((None, 4), "float32"),  # wind, and hour, weekday and day of year
        FLAGS: ((None, 2), "float32"),  # night, and whether wind is missing
        CATEGORICAL: ((None, 2), "int64"),
    }
    embeddings = [layer for layer in model.layers if isinstance(layer, keras.layers.Embedding)]
    assert [(layer.name, layer.input_dim, layer.output_dim) for layer in embeddings] == [
        ("embed_0_carrier_of_it", 7, 5),
        ("embed_1_zone", 3, 4),
    ]
    assert [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)] == [16, 8, 1]
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.2, 0.2]


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.kind)
def test_one_feature_of_any_kind_is_enough(feature: Feature) -> None:
    model = build(table("binary", feature))
    inputs = {tensor.name: np.zeros((2, tensor.shape[1])) for tensor in model.inputs}
    assert model(inputs).shape == (2, 1)


def test_a_binary_model_gives_a_probability() -> None:
    found = np.array(build(table("binary", *FEATURES))(rows(5)))
    assert found.shape == (5, 1)
    assert ((found > 0) & (found < 1)).all()


def test_a_multiclass_model_gives_a_probability_per_class() -> None:
    found = np.array(build(table("multiclass", *FEATURES, classes=("a", "b", "c")))(rows(5)))
    assert found.shape == (5, 3)
    assert found.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-6)


def test_a_regression_gives_a_number_in_the_labels_unit() -> None:
    model = build(table("regression", *FEATURES), label_mean=1000.0, label_scale=50.0)
    assert np.array(model(rows(5))).shape == (5, 1)
    model.get_layer("standardized").set_weights([np.zeros((8, 1)), np.array([2.0])])
    assert np.array(model(rows(2))).tolist() == [[1100.0], [1100.0]]


def test_a_seed_decides_the_weights() -> None:
    def fit(seed: int) -> list[Any]:
        keras.utils.set_random_seed(seed)
        model = build(table("binary", *FEATURES))
        model.compile(keras.optimizers.AdamW(0.01), "binary_crossentropy")
        labels = (rows(300)[NUMERIC][:, 0] > 0.5).astype("int64")
        batches = Batches(rows(300), labels, np.arange(300), 32, shuffle_seed=seed)
        model.fit(batches, epochs=2, verbose=0)
        return [weights.tolist() for weights in model.get_weights()]

    first = fit(13)
    assert fit(13) == first
    assert fit(14) != first
