"""Values that a figure tells where a pointer rests: transparent marks with a title, so that no script is needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from markupsafe import escape

from pipeline.reports.formats import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_MOST_OF_A_LINE, _MOST_POINTS = 40, 200
"""Marks of one curve, and of one cloud of points: an even choice."""
_NO_NAME = re.compile(r"_(child\d+|line\d+|nolegend_)?")
"""Labels that Matplotlib makes up."""
_told: WeakKeyDictionary[Axes, list[tuple[float, float, str]]] = WeakKeyDictionary()
Mark = tuple[float, float, str]


def tell(axes: Axes, marks: Iterable[Mark]) -> None:
    """Let axes say what their lines and bars do not by themselves: at a place of the data a text."""
    _told.setdefault(axes, []).extend(marks)


def hover_marks(figure: Figure) -> str:
    """Return marks for the SVG of a figure that has just been saved as one; empty where it has no values to tell."""
    scale, height = 72 / figure.dpi, 72 * figure.get_figheight()
    parts = []
    for axes in figure.axes:
        marks = _told.get(axes) or [*_of_bars(axes), *_of_lines(axes)]
        told = set()
        for x, y, text in marks:
            across, up = axes.transData.transform((x, y)) * scale
            at = f"M{across:.1f} {height - up:.1f}h0"
            if isfinite(across) and isfinite(up) and (at, text) not in told:  # a point and the line through it
                told.add((at, text))
                parts.append(f'<path class="hit" d="{at}"><title>{escape(text)}</title></path>')
    return f'<g class="hover">{"".join(parts)}</g>' if parts else ""


def _of_lines(axes: Axes) -> Iterator[Mark]:
    import numpy as np  # which a page without figures, as `longhaul rollback` writes one, need not read

    for line in axes.lines:
        is_cloud = line.get_linestyle() == "None" and line.get_marker() == "o"
        x, y = (np.asarray(of, np.float64) for of in line.get_data())
        if line.get_transform() != axes.transData or (len(x) < 3 and line.get_marker() != "o"):
            continue  # a guide, a whisker
        if not is_cloud and line.get_marker() not in ("None", "o"):
            continue  # the caps of whiskers
        there = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        most = _MOST_POINTS if is_cloud else _MOST_OF_A_LINE
        for place in np.unique(np.linspace(0, len(there) - 1, min(most, len(there))).round().astype(int)):
            at = there[place]
            yield float(x[at]), float(y[at]), _text(axes, _name(line), float(x[at]), float(y[at]))


def _of_bars(axes: Axes) -> Iterator[Mark]:
    from matplotlib.patches import Rectangle, StepPatch

    for patch in axes.patches:
        if isinstance(patch, StepPatch):
            values, edges, _ = patch.get_data()
            for value, low, high in zip(values, edges, edges[1:], strict=False):
                if value:
                    reach = f"{_of(axes.xaxis, low)} to {_of(axes.xaxis, high)}"
                    yield (low + high) / 2, float(value), _text(axes, _name(patch), reach, float(value))
        elif isinstance(patch, Rectangle):
            yield from _of_bar(axes, patch)


def _of_bar(axes: Axes, bar: Any) -> Iterator[Mark]:
    labels = dict(zip(axes.get_yticks(), (text.get_text() for text in axes.get_yticklabels()), strict=False))
    x, y = bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height() / 2
    if named := labels.get(round(y)) if axes.yaxis_inverted() else "":  # bars that lie, a name beside each
        of = f"{_name(bar)} " if _name(bar) else ""
        yield bar.get_x() + bar.get_width(), y, f"{of}{named}: {number(bar.get_width())}"
    elif not axes.yaxis_inverted():
        yield x, bar.get_y() + bar.get_height(), _text(axes, _name(bar), float(x), float(bar.get_height()))


def _text(axes: Axes, name: str, x: float | str, y: float) -> str:
    across = x if isinstance(x, str) else _of(axes.xaxis, x)
    found = [(axes.get_xlabel(), across), (axes.get_ylabel(), _of(axes.yaxis, y))]
    return f"{name}: " * bool(name) + ", ".join(f"{label} {value}".strip() for label, value in found)


def _of(axis: Axis, value: float) -> str:
    from matplotlib.dates import ConciseDateFormatter, num2date

    if isinstance(axis.get_major_formatter(), ConciseDateFormatter):
        return f"{num2date(value):%Y-%m-%d %H:%M}"
    return f"{value:,.0f}" if float(value).is_integer() else number(value)


def _name(artist: Line2D | Any) -> str:
    label = str(artist.get_label())
    return "" if _NO_NAME.fullmatch(label) else label.removeprefix("_")
