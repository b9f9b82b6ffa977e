"""The pictures show the numbers that the evaluation left."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.reports import model_figures, regression_figures
from pipeline.reports.judgement import Judgement, Metric, Slice, SliceGroup

BINS = {"predicted": [0.1, 0.8], "came_true": [0.2, 0.9], "low": [0.1, 0.85], "high": [0.4, 1.0], "rows": [30, 10]}


def test_the_area_under_roc_and_the_champion() -> None:
    own = {"false_positive_rate": [0, 0, 0, 0.5, 1], "true_positive_rate": [0, 1 / 3, 2 / 3, 1, 1]}
    other = {"false_positive_rate": [0, 1], "true_positive_rate": [0, 1]}
    axes = model_figures.roc_figure(own, other, 0.7118).axes[0]
    assert [len(line.get_xdata()) for line in axes.lines] == [2, 2, 5]  # chance, champion, challenger
    assert axes.texts[0].get_text() == "auc 0.7118"  # the verdict's: the curve is one of chosen points
    assert len(model_figures.roc_figure(own).axes[0].lines) == 2
    assert not model_figures.roc_figure(own).axes[0].texts


def test_no_line_goes_through_bins_of_a_few_rows() -> None:
    few = BINS | {"predicted": [0.1, 0.5, 0.8], "came_true": [0.2, 1.0, 0.9], "rows": [30, 9, 10]}
    few |= {"low": [0.1, 0.3, 0.85], "high": [0.4, 1.0, 1.0]}
    axes = model_figures.calibration_figure(few, few).axes[0]
    points, _, _ = axes.containers[0]
    assert (points.get_linestyle(), [*points.get_ydata()]) == ("None", [0.2, 1.0, 0.9])
    for line in (axes.lines[1], axes.lines[-1]):  # the champion's and the challenger's
        assert np.isnan(line.get_ydata()).tolist() == [False, True, False]


def test_bars_within_noise_look_otherwise() -> None:
    features = [
        {"name": "sure", "drop": 0.05, "spread": 0.001, "noise": 0.002},
        {"name": "one row", "drop": 0.03, "spread": 0.0, "noise": 0.0303},
        {"name": "worse than nothing", "drop": -0.03, "spread": 0.001},
    ]
    axes = model_figures.importance_figure({"metric": "log_loss", "features": features}).axes[0]
    first, *others = [bar.get_facecolor() for bar in axes.patches]
    assert others == [others[0]] * 2
    assert first != others[0]


def test_calibration_with_intervals_and_rows() -> None:
    figure = model_figures.calibration_figure(BINS)
    axes, counts = figure.axes
    points, _, (whiskers,) = axes.containers[0]
    assert [*points.get_xdata()] == [0.1, 0.8]
    assert [end[1] for ends in whiskers.get_segments() for end in ends] == pytest.approx([0.1, 0.4, 0.85, 1.0])
    assert [bar.get_height() for bar in counts.patches] == [30, 10]


def test_confusion_has_a_number_in_each_cell() -> None:
    axes = model_figures.confusion_figure(["a", "b", "c"], [[3, 1, 0], [0, 1200, 0], [0, 0, 0]]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "1", "0", "0", "1,200", "0", "0", "0", "0"]
    assert axes.collections[0].get_array().tolist() == [[0.75, 0.25, 0], [0, 1, 0], [0, 0, 0]]
    many = model_figures.confusion_figure(list(map(str, range(20))), [[1] * 20] * 20).axes[0]
    assert not many.texts


def test_residuals_keep_outliers_off_the_scale() -> None:
    axes = regression_figures.residuals_figure([0.0] * 1000, [*([-1.0, 1.0] * 499), 1000.0, 0.0]).axes[0]
    assert axes.get_xlim()[1] < 2
    assert axes.texts[0].get_text() == "mean 1.0000"
    regression_figures.residuals_figure([1.0], [1.0])  # nothing varies


def test_residuals_by_time_are_of_the_rows_that_have_one() -> None:
    day = 86_400.0
    when = [None, 15_000 * day, 15_001 * day, 1e300, 15_002 * day]
    figures = regression_figures.regression_figures([1.0] * 5, [2.0, 3.0, 4.0, 5.0, math.nan], when)
    axes = figures["Residuals by time"].axes[0]
    assert [*axes.lines[1].get_xdata()] == [15_000, 15_001]
    assert [*axes.lines[1].get_ydata()] == [2.0, 3.0]
    for none in (None, [None] * 5, [day] * 5):
        assert [*regression_figures.regression_figures([1.0] * 5, [2.0] * 5, none)] == [*figures][:3]


@pytest.mark.parametrize("document", [None, {}, {"task": "binary"}])
def test_without_curves_there_are_no_pictures(document: dict[str, str] | None) -> None:
    assert model_figures.curve_figures(document) == {}


def test_one_class_has_a_distribution_and_a_calibration() -> None:
    of_one = {"calibration": BINS, "distribution": {"edges": [0, 0.5, 1], "negative": [3, 1], "positive": [0, 0]}}
    assert [*model_figures.curve_figures({"task": "binary", "challenger": of_one})] == ["Calibration", "Predictions"]


def test_importance_has_the_greatest_on_top() -> None:
    features = [{"name": "hour", "drop": 0.05, "spread": 0.01}, {"name": "day", "drop": -0.01, "spread": 0.0}]
    axes = model_figures.importance_figure({"metric": "auc", "features": features}).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["hour", "day"]
    assert [bar.get_width() for bar in axes.patches] == [0.05, -0.01]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_slices_with_whiskers_without_those_that_lack_the_metric() -> None:
    shown = Slice("EWR", 1200, {"auc": 0.75}, 1.0, interval=(0.7, 0.8), champion={"auc": 0.72})
    group = SliceGroup("origin", [shown, Slice("LGA", 3, {}, None)], 0)
    judgement = Judgement([Metric("auc", 0.5, None, "", None)], None, [group])
    axes = model_figures.slices_figure(judgement, group).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["EWR"]
    assert [text.get_text() for text in axes.texts] == ["1,200 rows"]
    whisker, ring, dot = axes.lines[1:]
    assert [*whisker.get_xdata()] == [0.7, 0.8]
    assert ([*ring.get_xdata()], [*dot.get_xdata()]) == ([0.72], [0.75])


@pytest.mark.parametrize(("given", "drawn"), [([1.0, math.nan, math.inf, 4.0], True), ([math.nan] * 4, False)])
def test_a_model_that_answers_with_no_number_has_a_page(given: list[float], drawn: bool) -> None:
    points = {"true": [1.0, 2.0, 3.0, 5.0], "predicted": given}
    assert bool(model_figures.curve_figures({"task": "regression", "challenger": {"points": points}})) == drawn
