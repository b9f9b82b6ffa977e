"""Pictures as Matplotlib figures: for a notebook as they are, for a page through `plots.embed`.

They are made without pyplot, so nothing lingers in memory; in a notebook `%matplotlib inline` shows them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.guard.findings import Distances
from pipeline.reports import bins
from pipeline.reports.artifacts import Column
from pipeline.reports.formats import moment
from pipeline.reports.gate import heat_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, ACCENT, LINE = "#1b2024", "#59626a", "#0a6c74", "#dfe3e6"
"""As in style.css, whose variables take their place in a page."""
PALE = 0.7
"""Opacity of a mark that others lie upon: so ACCENT and MUTED still have 3:1 on paper, light and dark."""
_PALETTE = (ACCENT, INK, "#c1661a", "#8a5fb5", "#8a8f94")
"""Of splits, in order."""
_LONGEST_NAME = 40


def feature_distribution(column: Column) -> Figure:
    """Draw histograms of numbers with bins that all splits share, or shares of the commonest values, by split."""
    if column.is_number:
        return _numbers(column)
    first = next(iter(column.splits.values()))
    unnamed = [f"value {number}, not shown" for number in range(1, len(first.shares) + 1)]
    names = [short_name(value) for value, _ in first.top] or unnamed
    shares = {name: split.shares for name, split in column.splits.items() if split.shares}
    return _bars(column.name, names, shares, "share of the values")


def missing_overview(columns: Sequence[Column], most: int = 30) -> Figure:
    """Draw shares of rows without a value by split, of the `most` columns that miss most."""
    worst = {column.name: max(split.missing for split in column.splits.values()) for column in columns}
    shown = [column for column in sorted(columns, key=lambda c: -worst[c.name]) if worst[column.name]][:most]
    splits = dict.fromkeys(split for column in columns for split in column.splits)
    shares = {
        split: [column.splits[split].missing if split in column.splits else 1.0 for column in shown] for split in splits
    }
    title = "Missing values" if shown else "No value is missing"
    return _bars(title, [short_name(column.name) for column in shown], shares, "share of the rows")


def drift_heat_map(*distances: Mapping[str, Distances], most: int = 40) -> Figure:
    """Draw distances of columns, the `most` that moved most, by span; bold where they are beyond their threshold.

    Args:
        distances: `DataVerdict.drift`, `DataVerdict.skew` or both.
    """
    import numpy as np
    from matplotlib.colors import PowerNorm

    map_ = heat_map(*distances, most=most)
    values = np.array([[cell.distance if cell else np.nan for cell in row] for _, row in map_.rows], dtype=float)
    with our_style():
        axes = new_axes(1.6 + 0.5 * max(4, len(map_.spans)), 0.6 + 0.24 * max(3, len(map_.rows)))
        if not map_.rows:
            axes.set_axis_off()
            axes.set_title("No drift is on record")
            return figure_of(axes)
        image = axes.imshow(values, cmap="Oranges", norm=PowerNorm(0.5, 0.0, map_.scale), aspect="auto")
        axes.spines[:].set_visible(False)
        axes.set_yticks(range(len(map_.rows)), labels=[short_name(name) for name, _ in map_.rows])
        axes.set_xticks(range(len(map_.spans)), labels=map_.spans)
        axes.set_xlabel("span")
        for place, (_, cells) in enumerate(map_.rows):
            for span, cell in enumerate(cells):
                if cell:
                    color = "white" if cell.distance > 0.5 * map_.scale else INK
                    weight = "bold" if cell.is_over else "normal"
                    said = "gone" if cell.is_gone else f"{cell.distance:.2f}"
                    text = axes.text(span, place, said, ha="center", va="center", fontsize=6.5)
                    text.set(color=color, weight=weight)
        figure = figure_of(axes)
        figure.colorbar(image, ax=axes, label="distance", shrink=0.6).outline.set_visible(False)
        return figure


def label_correlations(correlations: Mapping[str, float], most: int = 30) -> Figure:
    """Draw correlations of columns with the label, -1 to 1, the `most` that are strongest.

    Statistics hold none: compute them from rows.
    """
    strongest = sorted(correlations, key=lambda name: -abs(correlations[name]))[:most]
    values = {"": [correlations[name] for name in strongest]}
    return _bars("Correlation with the label", [short_name(name) for name in strongest], values, "")


def training_curves(series: Mapping[str, Sequence[float]], marked: int) -> Figure:
    """Draw curves over epochs, counted from 1; the epoch `marked` is, unless it is 0. The last curve has the accent."""
    from matplotlib.ticker import MaxNLocator

    with our_style():
        axes = new_axes(4.6, 2.1)
        axes.grid(axis="y", color=LINE, linewidth=0.6)
        if marked:
            axes.axvline(marked, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        for place, (label, values) in enumerate(series.items()):
            color, width = (ACCENT, 1.8) if label == list(series)[-1] else (MUTED, 1.4)
            line = "-" if place == len(series) - 1 else (0, (5, 2)) if place == 0 else (0, (2, 1.5))
            epochs = range(1, len(values) + 1)
            look: dict[str, Any] = {
                "color": color,
                "linewidth": width,
                "linestyle": line,
                "marker": "o",
                "markersize": 3.2,
            }
            axes.plot(epochs, values, label=label, **look)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.margins(x=0.04, y=0.15)
        axes.set_xlabel("epoch")
        add_legend(axes, len(series))
        return figure_of(axes)


def _numbers(column: Column) -> Figure:
    """Draw densities: bins that whole numbers fill differ in width."""
    from matplotlib.ticker import MaxNLocator

    histograms = bins.common({name: split.bars for name, split in column.splits.items()})
    with our_style():
        axes = new_axes(4.6, 2.1)
        axes.set_title(short_name(column.name), loc="left", pad=18)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        if not histograms:
            values = {split.low for split in column.splits.values() if split.low is not None}
            said = f"every value is {values.pop():g}" if values else "no values"
            axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", color=MUTED)
            axes.set_xticks([])
            return figure_of(axes)
        for i, (name, bars) in enumerate(histograms.items()):
            edges = [bars[0][0], *(bar[1] for bar in bars)]
            heights = [share / (high - low or 1.0) for low, high, share in bars]
            color = _PALETTE[i % len(_PALETTE)]
            axes.stairs(
                heights, edges, color=color, fill=i == 0, alpha=PALE if i == 0 else 1.0, linewidth=1.4, label=name
            )
        axes.set_ylim(bottom=0)
        if column.type == "timestamp":
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter(lambda value, _: moment(value)[:10])
        add_legend(axes, len(histograms))
        return figure_of(axes)


def _bars(title: str, names: Sequence[str], values: Mapping[str, Sequence[float]], unit: str) -> Figure:
    """Draw horizontal bars, a group for each name from above, a bar for each of `values` in it."""
    thick = 0.8 / max(1, len(values))
    with our_style():
        axes = new_axes(4.6, 0.8 + max(1, len(names)) * (0.14 + 0.1 * len(values)))
        axes.set_title(title, loc="left", pad=18 if len(values) > 1 else 6)
        if not names:
            axes.set_axis_off()
            return figure_of(axes)
        axes.axvline(0, color=LINE, linewidth=0.8)
        for i, (label, row) in enumerate(values.items()):
            places = [place + (i + 0.5) * thick - 0.4 for place in range(len(row))]
            axes.barh(places, row, height=thick, color=_PALETTE[i % len(_PALETTE)], label=label)
        axes.set_yticks(range(len(names)), labels=names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(unit)
        if len(values) > 1:
            add_legend(axes, len(values))
        return figure_of(axes)


@contextmanager
def our_style() -> Iterator[None]:
    """Give the figures made in the block their look."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it may announce that it caches fonts
    from matplotlib import rc_context

    settings: Any = {
        "font.size": 8,
        "axes.titlesize": 9,
        "text.color": INK,
        "text.parse_math": False,  # a dollar in a column's name is a dollar
        "axes.labelcolor": MUTED,
        "axes.edgecolor": LINE,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
    }
    with rc_context(settings):
        yield


def new_axes(width: float, height: float) -> Axes:
    """Return the only axes of a new figure, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def square_axes(title: str, across: str, up: str) -> Axes:
    """Return the axes of a new square figure, with a grid."""
    axes = new_axes(3.4, 3.4)
    axes.set_title(title, loc="left")
    axes.grid(color=LINE, linewidth=0.6)
    axes.set(xlabel=across, ylabel=up)
    return axes


def figure_of(axes: Axes) -> Figure:
    """Return the figure that `new_axes` made."""
    from matplotlib.figure import Figure

    assert isinstance(axes.figure, Figure)
    return axes.figure


def add_legend(axes: Axes, entries: int) -> None:
    """Put the legend above the axes, on one line."""
    axes.legend(frameon=False, ncols=entries, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)


def short_name(name: str, most: int = _LONGEST_NAME) -> str:
    """Cut a name that would leave no room for the figure."""
    return name if len(name) <= most else f"{name[:most]}\N{HORIZONTAL ELLIPSIS}"
