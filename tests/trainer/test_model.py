"""The network: the encoding of numbers, its members, its shapes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.model import Answer, Members, PiecewiseLinear, build_model
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
    return build_model(described, sizes, **({"hidden_units": [16, 8], "dropout": 0.2, "members": 3} | more))


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
    two = np.array(PiecewiseLinear(4)(np.array([[0.5, 0.25]], "float32")))
    assert two.tolist() == [[1, 1, 0, 0, 1, 0, 0, 0]]


def test_bins_follow_the_label_and_are_of_one_scale() -> None:
    places = (np.arange(1000, dtype="float32") + 0.5)[:, np.newaxis] / 1000
    layer = PiecewiseLinear(4)
    layer.build((None, 1))
    layer.adapt(places, (places[:, 0] < 0.02).astype(int))
    filled = np.array(layer(places))
    assert filled.mean(axis=0) == pytest.approx([0] * 4, abs=1e-5)
    assert filled.std(axis=0) == pytest.approx([0.5] * 4, rel=1e-4)
    assert np.ptp(filled, axis=0)[0] > 5  # 2 % of the rows do not fill the first bin


def test_bins_of_many_rows_are_scaled_exactly_and_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    places = np.random.default_rng(1).random((200_000, 2), "float32") ** 3
    layer, most = PiecewiseLinear(4), 0
    filled = layer.filled

    def fill(rows: Any) -> Any:
        nonlocal most
        most = max(most, len(rows))
        return filled(rows)

    monkeypatch.setattr(layer, "filled", fill)
    monkeypatch.setattr(PiecewiseLinear, "_CELLS_AT_ONCE", 100_000)
    layer.build((None, 2))
    layer.adapt(places, (places[:, 0] < 0.02).astype(int))
    assert most <= 100_000 // 8
    units = np.array(layer(places), np.float64)
    np.testing.assert_allclose(units.mean(axis=0), 0, atol=2e-7)
    np.testing.assert_allclose(units.std(axis=0), 0.5, rtol=2e-6)


def test_inputs_and_layers_follow_the_table() -> None:
    model = build(table("binary", *FEATURES))
    assert {tensor.name: (tensor.shape, tensor.dtype) for tensor in model.inputs} == {
        NUMERIC: ((None, 4), "float32"),  # wind, and hour, weekday and day of year
        FLAGS: ((None, 2), "float32"),  # night, and whether wind is missing
        CATEGORICAL: ((None, 2), "int64"),
    }
    embeddings = model.get_layer("embeddings")
    assert {name: values.shape for name, values in embeddings.by_feature().items()} == {
        "carrier_of_it": (7, 5),
        "zone": (3, 4),
    }
    # What grows with the columns is there once; 3 members have a scale, biases and a last layer of their own.
    shapes = {
        layer.name: [tuple(weights.shape) for weights in layer.trainable_weights]
        for layer in model.layers
        if layer.trainable_weights and layer is not embeddings
    }
    assert shapes == {
        "shared": [(27, 16), (16,)],
        "members": [(3, 16)],
        "hidden_1": [(16, 8), (3, 8)],
        "probability": [(3, 8, 1), (3, 1)],
    }
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.2, 0.2]


def test_members_look_at_the_same_units_with_signs_of_their_own() -> None:
    keras.utils.set_random_seed(1)
    scales = np.array(Members(4)(np.zeros((1, 8), "float32")))
    assert scales.shape == (4, 8)
    assert np.abs(scales).tolist() == [[1] * 8] * 4
    assert len({tuple(scale) for scale in scales.tolist()}) == 4


def test_scales_in_a_kernel_and_of_units_are_the_same() -> None:
    """Without dropout the layer behind the members takes their scales in; with it, units are scaled."""
    with_dropout, without = (build(table("binary", *FEATURES), dropout=dropout) for dropout in (0.2, 0.0))
    dice = np.random.default_rng(2)
    weights = [dice.normal(size=value.shape) for value in with_dropout.get_weights()]
    assert [value.shape for value in without.get_weights()] == [value.shape for value in weights]
    with_dropout.set_weights(weights)
    without.set_weights(weights)
    assert np.array(without(rows(50))) == pytest.approx(np.array(with_dropout(rows(50))), abs=1e-5)


def test_members_answer_for_themselves_while_they_learn_and_as_one_when_asked() -> None:
    answers = np.array([[[0.25], [0.5], [0.75]], [[0.0], [0.0], [0.75]]], "float32")
    assert np.array(Answer()(answers, training=True)).tolist() == answers.tolist()
    assert np.array(Answer()(answers)).tolist() == [[0.5], [0.25]]


@pytest.mark.parametrize("hidden_units", [[16], [16, 8, 4]])
def test_layers_may_be_few_or_many(hidden_units: list[int]) -> None:
    model = build(table("binary", *FEATURES), hidden_units=hidden_units)
    assert np.array(model(rows(5))).shape == (5, 1)
    assert np.array(model(rows(5), training=True)).shape == (5, 3, 1)


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
    model.get_layer("standardized").set_weights([np.zeros((3, 8, 1)), np.array([[1.0], [2.0], [3.0]])])
    assert np.array(model(rows(2))).tolist() == [[1100.0], [1100.0]]
