"""The trees that teach: how they are chosen, what they predict, and that a network learns from them."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from trainer import ngrams, teacher
from trainer.features import Derived, Feature, FeatureTable, Kind, Label, Storage
from trainer.fitting import find_teacher, fit
from trainer.preprocessing import CATEGORICAL, NUMERIC, WORDS
from trainer.settings.trainer import TrainerSettings
from trainer.teacher import can_teach, choose_trees, grow_again
from trainer.train import better_trees
from trainer.training_split import TrainingSplit

pytestmark = pytest.mark.slow

ROWS = 3000
CLASSES = {"binary": ("0", "1"), "multiclass": ("a", "b", "c"), "regression": ()}
LEVELS = np.array([[0.2, 0.9], [0.9, 0.2]])
"""What the number and the category say only together."""


def columns(rows: int = ROWS, words: int = 2, numbers: int = 2) -> dict[str, npt.NDArray[Any]]:
    dice = np.random.default_rng(5)
    return {
        NUMERIC: dice.random((rows, numbers)).astype("float32"),
        CATEGORICAL: dice.integers(0, words, (rows, 1)).astype("int32"),
    }


def chances(of: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return LEVELS[(of[NUMERIC][:, 0] > 0.5).astype(int), of[CATEGORICAL][:, 0] % 2]


def labels(of: dict[str, npt.NDArray[Any]], task: str = "binary") -> npt.NDArray[Any]:
    dice = np.random.default_rng(6).random(len(of[NUMERIC]))
    late = (dice < chances(of)).astype("int64")
    several = np.where(of[NUMERIC][:, 1] > 0.9, 2, late)
    return {"binary": late, "multiclass": several, "regression": 1000 + 100 * chances(of) + 20 * dice}[task]


def halves(rows: int = ROWS) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    return np.arange(rows)[: rows * 2 // 3], np.arange(rows)[rows * 2 // 3 :]


def test_trees_answer_with_the_chances_behind_the_labels() -> None:
    given = columns()
    fit_rows, stop_rows = halves()
    trees = choose_trees(2, given, labels(given), fit_rows, stop_rows, seed=1)
    answers = trees.predict(given, stop_rows)
    assert (answers.shape, answers.dtype) == ((len(stop_rows),), np.float32)
    assert np.abs(answers - chances(given)[stop_rows]).mean() < 0.07  # a guess is 0.35 off
    truth = chances(given)[stop_rows]
    entropy = -(truth * np.log(truth) + (1 - truth) * np.log(1 - truth)).mean()
    assert trees.validation_loss == pytest.approx(entropy, abs=0.05)
    assert [forest.leaves for forest in trees.forests] == [15]  # two columns want no more
    assert 1 <= trees.forests[0].rounds < 250  # more would learn the luck of these rows


def test_several_classes_have_a_probability_each_also_one_that_was_not_grown_on() -> None:
    given = columns()
    found = labels(given, "multiclass")
    assert set(found.tolist()) == {0, 1, 2}
    without = np.flatnonzero(found < 2)
    trees = choose_trees(3, given, found, without[:1500], without[1500:], seed=1)
    answers = trees.predict(given, without)
    assert answers.shape == (len(without), 3)
    assert answers.sum(axis=1) == pytest.approx(np.ones(len(without)), abs=1e-5)
    assert answers[:, 2].max() < 1e-6
    again = grow_again(trees, given, found, 1)
    assert [(at.rounds, at.leaves) for at in again.forests] == [(at.rounds, at.leaves) for at in trees.forests]
    assert again.predict(given, np.arange(ROWS))[found == 2, 2].mean() > 0.9


def test_numbers_are_answered_in_their_unit() -> None:
    given = columns()
    found = labels(given, "regression")
    trees = choose_trees(0, given, found, *halves(), seed=1)
    assert np.abs(trees.predict(given, halves()[1]) - found[halves()[1]]).mean() < 10
    assert trees.validation_loss == pytest.approx(20**2 / 12, rel=0.5)  # what is even over 20 units


def test_a_seed_decides_the_trees() -> None:
    given = columns(numbers=20)  # of which each tree sees some
    first, same, other = (
        choose_trees(2, given, labels(given), *halves(), seed=seed).predict(given, halves()[0]) for seed in (1, 1, 2)
    )
    assert (first == same).all()
    assert (first != other).any()


def test_the_mean_of_both_sizes_is_what_is_taught_and_judged() -> None:
    dice, given = np.random.default_rng(7), columns(numbers=20)
    late = (dice.random(ROWS) < given[NUMERIC].mean(axis=1)).astype("int64")  # each column says a little
    trees = choose_trees(2, given, late, *halves(), seed=1)
    assert len(trees.forests) == 2
    apart = [replace(trees, forests=(forest,)).predict(given, halves()[1]) for forest in trees.forests]
    mean = trees.predict(given, halves()[1])
    assert (apart[0] != apart[1]).any()
    assert mean == pytest.approx(np.mean(apart, axis=0), abs=1e-6)
    assert trees.validation_loss == pytest.approx(teacher.loss(2, late[halves()[1]], mean), abs=1e-6)


def test_of_many_rows_twice_as_many_trees_are_grown_again(monkeypatch: pytest.MonkeyPatch) -> None:
    given = columns(900)
    trees = choose_trees(2, given, labels(given), *halves(900), seed=1)
    monkeypatch.setattr(teacher, "_MANY_ROWS", 900)
    again = grow_again(trees, given, labels(given), 1)
    assert [forest.rounds for forest in again.forests] == [2 * forest.rounds for forest in trees.forests]
    assert again.validation_loss == trees.validation_loss


@pytest.mark.parametrize("task", CLASSES)
def test_trees_grown_on_all_rows_need_not_be_asked_about_them_again(task: str) -> None:
    given = columns()
    found = labels(given, task)
    again = grow_again(choose_trees(len(CLASSES[task]), given, found, *halves(), seed=1), given, found, 1)
    some = np.arange(ROWS)[::-3]
    assert again.known is not None
    assert again.predict(given, some) == pytest.approx(replace(again, known=None).predict(given, some), rel=1e-6)


def test_growing_trees_tells_how_far_they_are(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(teacher, "_EVERY_SECONDS", 0.0)
    given = columns(900)
    with caplog.at_level(logging.INFO, "longhaul.progress"):
        trees = choose_trees(2, given, labels(given), *halves(900), seed=1)
        grow_again(trees, given, labels(given), 1)
    assert "trees of 127 leaves" in caplog.messages
    assert any(re.fullmatch(r"trees of 15 leaves: round 3, validation 0\.\d{4}", line) for line in caplog.messages)
    chosen = trees.forests[0]
    assert f"trees of {chosen.leaves} leaves on 900 rows: round 2 of {chosen.rounds}" in caplog.messages


def test_a_machine_without_openmp_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "lightgbm.py"
    broken.write_text("raise OSError('libgomp.so.1: cannot open shared object file')\n")
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="libgomp1`"):
        teacher._lightgbm()


def test_words_beyond_the_commonest_are_one() -> None:
    given = columns(words=1000)
    trees = choose_trees(2, given, labels(given), *halves(), seed=1)
    rare = {**given, CATEGORICAL: np.full((ROWS, 1), 999, "int32")}
    rarer = {**given, CATEGORICAL: np.full((ROWS, 1), 253, "int32")}
    assert (trees.predict(rare, halves()[0]) == trees.predict(rarer, halves()[0])).all()


def test_a_large_table_is_thinned_evenly_and_answered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    given = columns()
    whole = choose_trees(2, given, labels(given), *halves(), seed=1)
    monkeypatch.setattr(teacher, "_CHUNK_CELLS", 300)
    assert (whole.predict(given, halves()[0]) == whole.predict(given, halves()[0][::-1])[::-1]).all()
    monkeypatch.setattr(teacher, "_MOST_CELLS", 3 * 1000)
    thin = choose_trees(2, given, labels(given), *halves(), seed=1)
    every_second = choose_trees(2, given, labels(given), halves()[0][::2], halves()[1], seed=1)
    assert (thin.predict(given, halves()[0]) == every_second.predict(given, halves()[0])).all()


def test_too_few_rows_too_many_classes_and_a_single_class_teach_nothing() -> None:
    two = np.arange(400) % 2
    assert can_teach(2, two)
    assert not can_teach(2, two[:100])
    assert not can_teach(100, two)
    assert not can_teach(2, np.ones(400))
    table = FeatureTable(Label("y", "binary", Storage.INT, ("0", "1")), (), max_vocabulary=5, bins=4)
    for asked, finds in (("trees", True), ("none", False)):
        given = columns(400)
        settings = TrainerSettings(teacher=asked)
        assert (find_teacher(table, given, labels(given), None, settings) is not None) is finds


def test_a_class_that_thinning_loses_is_left_to_the_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    given, rare = columns(900), np.zeros(900, "int64")
    rare[1::300] = 1
    monkeypatch.setattr(teacher, "_MOST_CELLS", 3 * 300)
    order, settings = np.arange(900), TrainerSettings(validation_share=1 / 3)
    table = FeatureTable(Label("y", "binary", Storage.INT, ("0", "1")), (), max_vocabulary=5, bins=4)
    assert find_teacher(table, given, rare, order, settings) is None
    # Rows that are grown on again may lose it, too.
    trees = choose_trees(2, given, rare, np.arange(600), np.arange(600, 900), seed=1)
    assert trees.predict(given, order).max() < 0.1


@pytest.mark.parametrize(
    "task", ["binary", *(pytest.param(t, marks=pytest.mark.long) for t in ("multiclass", "regression"))]
)
def test_a_network_learns_from_trees_and_from_labels_what_lies_behind_them(task: str) -> None:
    features = (
        Feature("miles", Kind.NUMERIC, Storage.FLOAT, optional=False),
        Feature("noise", Kind.NUMERIC, Storage.FLOAT, optional=False),
        Feature("carrier", Kind.CATEGORICAL, Storage.BYTES, optional=False),
    )
    table = FeatureTable(Label("y", task, Storage.INT, CLASSES[task]), features, max_vocabulary=50, bins=12)
    given, unseen = columns(), {name: values[::-1] for name, values in columns(2 * ROWS).items()}
    found = labels(given, task)
    truth = {
        "binary": chances(unseen),
        "multiclass": chances(unseen) * (unseen[NUMERIC][:, 1] <= 0.9),
        "regression": 1010 + 100 * chances(unseen),
    }[task]
    errors = {}
    for asked in ("trees", "none"):
        settings = TrainerSettings(
            teacher=asked, hidden_units=(64, 32), members=2, batch_size=64, epochs=12, patience=12, refit=False
        )
        fitted = fit(table, [4], given, found, None, settings)
        assert (fitted.trees is not None) == (asked == "trees")
        answers = fitted.model.predict(unseen, batch_size=1024, verbose=0)[:, 1 if task == "multiclass" else 0]
        errors[asked] = np.abs(answers - truth).mean()
    # What two columns say together is learnt either way; what trees teach beyond is measured on tables, docs/model.md.
    assert max(errors.values()) < (6 if task == "regression" else 0.07), errors


def test_threads_of_trees_that_wait_for_each_other_sleep() -> None:
    """OpenMP itself says what it was told; it asks only once, when LightGBM loads it."""
    script = "import trainer, lightgbm"
    env = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"} | {"OMP_DISPLAY_ENV": "true"}
    told = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in told


@pytest.mark.long
@pytest.mark.parametrize("told_by", ["words", "numbers"])
def test_trees_teach_a_table_with_words_only_if_they_know_more_than_its_labels(told_by: str) -> None:
    features = (
        Feature("miles", Kind.NUMERIC, Storage.FLOAT, optional=False),
        Feature("noise", Kind.NUMERIC, Storage.FLOAT, optional=False),
        Feature("carrier", Kind.CATEGORICAL, Storage.BYTES, optional=False),
    )
    said = Derived(Feature("words", Kind.WORDS, Storage.BYTES, optional=False), "ngrams(carrier, 1, 64)")
    label = Label("y", "binary", Storage.INT, CLASSES["binary"])
    table = FeatureTable(label, features, max_vocabulary=50, bins=12, derived=(said,))
    words = np.zeros((ROWS, ngrams.MOST), np.int32)
    words[:, :3] = np.random.default_rng(5).integers(1, 40, (ROWS, 3))
    given = columns() | {WORDS: words}
    found = labels(given) if told_by == "numbers" else np.isin(words, range(1, 8)).any(axis=1).astype(np.int64)
    settings = TrainerSettings(hidden_units=(32,), members=2, batch_size=64, epochs=2 if told_by == "numbers" else 8)
    by_labels = fit(table, [4], given, found, None, settings)
    assert by_labels.trees is None
    trees = better_trees(by_labels, table, TrainingSplit(given, found, None), settings)
    assert (trees is not None) == (told_by == "numbers")
    if trees:
        assert fit(table, [4], given, found, None, settings, trees=trees).trees
