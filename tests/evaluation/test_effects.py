"""What features do: on models whose effects are known, and on columns planted to tell the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from pipeline.evaluation.associations import strongest_pairs
from pipeline.evaluation.directions import directions
from pipeline.evaluation.effects import effects, told_output
from pipeline.evaluation.model_inputs import unread_columns
from pipeline.evaluation.row_sample import RowSample
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.rows import to_examples

ROWS = 2_000
FEATURES = (
    Feature("wind", Kind.NUMERIC, Storage.FLOAT, True),
    Feature("seats", Kind.NUMERIC, Storage.INT, False),
    Feature("carrier", Kind.CATEGORICAL, Storage.BYTES, True),
    Feature("idle", Kind.NUMERIC, Storage.FLOAT, False),
)
TABLE = FeatureTable(Label("delay", "regression", Storage.FLOAT, ()), FEATURES, 10, 4)


def columns() -> dict[str, pa.Array]:
    random = np.random.default_rng(3)
    wind = random.normal(size=ROWS) ** 3
    return {
        "wind": pa.array(np.where(np.arange(ROWS) % 20 == 0, None, wind), pa.float64()),
        "seats": pa.array(random.integers(1, 5, ROWS)),
        "carrier": pa.array(random.choice([b"A", b"B"], ROWS, p=[0.75, 0.25]), pa.binary()),
        "idle": pa.array(np.full(ROWS, 2.0)),
    }


class Known:
    """2 wind + seats squared + 3 of carrier B; a missing wind is 10."""

    def __init__(self) -> None:
        self.signatures = {"serving_tensors": self.score}

    def score(self, **plain: Any) -> dict[str, Any]:
        wind, seats = plain["wind"].numpy(), plain["seats"].numpy()
        of_wind = np.where(np.isnan(wind), 10.0, 2 * wind)
        return {"prediction": tf.constant((of_wind + seats**2 + 3 * (plain["carrier"].numpy() == b"B"))[:, None])}


def sample_of(given: dict[str, pa.Array]) -> RowSample:
    plain = {
        "wind": tf.constant(given["wind"].fill_null(np.nan)),
        "seats": tf.constant(given["seats"].to_numpy()),
        "carrier": tf.constant(given["carrier"].to_numpy(zero_copy_only=False)),
    }
    predictions = Known().score(**plain)["prediction"].numpy()
    labels = predictions[:, 0] + np.where(given["seats"].to_numpy() == 4, 5.0, 0.0)
    order = np.arange(ROWS)
    return RowSample(order, np.zeros(ROWS), labels, predictions, np.empty(ROWS, object), np.ones(ROWS))


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    given = columns()
    ranked = {"features": [{"name": name} for name in ("wind", "derived", "seats", "carrier", "idle")]}
    told = effects(Known(), sample_of(given), given, TABLE, ranked, 0.95)
    return told | {"by_name": {one["name"]: one for one in told["features"]}}


def test_the_effect_of_a_number_is_its_slope(found: dict[str, Any]) -> None:
    wind = found["by_name"]["wind"]
    middles = np.array([(cell["begin"] + cell["end"]) / 2 for cell in wind["cells"]])
    heights = np.array([cell["effect"] for cell in wind["cells"]])
    np.testing.assert_allclose(np.diff(heights), 2 * np.diff(middles), rtol=1e-4)
    rows = np.array([cell["rows"] for cell in wind["cells"]])
    assert rows.sum() == ROWS * 19 // 20
    assert wind["missing"]["rows"] == ROWS // 20
    assert len(wind["cells"]) == 12


def test_few_values_are_shown_one_by_one(found: dict[str, Any]) -> None:
    seats = found["by_name"]["seats"]
    assert [(cell["begin"], cell["end"]) for cell in seats["cells"]] == [(value, value) for value in (1, 2, 3, 4)]
    np.testing.assert_allclose(np.diff([cell["effect"] for cell in seats["cells"]]), [3, 5, 7], rtol=1e-5)
    assert [cell["off"] for cell in seats["cells"]] == [False, False, False, True]  # 5 more than was said


def test_the_effect_of_a_category_is_the_mean_if_every_row_had_it(found: dict[str, Any]) -> None:
    cells = {cell["text"]: cell for cell in found["by_name"]["carrier"]["cells"]}
    assert list(cells) == ["A", "B"]
    assert cells["B"]["effect"] - cells["A"]["effect"] == pytest.approx(3, abs=1e-4)
    assert cells["A"]["effect"] == pytest.approx(-3 * 0.25, abs=0.15)


def test_what_tells_nothing_is_left_out(found: dict[str, Any]) -> None:
    """A derived feature, which no column holds, and a column of one value."""
    assert list(found["by_name"]) == ["wind", "seats", "carrier"]
    assert (found["of"], found["scored"], found["rows"]) == (None, 1_000, ROWS)


def test_which_probability_is_told() -> None:
    binary = FeatureTable(Label("late", "binary", Storage.INT, ("no", "yes")), FEATURES, 10, 4)
    assert told_output(binary, np.array([0, 0, 1])) == (0, "yes")
    three = FeatureTable(Label("kind", "multiclass", Storage.INT, ("a", "b", "c")), FEATURES, 10, 4)
    assert told_output(three, np.array([2, 0, 2])) == (2, "c")


class Straight:
    """3 up, -2 down, as the trainer's SavedModel answers."""

    weights = np.array([3.0, -2.0], np.float32)

    def __init__(self) -> None:
        self.signatures = {"transform_features": self.transform}

    def transform(self, examples: Any) -> dict[str, Any]:
        spec = {name: tf.io.FixedLenFeature([], tf.float32) for name in ("up", "down")}
        parsed = tf.io.parse_example(examples, spec)
        return {"numeric": tf.stack([parsed[name] for name in spec], axis=1)}

    def differentiate(self, inputs: dict[str, Any], output: Any) -> dict[str, Any]:
        gradient = tf.ones_like(inputs["numeric"]) * self.weights
        return {"prediction": tf.linalg.matvec(inputs["numeric"], self.weights), "numeric": gradient}


