"""Pictures of a model from what its evaluation left: slices, curves, importance. See pipeline.reports.figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.reports.bins import FEW_ROWS_IN_A_BIN
from pipeline.reports.figures import (
    ACCENT,
    INK,
    MUTED,
    PALE,
    add_legend,
    figure_of,
    new_axes,
    our_style,
    short_name,
    square_axes,
)
from pipeline.reports.formats import number
from pipeline.reports.hover import tell
from pipeline.reports.judgement import FEW_ROWS, Judgement, SliceGroup
from pipeline.reports.metric_words import is_within_noise
from pipeline.reports.regression_figures import regression_figures

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_ORANGE = "#c1661a"
_MOST_TOLD = 200
"""Cells of a confusion matrix that say their rows where a pointer rests."""
_MOST_NAMED = 12
"""Classes whose names stand beside a confusion matrix."""


def slices_figure(judgement: Judgement, group: SliceGroup, most: int = 30) -> Figure:
    """Draw the main metric with its interval on the largest slices by one set of columns, the champion's as a ring.

    The line is all rows; pale is mostly chance.
    """
    main = judgement.metrics[0]
    shown = [found for found in group.slices if np.isfinite(found.metrics.get(main.name, np.nan))][:most]
    with our_style():
        axes = new_axes(3.4, 0.8 + 0.2 * max(1, len(shown)))
        axes.set_title(f"{main.name} by {short_name(group.columns)}", loc="left")
        axes.axvline(main.value, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        for place, found in enumerate(shown):
            is_small = found.rows is not None and found.rows < FEW_ROWS
            value = found.metrics[main.name]
            if found.interval:
                axes.plot(
                    found.interval, [place, place], color=MUTED if is_small else ACCENT, linewidth=1.4, alpha=PALE
                )
            if main.name in found.champion:
                axes.plot(found.champion[main.name], place, "o", markersize=7, fillstyle="none", color=MUTED)
            axes.plot(value, place, "o", color=MUTED if is_small else ACCENT, fillstyle="none" if is_small else "full")
            rows = "" if found.rows is None else f"{found.rows:,} rows"
            axes.text(1.01, place, rows, transform=axes.get_yaxis_transform(), va="center", color=MUTED, fontsize=7)
        axes.set_yticks(range(len(shown)), labels=[short_name(found.label) for found in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlabel(f"all rows: {number(main.value)}")
        return figure_of(axes)


def curve_figures(document: Mapping[str, Any] | None, metrics: Mapping[str, float] | None = None) -> dict[str, Figure]:
    """Draw pictures by what they show, of Evaluator's `curves.json` (pipeline.evaluation.curves); none without it.

    Args:
        metrics: those of the verdict. A picture that names one of them takes it from there: the curve, of some of its
            points, would give another last digit.
    """
    challenger, champion = (document or {}).get("challenger"), (document or {}).get("champion", {})
    if document is None or not challenger:
        return {}
    if document["task"] == "regression":
        return regression_figures(**challenger["points"])
    found = {"Calibration": calibration_figure(challenger["calibration"], champion.get("calibration"))}
    if document["task"] == "multiclass":
        return {
            "Confusion": confusion_figure(challenger["confusion"]["classes"], challenger["confusion"]["rows"])
        } | found
    if "roc" in challenger:
        found = {
            "ROC": roc_figure(challenger["roc"], champion.get("roc"), (metrics or {}).get("auc")),
            "Precision and recall": precision_recall_figure(
                challenger["precision_recall"], champion.get("precision_recall")
            ),
            **found,
            "Decision thresholds": thresholds_figure(challenger["thresholds"]),
        }
    return found | {"Predictions": distribution_figure(**challenger["distribution"])}


def roc_figure(
    curve: Mapping[str, Sequence[float]],
    champion: Mapping[str, Sequence[float]] | None = None,
    auc: float | None = None,
) -> Figure:
    """Draw the true positive rate against the false positive rate over all decision thresholds; `auc` is written
    into it."""
    with our_style():
        axes = square_axes("ROC", "false positive rate", "true positive rate")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        for found in (champion, curve):
            if found:
                axes.plot(found["false_positive_rate"], found["true_positive_rate"], **_line(found is curve))
        if auc is not None:
            axes.text(0.96, 0.06, f"auc {number(auc)}", ha="right", color=INK)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        return figure_of(axes)


def precision_recall_figure(
    curve: Mapping[str, Sequence[float]], champion: Mapping[str, Sequence[float]] | None = None
) -> Figure:
    """Draw precision against recall; the dashed line is what guessing has."""
    with our_style():
        axes = square_axes("Precision and recall", "recall", "precision")
        axes.axhline(curve["precision"][-1], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        for found in (champion, curve):
            if found:
                axes.plot(found["recall"], found["precision"], **_line(found is curve), **_dot(found["recall"]))
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        return figure_of(axes)


def calibration_figure(
    bins: Mapping[str, Sequence[float]], champion: Mapping[str, Sequence[float]] | None = None
) -> Figure:
    """Draw what share of rows came true where how much was predicted, with intervals; below, the rows of each bin.

    Bins of fewer than FEW_ROWS_IN_A_BIN rows are points without a line.
    """
    predicted, share = np.array(bins["predicted"]), np.array(bins["came_true"])
    reach = np.array([share - bins["low"], np.array(bins["high"]) - share]).clip(min=0)
    top = min(1.0, 1.1 * float(max(predicted.max(), max(bins["high"]))))
    with our_style():
        axes = square_axes("Calibration", "predicted probability", "share that came true")
        counts = axes.twinx()
        counts.bar(predicted, bins["rows"], width=top / 24, color=MUTED, alpha=PALE)
        counts.set_ylim(0, 4 * max(bins["rows"]))
        counts.set(xlabel="predicted", ylabel="rows")  # for hover values
        counts.set_axis_off()
        axes.set_zorder(counts.get_zorder() + 1)
        axes.patch.set_visible(False)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        if champion:
            axes.plot(champion["predicted"], _where_rows_are(champion), **_line(is_challenger=False))
        axes.errorbar(predicted, share, reach, color=ACCENT, marker="o", markersize=3.5, linestyle="none", capsize=2)
        axes.plot(predicted, _where_rows_are(bins), color=ACCENT, linewidth=1.4)
        axes.set(xlim=(0, top), ylim=(0, top))
        return figure_of(axes)


def _where_rows_are(bins: Mapping[str, Sequence[float]]) -> npt.NDArray[np.float64]:
    """Return what came true in each bin, NaN where there are too few rows for a line to go through."""
    return np.where(np.array(bins["rows"]) < FEW_ROWS_IN_A_BIN, np.nan, np.array(bins["came_true"], np.float64))


def thresholds_figure(curve: Mapping[str, Sequence[float]]) -> Figure:
    """Draw precision, recall and the share of rows that are flagged, by the probability from which a row is flagged."""
    with our_style():
        axes = square_axes("Decision thresholds", "flagged from this probability on", "share")
        axes.set_title("Decision thresholds", loc="left", pad=18)
        dot = _dot(curve["threshold"])
        for name, color, dashes in (
            ("precision", ACCENT, ()),
            ("recall", _ORANGE, (5, 2)),
            ("flagged", MUTED, (1, 1.5)),
        ):
            line = (0, dashes) if dashes else "-"
            axes.plot(curve["threshold"], curve[name], color=color, linewidth=1.6, linestyle=line, label=name, **dot)
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        add_legend(axes, 3)
        return figure_of(axes)


def distribution_figure(edges: Sequence[float], negative: Sequence[int], positive: Sequence[int]) -> Figure:
    """Draw how many rows were given which probability, by what was true."""
    with our_style():
        axes = square_axes("Predictions", "predicted probability", "share of the class")
        axes.set_title("Predictions by what was true", loc="left", pad=18)
        for name, counts, color in (("negative", negative, MUTED), ("positive", positive, ACCENT)):
            shares = np.array(counts) / max(1, sum(counts))
            filled: dict[str, Any] = {"fill": True, "alpha": PALE} if name == "negative" else {}
            axes.stairs(shares, edges, color=color, label=f"_{name}", **filled)
            axes.plot([], [], color=color, linewidth=3, label=name)
        axes.set(xlim=(0, 1))
        axes.set_ylim(bottom=0)
        add_legend(axes, 2)
        return figure_of(axes)


def confusion_figure(classes: Sequence[str], rows: Sequence[Sequence[int]]) -> Figure:
    """Draw shares of each true class by what was predicted, with the numbers of rows where there is room."""
    counts = np.array(rows, dtype=float)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    with our_style():
        size = min(5.2, 1.6 + 0.42 * len(classes))
        axes = new_axes(max(3.4, size), max(3.0, size))
        darkest = float(shares.max()) or 1.0
        axes.set_title("Confusion" if darkest > 0.5 else f"Confusion; the darkest: {darkest:.0%}", loc="left")
        places = np.arange(len(classes) + 1) - 0.5
        axes.pcolormesh(places, places, shares, cmap=_shades(), vmin=0, vmax=darkest)  # an image would be one to load
        told = [(at, n) for at, n in np.ndenumerate(counts) if n]
        told = sorted(told, key=lambda one: -one[1])[:_MOST_TOLD]
        for (true, said), n in told:
            unit = "row" if n == 1 else "rows"
            text = f"{classes[true]} taken for {classes[said]}: {n:,.0f} {unit}, {shares[true, said]:.1%} of the class"
            tell(axes, [(said, true, text)])
        axes.invert_yaxis()
        axes.spines[:].set_visible(False)
        axes.set(xlabel="predicted class", ylabel="true class", xticks=[], yticks=[])
        if len(classes) <= _MOST_NAMED:
            names = [short_name(name, 16) for name in classes]
            axes.set_xticks(range(len(names)), labels=names, rotation=45, ha="right", rotation_mode="anchor")
            axes.set_yticks(range(len(names)), labels=names)
            for (row, column), count in np.ndenumerate(counts):
                axes.text(column, row, f"{count:,.0f}", ha="center", va="center", fontsize=7, color=INK)
        return figure_of(axes)


def _shades() -> Colormap:
    """Return none to half of the accent, so that a page's ink can be read on it in light and in dark."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    return LinearSegmentedColormap.from_list("shares", [(*to_rgb(ACCENT), 0.0), (*to_rgb(ACCENT), 0.5)])


