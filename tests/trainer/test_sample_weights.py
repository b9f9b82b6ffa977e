"""Rows that count differently in training: trees, network, classes that count alike, the constant guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainer.balance import class_weights, rows_weights
from trainer.baselines import load_baselines, save_baselines
from trainer.batches import Batches
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.fitting import find_teacher, fit
from trainer.preprocessing import NUMERIC
from trainer.reading import WEIGHT, read_transformed
from trainer.settings.trainer import TrainerSettings

ROWS = 2_000
SMALL = {"hidden_units": (8,), "members": 2, "batch_size": 128, "epochs": 6, "refit": False, "learning_rate": 0.01}
TABLE = FeatureTable(
    Label("y", "binary", Storage.INT, ("a", "b")),
    (Feature("x", Kind.NUMERIC, Storage.FLOAT, optional=False),),
    max_vocabulary=5,
    bins=8,
)


def world() -> tuple[dict[str, Any], Any, Any]:
    """Where x is above 0.5 rows say yes and no alike; those that say yes count four times as much there."""
    random = np.random.default_rng(3)
    x = random.random((ROWS, 1)).astype(np.float32)
    labels = (random.random(ROWS) < 0.5).astype(np.int64)
    return {NUMERIC: x}, labels, np.where((x[:, 0] > 0.5) & (labels == 1), 4.0, 1.0)


def settings(**more: Any) -> TrainerSettings:
    return TrainerSettings.model_validate(SMALL | more)


def shares(answers: Any, columns: dict[str, Any]) -> tuple[float, float]:
    above = columns[NUMERIC][:, 0] > 0.5
    return float(np.mean(np.ravel(answers)[~above])), float(np.mean(np.ravel(answers)[above]))


def test_trees_learn_by_weight() -> None:
    columns, labels, weights = world()
    trees = find_teacher(TABLE, columns, labels, None, settings(), weights * 1000)  # of which only ratios count
    assert trees
    assert shares(trees.predict(columns, np.arange(ROWS)), columns) == pytest.approx((0.5, 0.8), abs=0.08)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"teacher": "none"}, {}, {"teacher": "none", "balance": "classes"}])
def test_a_network_learns_by_weight(how: dict[str, Any]) -> None:
    """Also where classes count alike: what that does to probabilities is taken back, what the weights do is not."""
    columns, labels, weights = world()
    fitted = fit(TABLE, [], columns, labels, None, settings(**how), weights=weights)
    answers = fitted.model.predict(columns, batch_size=1024, verbose=0)
    assert shares(answers, columns) == pytest.approx((0.5, 0.8), abs=0.08)


def test_classes_count_alike_by_weight() -> None:
    labels, weights = np.array([0, 0, 0, 1]), np.array([1.0, 1.0, 2.0, 1.0])
    of_classes = class_weights(labels, 2, weights)
    both = rows_weights(labels, np.arange(4), of_classes, weights)
    assert both is not None
    assert both[labels == 0].sum() == pytest.approx(both[labels == 1].sum())
    assert both.sum() == pytest.approx(weights.sum())


def test_a_guess_is_the_weighted_rate(tmp_path: Path) -> None:
    for labels, classes, expected in ((np.array([0, 1, 1]), 2, 0.75), (np.array([4.0, 8.0, 8.0]), 0, 7.0)):
        folder = str(tmp_path / str(classes) / "Format-Serving")
        save_baselines([], labels, classes, folder, row_weights=np.array([1.0, 1.5, 1.5]))
        found = load_baselines(folder)
        assert found
        assert found.guess == pytest.approx([expected])


def test_batches_carry_weights_of_1_on_average() -> None:
    chosen = np.array([1, 2, 3])
    batches = Batches({"x": np.arange(4.0)}, np.arange(4), chosen, 2, weights=np.array([99.0, 2.0, 4.0, 6.0]))
    assert [batch[2].tolist() for batch in (batches[0], batches[1])] == [[[0.5], [1.0]], [[1.5]]]
    assert len(Batches({"x": np.arange(4.0)}, np.arange(4), chosen, 2)[0]) == 2


def test_rows_of_weight_0_are_not_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0, 2.0, 3.0], "y": [0, 1, 1], "w": [0.0, 2.5, 1.0]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [1.0], "y": [0], "w": [0.0]}), tmp_path / "b.parquet")

    found = read_transformed([str(tmp_path / "*.parquet")], TABLE, lambda inputs: dict(inputs), weight="w")
    assert found.pop(WEIGHT).tolist() == [2.5, 1.0]
    assert found
    assert all(len(values) == 2 for values in found.values())