def test_in_which_direction() -> None:
    numbers = np.random.default_rng(1).normal(size=(400, 2)).astype(np.float32)
    given = {"up": pa.array(numbers[:, 0]), "down": pa.array(numbers[:, 1])}
    records = np.array(to_examples(pa.record_batch(given)), object)
    features = tuple(Feature(name, Kind.NUMERIC, Storage.FLOAT, False) for name in given)
    table = FeatureTable(TABLE.label, features, 10, 4)
    sample = RowSample(np.arange(400), np.zeros(400), numbers[:, 0], numbers[:, :1], records, np.ones(400))
    told = directions(Straight(), sample, given, table)
    assert told["rows"] == 200
    up, down = told["features"]
    assert (up["name"], up["more"]["text"], up["less"]["text"]) == ("up", "high", "low")
    assert (down["name"], down["more"]["text"], down["less"]["text"]) == ("down", "low", "high")
    of_high = numbers[:200, 0][numbers[:200, 0] >= np.quantile(numbers[:200, 0], 0.75)].mean()
    assert up["more"]["part"] == pytest.approx(3 * (of_high - np.median(numbers[:, 0])), rel=1e-3)
    assert up["mean"] > down["mean"]


def test_pairs_that_tell_the_same() -> None:
    random = np.random.default_rng(2)
    one = random.normal(size=500)
    given = {
        "one": pa.array(one),
        "cube": pa.array(np.where(np.arange(500) % 10 == 0, None, -(one**3)), pa.float64()),
        "other": pa.array(random.normal(size=500)),
        "text": pa.array(["a"] * 500),
        "always": pa.array([1.0] * 500),
        "never": pa.nulls(500, pa.float64()),
    }
    told = strongest_pairs(given)
    assert told["looked_at"] == 3
    (pair,) = told["pairs"]
    assert (pair["one"], pair["other"], pair["rows"]) == ("one", "cube", 450)
    assert pair["correlation"] == pytest.approx(-1.0, abs=0.01)
    assert strongest_pairs({"one": given["one"]}) == {"looked_at": 1, "pairs": []}


def test_the_columns_that_no_feature_reads() -> None:
    batch = pa.record_batch({"delay": [1.0], "seats": [4], "flight": [1545], "tail": pa.array([b"N1"], pa.binary())})
    records = np.array(to_examples(batch), object)
    assert unread_columns(records, TABLE) == {"flight": [1545], "tail": [b"N1"]}


def test_a_few_common_rows_are_no_pair() -> None:
    there = np.arange(500)
    given = {
        "early": pa.array(np.where(there < 252, there, None), pa.float64()),
        "late": pa.array(np.where(there >= 249, there, None), pa.float64()),
    }
    assert strongest_pairs(given) == {"looked_at": 2, "pairs": []}


def test_a_feature_that_no_scored_row_has_costs_no_other_its_effect() -> None:
    given = columns()
    given["wind"] = pa.array(np.where(np.arange(ROWS) < 1_500, None, np.arange(ROWS)), pa.float64())
    told = effects(Known(), sample_of(given), given, TABLE, None, 0.95)
    assert [one["name"] for one in told["features"]] == ["seats", "carrier"]
