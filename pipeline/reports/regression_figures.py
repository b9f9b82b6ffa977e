"""Pictures of a model that predicts numbers. See pipeline.reports.figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.reports.figures import ACCENT, INK, MUTED, PALE, figure_of, our_style, square_axes
from pipeline.reports.formats import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def predicted_figure(labels: Sequence[float], predictions: Sequence[float]) -> Figure:
    """Draw predicted against true numbers, a point a row (2,000 are kept at most), and what a constant guess says."""
    with our_style():
        axes = square_axes("Predicted and true", "true value", "predicted value")
        low, high = min(*labels, *predictions), max(*labels, *predictions)
        axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        mean = float(np.mean(labels))
        axes.axhline(mean, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
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
        axes.stairs(counts, edges, color=ACCENT, fill=True, alpha=PALE)
        axes.axvline(0, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.axvline(float(residuals.mean()), color=ACCENT, linewidth=1.2)
        axes.text(
            0.98, 0.94, f"mean {number(float(residuals.mean()))}", transform=axes.transAxes, ha="right", color=INK
        )
        return figure_of(axes)


def residuals_by_prediction_figure(labels: Sequence[float], predictions: Sequence[float]) -> Figure:
    """Draw how far each prediction lies from what was true; the outermost hundredths are left out of the scale."""
    residuals = np.array(predictions) - np.array(labels)
    low, high = np.quantile(residuals, [0.005, 0.995])
    with our_style():
        axes = square_axes("Residuals by prediction", "predicted value", "predicted less true")
        axes.axhline(0, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.plot(predictions, residuals, "o", color=ACCENT, markersize=3, markeredgewidth=0, alpha=_alpha(len(labels)))
        if high > low:
            axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        return figure_of(axes)


def _alpha(points: int) -> float:
    """Return how solid points are: one alone stays visible (3:1 on paper) also where they are many."""
    return 0.9 if points < 300 else PALE
