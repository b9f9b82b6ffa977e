"""Trees and a guess that lie beside a model: what is read predicts what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.trainer.test_teacher import CLASSES, columns, halves, labels
from trainer.baselines import load_baselines, save_baselines
from trainer.teacher import choose_trees

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_what_lies_beside_a_model_predicts_as_before(task: str, tmp_path: Path) -> None:
    given, classes = columns(900), len(CLASSES[task])
    found = labels(given, task)
    trees = choose_trees(classes, given, found, *halves(900), seed=1)
    save_baselines(trees.boosters, found, classes, str(tmp_path / "Format-Serving"))
    beside = load_baselines(str(tmp_path / "Format-Serving"))
    assert beside
    said = beside.predict(900, lambda: given)
    outputs = classes if classes > 2 else 1
    assert said["trees"] == pytest.approx(trees.predict(given, np.arange(900)).reshape(900, outputs), rel=1e-6)
    expected = [[float(found.mean())]] if classes < 3 else [np.bincount(found) / 900]
    assert said["guess"] == pytest.approx(np.repeat(expected, 900, axis=0), rel=1e-6)


def test_without_trees_there_is_a_guess_and_without_both_nothing(tmp_path: Path) -> None:
    save_baselines([], np.array([0, 1, 1, 1]), 2, str(tmp_path / "new" / "Format-Serving"))
    beside = load_baselines(str(tmp_path / "new" / "Format-Serving"))
    assert beside
    assert {name: of.tolist() for name, of in beside.predict(2, dict).items()} == {"guess": [[0.75], [0.75]]}
    assert load_baselines(str(tmp_path / "old" / "Format-Serving")) is None
