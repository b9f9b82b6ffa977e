"""Deciding by the page: what each threshold finds and costs, from the curves alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from pipeline.config.decision import Decision
from pipeline.reports.decide import Choice, OnRecord, decision


def curves(rows: int, seed: int = 1) -> tuple[dict[str, object], np.ndarray, np.ndarray]:
    """What Evaluator writes of scores that say something; the scores and the truths."""
    draw = np.random.default_rng(seed)
    truth = draw.random(rows) < 0.3
    scores = np.clip(np.floor(1000 * draw.beta(2 + 2 * truth, 4)) / 1000, 0, 0.999)
    at = np.unique(scores)[::-1]
    hits = np.array([int((truth & (scores >= one)).sum()) for one in at])
    flagged = np.array([int((scores >= one).sum()) for one in at])
    edges = np.linspace(0, 1, 51)
    counts = {
        name: np.histogram(scores[truth == is_it], edges)[0] for name, is_it in (("negative", 0), ("positive", 1))
    }
    challenger = {
        "thresholds": {
            "threshold": at.tolist(),
            "recall": [float(f"{one:.5g}") for one in hits / truth.sum()],
            "flagged": [float(f"{one:.5g}") for one in flagged / rows],
        },
        "distribution": {"edges": edges.tolist(), **{name: found.tolist() for name, found in counts.items()}},
        "calibration": {"predicted": [0.2], "came_true": [0.3], "low": [0.1], "high": [0.4], "rows": [rows]},
    }
    return {"task": "binary", "challenger": challenger}, scores, truth


@pytest.mark.parametrize("threshold", [0.05, 0.31, 0.5, 0.97])
def test_the_rows_are_those_that_counting_finds(threshold: float) -> None:
    document, scores, truth = curves(4_000)
    found = decision(document, OnRecord(threshold, "as the configuration says", "", {}))
    assert found is not None
    flagged = scores >= threshold
    counted = [(flagged & truth).sum(), (flagged & ~truth).sum(), (~flagged & truth).sum(), (~flagged & ~truth).sum()]
    now = found.now
    assert [now.hits, now.alarms, now.misses, now.rest] == counted
    assert now.rows == 4_000


def test_tenths_and_tops() -> None:
    document, _, truth = curves(10_000)
    found = decision(document)
    assert found is not None
    assert [choice.threshold for choice in found.tenths] == pytest.approx([tenth / 10 for tenth in range(1, 10)])
    assert all(one.flagged >= other.flagged for one, other in zip(found.tenths, found.tenths[1:], strict=False))
    for share, choice in found.tops:
        assert choice.flagged / found.rows == pytest.approx(share, abs=0.01)
    lifts = [choice.lift for _, choice in found.tops]
    assert lifts == sorted(lifts, reverse=True)
    assert found.positives == truth.sum()
    assert len(json.dumps(found.data())) < 40_000


def test_weighted_rows_are_counted_whole() -> None:
    """A run with weights missed 165.74700000000013 rows."""
    document, _, _ = curves(1_000)
    bars = document["challenger"]["distribution"]  # type: ignore[index]
    bars |= {name: [0.7861 * count for count in bars[name]] for name in ("negative", "positive")}
    found = decision(document)
    assert found is not None
    counts = [getattr(one, what) for one in found.choices for what in ("hits", "alarms", "misses", "rest", "rows")]
    assert {type(count) for count in counts} == {int}
    assert type(found.rows) is type(found.positives) is int


def test_a_sentence_in_whole_numbers() -> None:
    choice = Choice(0.5, 20, 10, 80, 290)
    assert choice.sentence == "flags 8 of 100 rows; 67 of 100 flagged are positive; finds 20 of 100 positives"
    assert choice.lift == pytest.approx(2 / 3 * 4)
    assert Choice(0.99, 0, 0, 1, 9).sentence == "flags none of 100 rows"
    assert "flags under 1 of 100" in Choice(0.9, 1, 0, 1, 998).sentence


def test_the_line_to_copy_is_taken_by_the_configuration() -> None:
    """At every place of the slider, and at every cheapest threshold."""
    document, _, _ = curves(4_000)
    found = decision(document)
    assert found is not None
    for threshold in [*(place / 200 for place in range(201)), *(choice.threshold for choice in found.choices)]:
        line = yaml.safe_load(f"decision: {{threshold: {float(f'{threshold:.4f}'):g}}}")
        assert Decision.model_validate(line["decision"]).threshold.at == pytest.approx(threshold)


@pytest.mark.parametrize("document", [None, {"task": "regression", "challenger": {"points": {}}}, {"task": "binary"}])
def test_nothing_to_decide(document: dict[str, object] | None) -> None:
    assert decision(document) is None
