"""Rows with weights in metrics: 2 is the row twice, 0 is no row, only ratios count; intervals know Kish's n."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.config.decision import DecisionThreshold
from pipeline.config.evaluation import COUNT, Evaluation
from pipeline.evaluation.curves import curves
from pipeline.evaluation.decision import at_threshold, choose
from pipeline.evaluation.intervals import intervals
from pipeline.evaluation.row_sample import sample_of
from pipeline.evaluation.slice_metrics import measure
from pipeline.evaluation.standing import standing
from pipeline.evaluation.summary import Names, summarize
from pipeline.evaluation.tallies import BLOCKS, Rows, Tally, add, metric_values, rows_of

TASKS = ("binary", "multiclass", "regression")
N = 400


def world(task: str) -> tuple[Any, Any, Any]:
    """Labels, predictions and blocks."""
    random = np.random.default_rng(5)
    score = random.normal(size=N)
    blocks = random.integers(0, BLOCKS, N)
    if task == "regression":
        return (score + random.normal(size=N)).astype(np.float32), score[:, None].astype(np.float32), blocks
    odds = np.exp(np.stack([0 * score, score, 1 - score][: 2 if task == "binary" else 3], axis=1))
    shares = odds / odds.sum(axis=1, keepdims=True)
    labels = (random.random(N)[:, None] > shares.cumsum(axis=1)).sum(axis=1).clip(0, shares.shape[1] - 1)
    return labels, (shares[:, 1:] if task == "binary" else shares).astype(np.float32), blocks


def tallied(task: str, weights: Any = None, rows: Any = None) -> Tally:
    labels, predictions, blocks = world(task)
    found = rows_of(task, labels, predictions, blocks, weights)
    return found.tally(np.arange(N) if rows is None else rows)


def without_count(found: Tally, task: str) -> dict[str, float]:
    return {name: value for name, value in metric_values(task, found).items() if name != COUNT}


@pytest.mark.parametrize("task", TASKS)
def test_a_weight_of_2_is_the_row_twice_and_one_of_0_no_row(task: str) -> None:
    weights = np.random.default_rng(1).integers(0, 4, N).astype(float)
    repeated = np.repeat(np.arange(N), weights.astype(int))
    weighted, plain = tallied(task, weights), tallied(task, rows=repeated)
    assert without_count(weighted, task) == pytest.approx(without_count(plain, task), rel=1e-12)
    assert metric_values(task, weighted)[COUNT] == N
    np.testing.assert_array_equal(weighted.cells, plain.cells)
    np.testing.assert_allclose(weighted.counts, plain.counts)
    # The same in parts.
    half = np.arange(N) < N // 2
    parts = [tallied(task, weights, np.flatnonzero(of)) for of in (half, ~half)]
    assert without_count(add(parts), task) == pytest.approx(without_count(weighted, task))
    assert add(parts).rows == N


@pytest.mark.parametrize("task", TASKS)
def test_only_the_ratios_of_weights_count(task: str) -> None:
    """Also where all weights together are less than 1."""
    plain = tallied(task)
    for weight in (1e-6, 1.0, 300.0):
        found = tallied(task, np.full(N, weight))
        assert without_count(found, task) == pytest.approx(without_count(plain, task), rel=1e-6)
        assert found.effective_rows == pytest.approx(N)
        spreads, expected = intervals(task, found, None, 0.95)[0], intervals(task, plain, None, 0.95)[0]
        assert spreads.keys() == expected.keys()
        assert all(spreads[name] == pytest.approx(expected[name], rel=1e-5) for name in expected)


def test_uneven_weights_are_worth_fewer_rows() -> None:
    weights = np.ones(N)
    weights[:50] = 30
    found = tallied("binary", weights)
    assert found.effective_rows == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert found.effective_rows < 80
    low, high = intervals("binary", found, None, 0.95)[0]["accuracy"]
    narrow = intervals("binary", tallied("binary"), None, 0.95)[0]["accuracy"]
    assert high - low > 1.8 * (narrow[1] - narrow[0])


def test_an_interval_of_weighted_rows_holds_what_it_promises() -> None:
    random, held, times = np.random.default_rng(2), 0, 400
    for _ in range(times):
        weights = random.gamma(0.5, 2, 300)
        labels = (random.random(300) < 0.8).astype(np.int64)
        rows = rows_of("binary", labels, np.full((300, 1), 0.9), np.arange(300) % BLOCKS, weights)
        low, high = intervals("binary", rows.tally(np.arange(300)), None, 0.95)[0]["accuracy"]
        held += low <= 0.8 <= high
    assert held / times > 0.92


def test_a_slice_is_judged_by_its_effective_rows() -> None:
    weights = np.full(N, 0.01)
    weights[:20] = 10
    task, rules = "binary", Evaluation.model_validate({
        "slices": [["of"]], "min_rows": 100,
        "thresholds": {"accuracy": {"at_least": 0.99, "slices": {"of": {"at_least": 0.99}}}},
    })  # fmt: skip
    found = {"": tallied(task, weights)}
    slices = [measure((key, found), task, 0.95) for key in ((), (("of", "a"),))]
    summary, _ = summarize(slices, rules, Names(None, {}), weight="w")
    assert summary["weighted_by"] == "w"
    assert summary["effective_rows"] == summary["slices"][0]["effective_rows"] == pytest.approx(20.8, abs=0.1)
    assert summary["notes"] == ["accuracy on of=a (20 effective rows) is not judged: fewer than 100 effective rows"]
    assert [rule["on"] for rule in summary["rules"]] == [""]


def test_the_threshold_is_chosen_by_weight() -> None:
    """Positive rows that count for much are worth more false alarms."""
    labels = world("binary")[0]
    rule = DecisionThreshold.model_validate({"cost": {"miss": 1, "false_alarm": 1}})
    heavy = tallied("binary", np.where(labels == 1, 9.0, 1.0))
    costly = choose(DecisionThreshold.model_validate({"cost": {"miss": 9, "false_alarm": 1}}), tallied("binary"))
    assert choose(rule, heavy).threshold == costly.threshold
    told = at_threshold(heavy, 0.5)
    hits = ((world("binary")[1][:, 0] >= 0.5) & (labels == 1)).sum()
    assert told["metrics"]["recall"] == pytest.approx(hits / (labels == 1).sum())
    assert sum(told[name] for name in ("hits", "false_alarms", "misses", "rest")) == pytest.approx(heavy.effective_rows)


@pytest.mark.parametrize("task", TASKS)
def test_what_was_said_and_true_is_weighted(task: str) -> None:
    found, plain = standing(task, tallied(task, np.full(N, 0.003)), 0.95), standing(task, tallied(task), 0.95)
    assert found == pytest.approx(plain)
    labels = world(task)[0]
    heavy = standing(task, tallied(task, np.where(labels > 0, 50.0, 1.0)), 0.95)
    assert heavy["rows"] < plain["rows"]
    assert task == "multiclass" or heavy["true"] > plain["true"]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_curves_count_effective_rows(task: str) -> None:
    found = tallied(task, np.full(N, 0.002))
    told = curves(task, ["a", "b", "c"], [found], None, 0.95)["challenger"]
    assert sum(told["calibration"]["rows"]) == pytest.approx(N)
    counts = told["distribution"]["positive"] + told["distribution"]["negative"] if task == "binary" else None
    counts = counts or [one for row in told["confusion"]["rows"] for one in row]
    assert sum(counts) == pytest.approx(N)


def test_rows_of_weight_0_are_in_no_sample() -> None:
    labels, predictions, _ = world("binary")
    weights, records = np.arange(N) % 3.0, np.array([b"x"] * N, object)
    kept = sample_of("binary", np.arange(N, dtype=np.uint64), labels, predictions, records, weights)
    assert len(kept.labels) == (weights > 0).sum()
    np.testing.assert_array_equal(kept.weights, weights[weights > 0])


def test_nothing_is_left_of_rows_that_all_have_weight_0() -> None:
    found = rows_of("binary", *world("binary"), np.zeros(N)).tally(np.arange(N))
    assert found.rows == N
    assert found.effective_rows == 0
    assert all(np.isnan(value) for value in without_count(found, "binary").values())
    assert intervals("binary", found, None, 0.95) == ({}, {})
    assert isinstance(rows_of("binary", *world("binary"), np.zeros(N)), Rows)
