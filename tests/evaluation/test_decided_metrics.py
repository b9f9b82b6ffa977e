"""Precision, recall and F1 at the threshold as metrics that a rule asks for: values, intervals, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats
from sklearn.metrics import f1_score, precision_score, recall_score

from pipeline.config.decision import Decision
from pipeline.config.evaluation import DECIDED, Evaluation
from pipeline.config.loading import load
from pipeline.errors import ConfigError
from pipeline.evaluation.decision import choose_for_each
from pipeline.evaluation.slice_metrics import CHAMPION, SliceMetrics, measure
from pipeline.evaluation.summary import Names, summarize
from pipeline.evaluation.tallies import BLOCKS, Tally, rows_of
from pipeline.reports.judgement import judge
from tests.config.test_config import SMALLEST

Rows = tuple[Any, Any]
STOCK = {"precision": precision_score, "recall": recall_score, "f1": f1_score}


def drawn(seed: int, rows: int = 2_000, most: float = 0.6) -> Rows:
    random = np.random.default_rng(seed)
    predictions = random.uniform(0, most, rows).astype(np.float32)
    return (random.uniform(size=rows) < predictions).astype(np.int64), predictions


def tallied(rows: Rows, weights: Any = None) -> Tally:
    labels, predictions = rows
    blocks = np.arange(len(labels)) % BLOCKS
    return rows_of("binary", labels, predictions[:, None], blocks, weights).tally(np.arange(len(labels)))


def found(at: float, rows: Rows, champion: Rows | None = None, weights: Any = None, key: Any = ()) -> SliceMetrics:
    tallies = {"candidate": tallied(rows, weights)} | ({CHAMPION: tallied(champion)} if champion else {})
    chosen = choose_for_each(tallies, Decision.model_validate({"threshold": at}))
    return measure((key, tallies), "binary", 0.95, chosen, decided=DECIDED)


@pytest.mark.parametrize("weights", [None, np.random.default_rng(5).integers(0, 4, 2_000).astype(float)])
@pytest.mark.parametrize("at", [0.3, 0.45])
def test_they_are_those_of_scikit_learn(at: float, weights: Any) -> None:
    labels, predictions = drawn(1)
    metrics = found(at, (labels, predictions), weights=weights).by_model["candidate"]
    for name, compute in STOCK.items():
        assert metrics[name] == pytest.approx(compute(labels, predictions >= at, sample_weight=weights))


@pytest.mark.parametrize(("name", "true"), [("precision", 0.45), ("recall", 0.75), ("f1", 0.5625)])
def test_their_intervals_hold_the_truth_as_often_as_they_say(name: str, true: float) -> None:
    held = 0
    for seed in range(300):
        low, high = found(0.3, drawn(seed, rows=300)).intervals[name]
        held += low <= true <= high
    assert stats.binomtest(held, 300, 0.95).pvalue > 0.001


def test_the_difference_to_the_champion_knows_that_both_saw_the_same_rows() -> None:
    labels, predictions = drawn(1)
    same = found(0.3, (labels, predictions), (labels, predictions))
    assert {name: same.differences[name] for name in DECIDED} == dict.fromkeys(DECIDED, (0.0, 0.0))
    worse = found(0.3, (labels, np.random.default_rng(0).permutation(predictions)), (labels, predictions))
    assert worse.differences["recall"][1] < 0


def summary_of(slices: list[SliceMetrics], thresholds: Mapping[str, Any], champion: str | None = None) -> Any:
    rules = Evaluation.model_validate({"slices": [["paw"]], "thresholds": thresholds})
    return summarize(slices, rules, Names(champion, {}))


def test_a_broken_rule_blocks_over_all_rows_in_slices_and_against_the_champion() -> None:
    labels, predictions = drawn(1)
    slices = [
        found(0.45, (labels, predictions), (labels, predictions + np.float32(0.1)), key=key)
        for key in ((), (("paw", "left"),))
    ]
    recall = recall_score(labels, predictions >= 0.45)
    thresholds = {"recall": {"at_least": 0.9, "may_lose": 0.01, "slices": {"paw": {"at_least": 0.8}}}}
    summary, validation = summary_of(slices, thresholds, "the champion")
    assert not summary["blessed"]
    assert not validation.validation_ok
    assert summary["failures"][0].startswith(f"recall is {recall:.4f}, needs at least 0.9; the champion had ")
    assert "worse, 0.01 is allowed" in summary["failures"][1]
    assert summary["failures"][2].startswith(f"recall on paw=left is {recall:.4f}, needs at least 0.8")
    page = judge(summary, None)
    assert page is not None
    told = next(metric for metric in page.metrics if metric.name == "recall")
    assert (told.held, told.threshold.split(" and ")[0]) == (False, "needs at least 0.9")
    assert summary_of(slices, {"recall": {"at_least": recall - 0.01}})[0]["blessed"]


@pytest.mark.parametrize(
    ("at", "label", "name", "why"),
    [(0.99, None, "precision", "no row is flagged"), (0.3, 0, "recall", "no row is positive")],
)
def test_what_cannot_be_computed_blesses_nothing(at: float, label: int | None, name: str, why: str) -> None:
    labels, predictions = drawn(1)
    labels = labels if label is None else np.full_like(labels, label)
    summary, _ = summary_of([found(at, (labels, predictions))], {name: {"at_least": 0.0}})
    assert summary["failures"] == [f"{name} cannot be computed: {why}"]


def test_without_a_threshold_that_is_as_asked_they_cannot_be_computed() -> None:
    tallies = {"candidate": tallied(drawn(1, most=0.3))}
    chosen = choose_for_each(tallies, Decision.model_validate({"threshold": {"precision_at_least": 1}}))
    assert chosen["candidate"].threshold is None
    of_all = measure(((), tallies), "binary", 0.95, chosen, decided=("recall",))
    assert of_all.undefined["recall"] == "no threshold was found"


def test_a_rule_is_what_has_them_measured_and_only_of_a_binary_task(tmp_path: Path) -> None:
    assert Evaluation.model_validate({"thresholds": {"auc": {"at_least": 0}}}).decided == ()
    asked = {"thresholds": {"f1": {"at_least": 0}}, "slices": [["a"]], "gaps": {"recall": {"a": 0.1}}}
    assert Evaluation.model_validate(asked).decided == ("recall", "f1")
    document = yaml.safe_load(SMALLEST) | {"evaluation": {"thresholds": {"f1": {"at_least": 0.1}}}}
    file = tmp_path / "cats.yaml"
    file.write_text(yaml.safe_dump(document))
    load(file)
    document["data"] |= {"task": "regression"}
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigError, match="'f1' is not a metric of a regression task"):
        load(file)
