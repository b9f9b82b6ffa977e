"""The numbers behind the figures of a model stand on its page."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.lineage.runs import Run
from pipeline.reports.curve_numbers import half_width, how_far_off, number_tables, of_a_new_row
from pipeline.reports.page import collect, render
from tests.reports.test_page import CURVES, EVIL, Reader, assert_accessible, complete_run, explain, rewrite


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("binary", ["The figures of ROC", "The figures of Decision thresholds", "0.9000", "0.00", "0.50", "5", "1"]),
        ("multiclass", ["The figures of Confusion", "True", EVIL, "b", "c", EVIL, "3", "1", "0"]),
        ("regression", []),
    ],
)
def test_they_stand_behind_the_figures(task: str, told: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    run: Run = explain(complete_run(tmp_path_factory.mktemp(task)))
    rewrite(run, "ModelEvaluation", "curves.json", {"task": task, "challenger": CURVES[task]})
    html = render(collect(run))
    assert EVIL not in html
    page = Reader(html)
    assert_accessible(page)
    lines = iter(line for one in page.lines("curves") for line in (one, *one.split("The figures of ")[2:]))
    assert [one for one in told if one not in lines] == []


def test_long_curves_are_thinned_and_bars_joined() -> None:
    curve = [place / 199 for place in range(200)]
    roc = {"false_positive_rate": curve, "true_positive_rate": curve}
    bars = {"edges": [place / 50 for place in range(51)], "negative": [1] * 50, "positive": [2] * 49 + [0]}
    first, last = number_tables({"challenger": {"roc": roc, "distribution": bars}})
    assert len(first.lines) == 25
    assert (first.lines[0], first.lines[-1]) == (["0.0000", "0.0000"], ["1.0000", "1.0000"])
    assert len(last.lines) == 25
    assert last.lines[0] == ["0.00", "0.04", "2", "4"]
    assert sum(int(line[2]) for line in last.lines) == 50
    assert number_tables(None) == []


def test_a_regression_says_how_far_most_predictions_are_off() -> None:
    true = [0.0] * 101
    points = {"true": true, "predicted": [float(place) for place in range(101)]}
    assert how_far_off({"challenger": {"points": points}}) == (
        "Of 100 predictions are off: 50 by at most 50.00, 80 by at most 80.00, 90 by at most 90.00, "
        "95 by at most 95.00."
    )
    assert how_far_off({"challenger": {"points": {"true": true[:3], "predicted": true[:3]}}}) == ""
    assert how_far_off({"challenger": {"points": points | {"predicted": [float("nan")] * 101}}}) == ""
    assert how_far_off(None) == ""


def test_the_interval_of_a_single_prediction_holds_as_often_as_it_says() -> None:
    """2,000 times 30 evaluated rows and a new one: of skewed errors, which no formula for normal ones would fit."""
    dice = np.random.default_rng(3)
    hits = 0
    for _ in range(2_000):
        errors = dice.exponential(size=31) - 1
        points = {"true": [0.0] * 30, "predicted": errors[:30].tolist()}
        reach = half_width({"challenger": {"points": points}}, 0.9)
        assert reach is not None
        hits += abs(errors[30]) <= reach
    assert 0.88 < hits / 2_000 < 0.93


def test_the_interval_of_a_single_prediction_needs_rows_enough() -> None:
    def of(rows: int) -> dict[str, object]:
        return {"challenger": {"points": {"true": [0.0] * rows, "predicted": [float(n) for n in range(rows)]}}}

    assert half_width(of(9), 0.9) == 8.0
    assert half_width(of(8), 0.9) is None
    assert half_width(of(0), 0.9) is half_width(None, 0.9) is half_width({"challenger": {"roc": {}}}, 0.9) is None
    assert half_width({"challenger": {"points": {"true": [0.0] * 9, "predicted": [float("nan")] * 9}}}, 0.9) is None
    assert of_a_new_row(of(8), 0.9) == ""
    assert of_a_new_row(of(99), 0.9).startswith("The truth of a new row lies within 89.00 of its prediction 90 times")