def importance_figure(importance: Mapping[str, Any], most: int = 25) -> Figure:
    """Draw how much the metric gets worse without each feature, the greatest first, with standard deviations."""
    shown = importance["features"][:most]
    with our_style():
        axes = new_axes(5.2, 0.8 + 0.2 * max(1, len(shown)))
        axes.set_title(f"{importance['metric']} gets worse by", loc="left")
        axes.axvline(0, color=MUTED, linewidth=0.8)
        for place, feature in enumerate(shown):
            drop, spread = feature["drop"], feature["spread"]
            is_noise = is_within_noise(feature)
            bar: dict[str, Any] = (
                {"facecolor": "none", "edgecolor": MUTED} if is_noise else {"color": ACCENT, "alpha": PALE}
            )
            axes.barh(place, drop, height=0.6, **bar)
            axes.plot([drop - spread, drop + spread], [place, place], color=INK, linewidth=1.2)
        axes.set_yticks(range(len(shown)), labels=[short_name(feature["name"]) for feature in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        return figure_of(axes)


def _dot(points: Sequence[float]) -> dict[str, Any]:
    """Return the look of a curve of one point, which no line would show: all predictions are equal."""
    return {"marker": "o", "markersize": 4, "clip_on": False} if len(points) == 1 else {}


def _line(is_challenger: bool) -> dict[str, Any]:
    if is_challenger:
        return {"color": ACCENT, "linewidth": 1.8, "label": "this model"}
    return {"color": MUTED, "linewidth": 1.2, "linestyle": (0, (1, 1.5)), "label": "champion"}
