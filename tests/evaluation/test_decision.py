"""The threshold that a rule asks for is the one that trying all of them finds; what follows from it is what counting
finds; a rule that cannot be held says what can be reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics
from tensorflow_model_analysis.proto import validation_result_pb2

from pipeline.config.decision import Decision, DecisionThreshold
from pipeline.config.evaluation import Evaluation
from pipeline.evaluation.decision import Chosen, at_threshold, choose, choose_for_each
from pipeline.evaluation.slice_metrics import CHAMPION, measure
from pipeline.evaluation.summary import Names, summarize
from pipeline.evaluation.tallies import BLOCKS, Tally, rows_of

STEPS = np.arange(10_001) / 10_000
Rows = tuple[np.ndarray, np.ndarray]
Counts = tuple[float, float, float, float]


def drawn(seed: int, rows: int = 400, most: float = 1.0) -> Rows:
    """Labels, and predictions that say something; some rows share one."""
    random = np.random.default_rng(seed)
    score = random.normal(size=rows)
    labels = (random.random(rows) < 1 / (1 + np.exp(1.5 - 2 * score))).astype(np.int64)
    return labels, np.round(most / (1 + np.exp(-score)), 3 if seed % 2 else 6).astype(np.float32)


def tallied(rows: Rows) -> Tally:
    labels, predictions = rows
    blocks = np.arange(len(labels)) % BLOCKS
    return rows_of("binary", labels, predictions[:, None], blocks).tally(np.arange(len(labels)))


def counted(rows: Rows, threshold: float) -> Counts:
    """Hits, false alarms, misses, rest."""
    labels, flagged = rows[0] == 1, rows[1].astype(float) >= threshold
    return tuple(
        float((one & other).sum())
        for one, other in ((labels, flagged), (~labels, flagged), (labels, ~flagged), (~labels, ~flagged))
    )  # type: ignore[return-value]


def cheapest(rows: Rows, miss: float, false_alarm: float) -> float:
    def cost(at: float) -> float:
        _, alarms, misses, _ = counted(rows, at)
        return misses * miss + alarms * false_alarm

    return min((cost(at), -at) for at in STEPS)[1] * -1


def precise(rows: Rows, least: float) -> float:
    found = [(counted(rows, at), at) for at in STEPS]
    allowed = [(hits, at) for (hits, alarms, _, _), at in found if hits + alarms and hits >= least * (hits + alarms)]
    return max(allowed)[1]


def complete(rows: Rows, least: float) -> float:
    found = [(counted(rows, at), at) for at in STEPS]
    allowed = [
        (round(hits / (hits + alarms), 12), at)
        for (hits, alarms, misses, _), at in found
        if hits >= least * (hits + misses) - 1e-9
    ]
    return max(allowed)[1]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("rule", "reference"),
    [
        ({"cost": {"miss": 5, "false_alarm": 1}}, lambda rows: cheapest(rows, 5, 1)),
        ({"cost": {"miss": 0.5, "false_alarm": 2}}, lambda rows: cheapest(rows, 0.5, 2)),
        ({"precision_at_least": 0.6}, lambda rows: precise(rows, 0.6)),
        ({"recall_at_least": 0.8}, lambda rows: complete(rows, 0.8)),
        ({"recall_at_least": 1.0}, lambda rows: complete(rows, 1.0)),
        ({"at": 0.37}, lambda _: 0.37),
    ],
)
def test_all_thresholds_were_tried(rule: dict[str, Any], reference: Callable[[Rows], float], seed: int) -> None:
    rows = drawn(seed)
    found = choose(DecisionThreshold.model_validate(rule), tallied(rows))
    assert found == Chosen(reference(rows))


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.3, 0.5, 0.7, 0.7001, 1.0])
def test_what_follows_is_what_counting_finds(threshold: float) -> None:
    labels, predictions = drawn(1)
    predictions[:40] = np.float32(threshold)  # 0.7 as float32 is less than 0.7
    told = at_threshold(tallied((labels, predictions)), threshold)
    assert tuple(told[name] for name in ("hits", "false_alarms", "misses", "rest")) == counted(
        (labels, predictions), threshold
    )
    flagged = predictions.astype(float) >= threshold
    expected = {
        "precision": metrics.precision_score(labels, flagged, zero_division=0) if flagged.any() else None,
        "recall": metrics.recall_score(labels, flagged),
        "accuracy": metrics.accuracy_score(labels, flagged),
        "f1": metrics.f1_score(labels, flagged),
    }
    assert told["metrics"] == pytest.approx({name: value for name, value in expected.items() if value is not None})


def test_what_cannot_be_reached_says_what_can() -> None:
    labels, predictions = drawn(2)
    labels[predictions >= np.sort(predictions)[-3]] = 0  # the surest are wrong
    rows = labels, predictions
    best = max(hits / (hits + alarms) for hits, alarms, _, _ in (counted(rows, at) for at in STEPS) if hits + alarms)
    found = choose(DecisionThreshold(precision_at_least=0.999), tallied(rows))
    assert found.threshold is None
    assert (
        f"no threshold reaches a precision of 0.999; the best that this model reaches is {best:.4f}, fro"
        in found.problem
    )
    reached = choose(DecisionThreshold(precision_at_least=best), tallied(rows)).threshold
    assert reached is not None
    assert f"from a probability of {reached:g} on" in found.problem


@pytest.mark.parametrize(("label", "lacking"), [(0, "positive"), (1, "negative")])
def test_rows_of_one_class_decide_nothing(label: int, lacking: str) -> None:
    rows = np.full(40, label), drawn(1, 40)[1]
    for rule in ({"recall_at_least": 0.5}, {"precision_at_least": 0.5}):
        found = choose(DecisionThreshold.model_validate(rule), tallied(rows))
        assert found == Chosen(None, f"the rows that judge the model have no {lacking} one")


def verdict(
    decision: Decision, rows: Rows, champion: Rows
) -> tuple[dict[str, Any], validation_result_pb2.ValidationResult]:
    of_models = {"candidate": tallied(rows), CHAMPION: tallied(champion)}
    chosen = choose_for_each(of_models, decision)
    slices = [measure((key, of_models), "binary", 0.95, chosen) for key in ((), (("paw", "left"),))]
    rules = Evaluation.model_validate({"slices": [["paw"]], "thresholds": {"auc": {"at_least": 0.1}}})
    return summarize(slices, rules, Names("the champion", {}), decision, chosen)


def test_the_verdict_tells_it_of_the_model_its_champion_and_the_slices() -> None:
    rows, champion = drawn(1), drawn(1, most=0.5)
    decision = Decision.model_validate({"threshold": {"recall_at_least": 0.9}})
    summary, _ = verdict(decision, rows, champion)
    told = summary["decision"]
    assert (told["threshold"], told["champion_threshold"]) == (complete(rows, 0.9), complete(champion, 0.9))
    assert told["by"] == "chosen on the evaluated rows for a recall of at least 0.9"
    assert told["metrics"]["recall"] >= 0.9
    assert told["champion"]["metrics"]["recall"] >= 0.9
    assert summary["slices"][0]["decision"]["metrics"] == told["metrics"]
    assert summary["blessed"]


def test_a_model_without_the_threshold_that_was_asked_for_is_not_blessed() -> None:
    labels, predictions = drawn(2)
    labels[predictions >= np.sort(predictions)[-3]] = 0
    decision = Decision.model_validate({"threshold": {"precision_at_least": 1}})
    summary, validation = verdict(decision, (labels, predictions), drawn(1))
    assert not summary["blessed"]
    assert not validation.validation_ok
    assert summary["failures"] == [f"decision.threshold: {summary['decision']['problem']}"]
    assert summary["decision"]["threshold"] is None
