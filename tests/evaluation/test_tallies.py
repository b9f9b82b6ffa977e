"""Metrics of sums equal those of rows; intervals hold what they promise; the same rows give the same intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from pipeline.evaluation.intervals import fills_blocks, intervals
from pipeline.evaluation.row_sample import KeepSample, digests, sample_of
from pipeline.evaluation.share_intervals import newcombe, wilson
from pipeline.evaluation.tallies import BLOCKS, Tally, add, calibration_error, is_one_class, metric_values, rows_of


def counted(task: str, labels: Any, predictions: Any, seed: int = 0) -> Tally:
    blocks = np.random.default_rng(seed).integers(0, BLOCKS, len(labels))
    return rows_of(task, np.asarray(labels), np.asarray(predictions), blocks).tally(np.arange(len(labels)))


def two_classes(rows: int, seed: int = 1, strength: float = 1.0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    score = random.normal(size=rows)
    labels = (random.random(rows) < 1 / (1 + np.exp(-score))).astype(np.int64)
    return labels, (1 / (1 + np.exp(-strength * score)))[:, None].astype(np.float32)


def test_a_binary_task_as_scikit_learn_has_it() -> None:
    labels, predictions = two_classes(5_000)
    found = metric_values("binary", counted("binary", labels, predictions))
    p = predictions[:, 0]
    assert found.pop("expected_calibration_error") < 0.03  # by hand below
    assert found == pytest.approx(
        {
            "auc": metrics.roc_auc_score(labels, p),
            "auc_precision_recall": metrics.average_precision_score(labels, p),
            "log_loss": metrics.log_loss(labels, p),
            "accuracy": ((p > 0.5) == labels).mean(),
            "calibration": p.mean() / labels.mean(),
            "example_count": 5_000,
        },
        abs=2e-3,
    )


def test_rows_of_one_prediction_count_half() -> None:
    assert metric_values("binary", counted("binary", [0, 1, 0, 1], [[0.5]] * 4))["auc"] == 0.5
    assert metric_values("binary", counted("binary", [0, 1, 1], [[0.2], [0.2], [0.9]]))["auc"] == 0.75


def test_several_classes_and_a_number_as_scikit_learn_has_them() -> None:
    random = np.random.default_rng(2)
    labels, predictions = random.integers(0, 3, 500), random.dirichlet([1, 2, 3], 500)
    found = metric_values("multiclass", counted("multiclass", labels, predictions))
    assert found["accuracy"] == metrics.accuracy_score(labels, predictions.argmax(axis=1))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, predictions))
    truth, predicted = random.normal(5, 2, 500), random.normal(5, 2, (500, 1))
    found = metric_values("regression", counted("regression", truth, predicted))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(truth, predicted[:, 0]))
    assert found["rmse"] ** 2 == pytest.approx(metrics.mean_squared_error(truth, predicted[:, 0]))
    assert found["squared_correlation"] == pytest.approx(np.corrcoef(truth, predicted[:, 0])[0, 1] ** 2)


def test_the_calibration_error_by_hand() -> None:
    # Bins are fifteenths: 0.1 is in the second (one of two came true), 0.9 in the fourteenth (three of three).
    found = counted("binary", [0, 1, 1, 1, 1], [[0.1], [0.1], [0.9], [0.9], [0.9]])
    error = (abs(0.2 - 1) + abs(2.7 - 3)) / 5
    assert metric_values("binary", found)["expected_calibration_error"] == pytest.approx(error)
    # Of several classes: the likeliest has 0.6 and 0.7, of which the first is right.
    found = counted("multiclass", [1, 1], [[0.1, 0.6, 0.3], [0.7, 0.2, 0.1]])
    assert metric_values("multiclass", found)["expected_calibration_error"] == pytest.approx((0.4 + 0.7) / 2)
    assert np.isnan(calibration_error(np.zeros((3, 15))))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_parts_add_up_to_the_whole(task: str) -> None:
    labels, predictions = two_classes(300)
    if task == "multiclass":
        predictions = np.concatenate([1 - predictions, predictions], axis=1)
    rows = rows_of(task, labels, predictions, np.arange(300) % BLOCKS)
    whole = rows.tally(np.arange(300))
    parts = add(rows.tally(np.arange(start, 300, 7)) for start in range(7))
    assert np.array_equal(parts.cells, whole.cells)
    assert np.array_equal(parts.counts, whole.counts)
    np.testing.assert_allclose(parts.sums, whole.sums)


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    labels, predictions = two_classes(400_000, seed=0)
    truth = metric_values("binary", counted("binary", labels, predictions))
    held = dict.fromkeys(("auc", "log_loss", "accuracy", "calibration", "auc_precision_recall"), 0)
    for seed in range(200):
        rows = slice(2_000 * seed, 2_000 * (seed + 1))
        found, _ = intervals("binary", counted("binary", labels[rows], predictions[rows], seed), None, 0.9)
        for name in held:
            held[name] += found[name][0] <= truth[name] <= found[name][1]
    # 180 of 200 are expected; the standard deviation of their number is 4.2.
    assert all(165 <= times <= 195 for times in held.values()), held


def test_a_difference_is_surer_than_the_metrics_it_is_of() -> None:
    labels, predictions = two_classes(4_000)
    own, other = (counted("binary", labels, p) for p in (predictions, np.clip(predictions + 0.01, 0, 1)))
    found, differences = intervals("binary", own, other, 0.95)
    assert differences.keys() == found.keys()

    def width(interval: tuple[float, float]) -> float:
        return interval[1] - interval[0]

    assert width(differences["log_loss"]) < width(found["log_loss"]) / 10
    _, none = intervals("binary", own, own, 0.95)
    assert none["auc"] == (0.0, 0.0)


def test_without_rows_enough_only_what_needs_no_jackknife_has_an_interval() -> None:
    labels, predictions = two_classes(15)
    few = counted("binary", labels, predictions)
    assert not fills_blocks(few)
    found, differences = intervals("binary", few, few, 0.95)
    assert (found.keys(), differences) == ({"accuracy", "auc", "auc_precision_recall"}, {})
    numbers = counted("regression", np.arange(5.0), np.ones((5, 1)))
    assert intervals("regression", numbers, None, 0.95) == ({}, {})


def test_intervals_by_formula_are_those_of_others() -> None:
    assert wilson(32, 33, 0.95) == pytest.approx((0.8468, 0.9946), abs=1e-4)  # what statsmodels has
    assert wilson(33, 33, 0.95) == pytest.approx((0.8957, 1.0), abs=1e-4)
    for auc in (0.0, 0.2, 0.5, 0.97, 1.0):  # turned around, the interval is turned around
        low, high = newcombe(auc, 12, 30, 0.9)
        assert 0 <= low <= auc <= high <= 1
        assert newcombe(1 - auc, 30, 12, 0.9) == pytest.approx((1 - high, 1 - low), abs=1e-6)
    z, low = 1.959964, newcombe(0.8, 20, 30, 0.95)[0]  # the end is the truth that lies z deviations away
    spread = low * (1 - low) * (1 + 24 * (1 - low) / (2 - low) + 24 * low / (1 + low)) / 600
    assert 0.8 - low == pytest.approx(z * spread**0.5, abs=1e-5)


def test_nothing_is_certain_because_few_rows_went_right() -> None:
    labels = np.arange(33) % 2
    perfect = rows_of("binary", labels, np.where(labels == 1, 0.99, 0.01)[:, None], np.arange(33) % BLOCKS)
    found, differences = intervals("binary", perfect.tally(np.arange(33)), perfect.tally(np.arange(33)), 0.95)
    for name in ("accuracy", "auc", "auc_precision_recall"):
        low, high = found[name]
        assert (0.8 < low < 0.9, high) == (True, pytest.approx(1.0)), name
        assert -0.3 < differences[name][0] < -0.1, name
        assert differences[name][1] == -differences[name][0], name
    several = rows_of("multiclass", labels, np.eye(3)[labels], np.arange(33) % BLOCKS)
    assert intervals("multiclass", several.tally(np.arange(33)), None, 0.95)[0]["accuracy"][0] < 0.9


@pytest.mark.parametrize("rows", [33, 100])
def test_of_few_rows_too_an_interval_holds_the_truth_as_often_as_it_says(rows: int) -> None:
    labels, score = np.tile([0, 1], 200_000), np.random.default_rng(3).normal(size=400_000)
    predictions = 1 / (1 + np.exp(-3 * (score + 3 * (labels - 0.5))))[:, None]
    truth = metric_values("binary", counted("binary", labels, predictions))
    held = dict.fromkeys(("auc", "accuracy", "auc_precision_recall"), 0)
    for seed in range(200):
        drawn = slice(rows * seed, rows * (seed + 1))
        found, _ = intervals("binary", counted("binary", labels[drawn], predictions[drawn], seed), None, 0.95)
        for name in held:
            held[name] += found[name][0] <= truth[name] <= found[name][1]
    # 190 of 200 are expected; the standard deviation of their number is 3.1. A jackknife holds it in 150 to 175.
    assert all(times >= 181 for times in held.values()), held


def test_of_each_kind_of_error_the_worst_row_is_shown() -> None:
    def shown(task: str, labels: list[float], predictions: list[Any], rows: int) -> list[int]:
        made = np.array(predictions, float)
        made = made[:, None] if made.ndim == 1 else made
        records = np.array([b"%d" % row for row in range(len(labels))], object)
        return (
            sample_of(task, digests(list(records)), np.array(labels), made, records).worst_by_kind(task, rows).tolist()
        )

    # Rows 0 to 2 are missed, row 3 is a false alarm that is less wrong than any of them, 4 and 5 are right.
    assert shown("binary", [1, 1, 1, 0, 0, 1], [0.01, 0.02, 0.03, 0.6, 0.1, 0.7], 3) == [0, 3, 1]
    assert shown("binary", [0, 1, 1], [0.1, 0.9, 0.6], 2) == [2, 0]  # no error: the least sure ones
    classes = [[0.05, 0.85, 0.1], [0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.4, 0.3, 0.3]]
    assert shown("multiclass", [0, 0, 1, 0], classes, 3) == [0, 2, 1]  # row 3 is right, though its chance is 0.4
    assert shown("regression", [10, 10, 10], [30, 25, 9], 2) == [0, 2]  # too high, too low


def test_of_one_class_only_what_is_defined_has_an_interval() -> None:
    _, predictions = two_classes(500)
    one = counted("binary", np.zeros(500, np.int64), predictions)
    assert is_one_class("binary", one)
    assert not is_one_class("binary", counted("binary", *two_classes(500)))
    found, _ = intervals("binary", one, None, 0.95)
    assert found.keys() == {"log_loss", "accuracy", "expected_calibration_error"}


def test_shares_stay_between_zero_and_one() -> None:
    labels = np.array([0, 1] * 400)
    predictions = np.where(labels == 1, 0.9, 0.1)[:, None]
    predictions[3] = 0.2
    found, _ = intervals("binary", counted("binary", labels, predictions), None, 0.95)
    assert all(0 <= low <= high <= 1 for low, high in (found["auc"], found["accuracy"]))


def test_a_sample_is_the_same_however_rows_are_dealt() -> None:
    records = np.array([b"row %d" % i for i in range(1_000)], object)
    labels, predictions = two_classes(1_000)
    whole = sample_of("binary", digests(records), labels, predictions, records)
    keep = KeepSample("binary", 100, 5)
    at_once = keep.add_input(None, whole)
    parts = [whole.take(np.arange(start, 1_000, 3)) for start in range(3)]
    merged = keep.merge_accumulators([keep.add_input(None, part) for part in parts] + [None])
    assert merged is not None
    assert sorted(merged.records) == sorted(at_once.records)
    assert 100 <= len(merged.records) <= 105
    wanted, found = (sample.take(sample.worst_by_kind("binary", 4)) for sample in (whole, merged))
    assert found.error.tolist() == wanted.error.tolist()
    assert len(merged.even(7).labels) == 7
    assert keep.merge_accumulators([None]) is None
