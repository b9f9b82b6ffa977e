"""Pictures of a model that predicts numbers. See pipeline.reports.figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.reports.figures import ACCENT, INK, MUTED, PALE, figure_of, our_style, square_axes
from pipeline.reports.formats import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]

_BEYOND = 253_402_300_800
"""Seconds until the year 10000: no axis of dates reaches there."""


def regression_figures(
    true: Sequence[float], predicted: Sequence[float], when: Sequence[float | None] | None = None
) -> dict[str, Figure]:
    """Draw pictures by what they show; none without a row that has a prediction.

    Args:
        when: seconds since 1970 of each row; None where no column tells the time.
    """
    answered = [place for place, pair in enumerate(zip(true, predicted, strict=True)) if np.isfinite(pair).all()]
    if not answered:  # a network may answer with no number
        return {}
    labels, predictions = [true[place] for place in answered], [predicted[place] for place in answered]
    by_time = when and residuals_by_time_figure(labels, predictions, [when[place] for place in answered])
    return {
        "Predicted and true": predicted_figure(labels, predictions),
        "Residuals": residuals_figure(labels, predictions),
        "Residuals by prediction": residuals_by_prediction_figure(labels, predictions),
    } | ({"Residuals by time": by_time} if by_time else {})


def predicted_figure(labels: Sequence[float], predictions: Sequence[float]) -> Figure:
    """Draw predicted against true numbers, a point a row (2,000 are kept at most), and what a constant guess says."""
    with our_style():
        axes = square_axes("Predicted and true", "true value", "predicted value")
        low, high = min(*labels, *predictions), max(*labels, *predictions)
        axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        mean = float(np.mean(labels))
        axes.axhline(mean, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        _few_ticks(axes)
        axes.text(high, mean, "always the mean", ha="right", va="bottom", color=MUTED, fontsize=7)
        axes.plot(labels, predictions, "o", color=ACCENT, markersize=3, markeredgewidth=0, alpha=_alpha(len(labels)))
        return figure_of(axes)


def residuals_figure(labels: Sequence[float], predictions: Sequence[float]) -> Figure:
    """Draw how far predictions lie from what was true; the outermost hundredths are left out of the scale."""
    residuals = np.array(predictions) - np.array(labels)
    low, high = np.quantile(residuals, [0.005, 0.995])
    with our_style():
        axes = square_axes("Residuals", "predicted less true", "rows")
        counts, edges = np.histogram(residuals, bins=40, range=(low, high) if high > low else None)
        _few_ticks(axes)
        axes.stairs(counts, edges, color=ACCENT, fill=True, alpha=PALE)
        axes.axvline(0, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.axvline(float(residuals.mean()), color=ACCENT, linewidth=1.2)
        axes.text(
            0.98, 0.94, f"mean {number(float(residuals.mean()))}", transform=axes.transAxes, ha="right", color=INK
        )
        return figure_of(axes)


def residuals_by_prediction_figure(labels: Sequence[float], predictions: Sequence[float]) -> Figure:
    """Draw how far each prediction lies from what was true; the outermost hundredths are left out of the scale."""
    with our_style():
        axes = square_axes("Residuals by prediction", "predicted value", "predicted less true")
        _add_residuals(axes, predictions, labels, predictions)
        _few_ticks(axes)
        return figure_of(axes)


def residuals_by_time_figure(
    labels: Sequence[float], predictions: Sequence[float], when: Sequence[float | None]
) -> Figure | None:
    """Draw how far each prediction lies from what was true by when the row was; None where all rows are of one moment.

    Args:
        when: seconds since 1970; a row without a time is left out.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    known = [place for place, moment in enumerate(when) if moment is not None and abs(moment) < _BEYOND]
    moments = np.array([when[place] for place in known], np.float64)
    if len(np.unique(moments)) < 2:
        return None
    with our_style():
        axes = square_axes("Residuals by time", "", "predicted less true")
        true, predicted = np.array(labels)[known], np.array(predictions)[known]
        _add_residuals(axes, moments / 86_400, true, predicted)
        locator = AutoDateLocator(minticks=3, maxticks=5)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        return figure_of(axes)


def _add_residuals(
    axes: Axes, across: Sequence[float] | Array, labels: Sequence[float] | Array, predictions: Sequence[float] | Array
) -> None:
    residuals = np.array(predictions) - np.array(labels)
    low, high = np.quantile(residuals, [0.005, 0.995])
    axes.axhline(0, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
    axes.plot(across, residuals, "o", color=ACCENT, markersize=3, markeredgewidth=0, alpha=_alpha(len(residuals)))
    if high > low:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def _few_ticks(axes: Axes) -> None:
    """Leave room between numbers of many digits."""
    axes.locator_params(axis="x", nbins=4)


def _alpha(points: int) -> float:
    """Return how solid points are: one alone stays visible (3:1 on paper) also where they are many."""
    return 0.9 if points < 300 else PALE
