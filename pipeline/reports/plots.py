"""Pictures for a page: inline SVG in the page's own colours and type, so that they follow light, dark and print."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from markupsafe import Markup

from pipeline.reports.artifacts import Column

WIDTH, HEIGHT = 160.0, 36.0
"""Of a column's small histogram, in SVG units."""
Bar = tuple[float, float, float]
"""Left, right, height; or lowest value, highest value, share."""
_COLORS = {"#010101": "var(--ink)", "#020202": "var(--muted)", "#030303": "var(--accent)", "#040404": "var(--line)"}
"""Stand-ins: Matplotlib wants real colours, the page has variables."""


def line_chart(name: str, series: Mapping[str, Sequence[float]], kept: int) -> Markup:
    """Curves over epochs, counted from 1; the kept one is marked if it is known (not 0). The last curve has the accent.

    Args:
        name: unique in the page; ids are made of it.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it may announce that it caches fonts
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    ink, muted, accent, line = _COLORS
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "text.color": ink, "axes.labelcolor": muted}
    with rc_context(settings | {"font.size": 8, "axes.edgecolor": line, "xtick.color": muted, "ytick.color": muted}):
        figure = Figure(figsize=(4.6, 2.1), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0)
        axes.set_axisbelow(True)
        axes.grid(axis="y", color=line, linewidth=0.6)
        if kept:
            axes.axvline(kept, color=muted, linewidth=0.8, linestyle=(0, (3, 3)))
        for label, values in series.items():
            color, width = (accent, 1.8) if label == list(series)[-1] else (muted, 1.4)
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, color=color, linewidth=width, marker="o", markersize=3.2, label=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(x=0.04, y=0.15)
        axes.set_xlabel("epoch")
        axes.legend(frameon=False, ncols=len(series), loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
        figure.patch.set_visible(False)
        axes.patch.set_visible(False)
        file = StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return Markup(_at_home(file.getvalue(), name))


def _at_home(svg: str, name: str) -> str:
    """Without what a file of its own needs, with the page's colours and font, and ids that are unique in the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'font-family: [^;"]*', "font-family: var(--font)", svg)
    for stand_in, color in _COLORS.items():
        svg = svg.replace(stand_in, color)
    return svg


def outlines(column: Column) -> dict[str, str]:
    """SVG paths of a column's distribution by split, in a box of WIDTH x HEIGHT; empty when there is none to show."""
    return _number_outlines(column) if column.is_number else _category_outlines(column)


def _number_outlines(column: Column) -> dict[str, str]:
    """Densities on one scale, because the splits' bars differ in width."""
    drawn = {name: split.bars for name, split in column.splits.items() if split.bars}
    low = min((bars[0][0] for bars in drawn.values()), default=0.0)
    high = max((bars[-1][1] for bars in drawn.values()), default=0.0)
    span = high - low
    if not 0 < span < math.inf:
        return {}

    def width(bar: Bar) -> float:
        return max(bar[1] - bar[0], span / 40)  # a split that is constant has bars without width

    peaks = [max(bar[2] / width(bar) for bar in bars) for bars in drawn.values()]
    top = min(max(peaks), 3 * peaks[0]) or 1.0  # a narrow second split must not press the first one flat

    def on_paper(bar: Bar) -> Bar:
        left, right = (bar[0] - low) / span, min(1.0, (bar[0] + width(bar) - low) / span)
        return left * WIDTH, right * WIDTH, min(1.0, bar[2] / width(bar) / top) * HEIGHT

    return {name: _steps([on_paper(bar) for bar in bars]) for name, bars in drawn.items()}


def _category_outlines(column: Column) -> dict[str, str]:
    """Shares of the values that are commonest in the first split."""
    shares = {name: split.shares for name, split in column.splits.items() if split.shares}
    top = max((max(row) for row in shares.values()), default=0.0)
    if not top:
        return {}
    slot = WIDTH / max(4, *map(len, shares.values()))
    return {
        name: "".join(_steps([(i * slot + 1, (i + 1) * slot - 1, share / top * HEIGHT)]) for i, share in enumerate(row))
        for name, row in shares.items()
    }


def _steps(bars: list[Bar]) -> str:
    """The outline of adjoining bars."""
    path = "".join(f"L{left:.1f} {HEIGHT - height:.1f}H{right:.1f}" for left, right, height in bars)
    return f"M{bars[0][0]:.1f} {HEIGHT:.1f}{path}V{HEIGHT:.1f}"
