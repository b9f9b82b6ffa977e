"""Pictures of a model: slices, thresholds and calibration. See pipeline.reports.figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.reports.figures import ACCENT, INK, LINE, MUTED, _axes, _figure, _legend, _short, _style
from pipeline.reports.formats import number
from pipeline.reports.judgement import FEW_ROWS, Judgement, SliceGroup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.model_scores import Scores

Array = npt.NDArray[Any]

_BINS = 10


def slices_figure(judgement: Judgement, group: SliceGroup, most: int = 30) -> Figure:
    """The main metric on the largest slices by one set of columns; the line is all rows, pale is mostly chance."""
    main = judgement.metrics[0]
    shown = [found for found in group.slices if np.isfinite(found.metrics.get(main.name, np.nan))][:most]
    with _style():
        axes = _axes(5.2, 0.8 + 0.2 * max(1, len(shown)))
        axes.set_title(f"{main.name} by {_short(group.columns)}", loc="left")
        axes.axvline(main.value, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        for place, found in enumerate(shown):
            is_small = found.rows is not None and found.rows < FEW_ROWS
            value = found.metrics[main.name]
            axes.plot([main.value, value], [place, place], color=LINE, linewidth=1.5, zorder=1)
            axes.plot(value, place, "o", color=MUTED if is_small else ACCENT, alpha=0.4 if is_small else 1.0)
            rows = "" if found.rows is None else f"{found.rows:,} rows"
            axes.text(1.01, place, rows, transform=axes.get_yaxis_transform(), va="center", color=MUTED, fontsize=7)
        axes.set_yticks(range(len(shown)), labels=[_short(found.label) for found in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlabel(f"all rows: {number(main.value)}")
        return _figure(axes)


def row_figures(task: str, scores: Scores) -> list[Figure]:
    """All that rows tell of a model for that task; of several classes, whether the likeliest is calibrated."""
    labels, predictions = scores.labels, scores.predictions
    if task == "regression":
        return [predicted_figure(labels, predictions[:, 0])]
    if task == "multiclass":
        return [calibration_figure(predictions.argmax(axis=1) == labels, predictions.max(axis=1))]
    probabilities = predictions[:, 0]
    return [
        calibration_figure(labels, probabilities),
        thresholds_figure(labels, probabilities),
        roc_figure(labels, probabilities),
    ]


def calibration_figure(labels: Array, probabilities: Array) -> Figure:
    """What share of rows came true where how much was predicted: bins of equally many rows, with 95 % intervals.

    Args:
        labels, probabilities: (rows,), of a binary task.
    """
    order = np.argsort(probabilities, kind="stable")
    bins = [part for part in np.array_split(order, _BINS) if len(part)]
    predicted = np.array([probabilities[part].mean() for part in bins])  # (bins,)
    came_true = np.array([labels[part].mean() for part in bins])
    spread = 1.96 * np.sqrt(came_true * (1 - came_true) / [len(part) for part in bins])
    top = min(1.0, 1.1 * float(max(predicted.max(), (came_true + spread).max())))
    with _style():
        axes = _square("Calibration", "predicted probability", "share that came true")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.errorbar(predicted, came_true, spread, color=ACCENT, marker="o", markersize=4, linewidth=1.4, capsize=2)
        axes.set(xlim=(0, top), ylim=(0, top))
        return _figure(axes)


def roc_figure(labels: Array, probabilities: Array) -> Figure:
    """The true positive rate against the false positive rate over all decision thresholds."""
    hits, false_alarms, _ = _counts_above(labels, probabilities)
    with _style():
        axes = _square("ROC", "false positive rate", "true positive rate")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        recall, alarms = hits / max(1, hits[-1]), false_alarms / max(1, false_alarms[-1])
        area = float(np.trapz(recall, alarms))
        axes.plot(alarms, recall, color=ACCENT, linewidth=1.8)
        axes.text(0.96, 0.06, f"area {number(area)}", ha="right", color=INK)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        return _figure(axes)


def thresholds_figure(labels: Array, probabilities: Array) -> Figure:
    """Precision, recall and the share of rows that are flagged, by the probability from which a row is flagged."""
    hits, false_alarms, thresholds = _counts_above(labels, probabilities)
    flagged = hits + false_alarms
    with _style():
        axes = _axes(5.2, 2.8)
        axes.set_title("Decision thresholds", loc="left", pad=18)
        axes.grid(color=LINE, linewidth=0.6)
        curves = {
            "precision": (hits[1:] / flagged[1:], ACCENT),
            "recall": (hits[1:] / max(1, hits[-1]), "#c1661a"),
            "flagged": (flagged[1:] / len(labels), MUTED),
        }
        for name, (values, color) in curves.items():
            axes.plot(thresholds[1:], values, color=color, linewidth=1.6, label=name)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="flagged from this probability on", ylabel="share")
        _legend(axes, len(curves))
        return _figure(axes)


def predicted_figure(labels: Array, predictions: Array) -> Figure:
    """Predicted against true numbers, of a regression."""
    with _style():
        axes = _square("Predicted and true", "true value", "predicted value")
        low, high = float(min(labels.min(), predictions.min())), float(max(labels.max(), predictions.max()))
        axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.hexbin(labels, predictions, gridsize=40, mincnt=1, bins="log", cmap="GnBu")
        return _figure(axes)


def _counts_above(labels: Array, probabilities: Array) -> tuple[Array, Array, Array]:
    """True and false positives at each distinct probability taken as the threshold, the highest first.

    Returns:
        Three of shape (thresholds + 1,): the first entry is of a threshold above all probabilities.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # equal probabilities go together
    hits = np.cumsum(labels[order])[last]
    return np.append(0, hits), np.append(0, last + 1 - hits), np.append(np.inf, ranked[last])


def _square(title: str, across: str, up: str) -> Axes:
    axes = _axes(3.4, 3.4)
    axes.set_title(title, loc="left")
    axes.grid(color=LINE, linewidth=0.6)
    axes.set(xlabel=across, ylabel=up)
    return axes
