"""The curves show the numbers that rows give."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.reports import model_figures
from pipeline.reports.judgement import Judgement, Metric, Slice, SliceGroup

LABELS = np.array([0, 1, 0, 1, 1])
PROBABILITIES = np.array([0.1, 0.4, 0.4, 0.8, 0.9])


def test_equal_probabilities_are_flagged_together() -> None:
    (precision, recall, flagged) = model_figures.thresholds_figure(LABELS, PROBABILITIES).axes[0].lines
    assert [*precision.get_xdata()] == [0.9, 0.8, 0.4, 0.1]
    assert [*precision.get_ydata()] == pytest.approx([1, 1, 3 / 4, 3 / 5])
    assert [*recall.get_ydata()] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert [*flagged.get_ydata()] == pytest.approx([1 / 5, 2 / 5, 4 / 5, 1])


def test_the_area_under_roc() -> None:
    axes = model_figures.roc_figure(LABELS, PROBABILITIES).axes[0]
    curve = axes.lines[1]
    assert [*curve.get_xdata()] == [0, 0, 0, 0.5, 1]
    assert [*curve.get_ydata()] == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
    # Of 6 pairs of a late and a punctual row 5 are in order and 1 is a tie.
    assert axes.texts[0].get_text() == f"area {5.5 / 6:.4f}"


def test_calibration_by_tenths() -> None:
    probabilities = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], 20)
    labels = np.concatenate([np.arange(20) < share * 20 for share in (0.1, 0.3, 0.5, 0.7, 0.9)])
    points = model_figures.calibration_figure(labels, probabilities).axes[0].containers[0].lines[0]
    assert [*points.get_xdata()] == pytest.approx(sorted([0.1, 0.3, 0.5, 0.7, 0.9] * 2))
    assert [*points.get_ydata()] == pytest.approx([0.2, 0, 0.6, 0, 1, 0, 1, 0.4, 1, 0.8])


def test_a_slice_without_the_metric_is_left_out() -> None:
    group = SliceGroup("origin", [Slice("EWR", 1200, {"auc": 0.75}, 1.0), Slice("LGA", 3, {}, None)], 0)
    judgement = Judgement([Metric("auc", 0.5, None, "", None)], None, [group])
    axes = model_figures.slices_figure(judgement, group).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["EWR"]
    assert [text.get_text() for text in axes.texts] == ["1,200 rows"]
