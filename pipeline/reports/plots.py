"""Pictures for a page: inline SVG in the page's own colours and type, so that they follow light, dark and print."""

from __future__ import annotations

import re
import warnings
from io import StringIO
from typing import TYPE_CHECKING

from markupsafe import Markup

from pipeline.reports import bins, figures
from pipeline.reports.artifacts import Column
from pipeline.reports.bins import Bar
from pipeline.reports.hover import hover_marks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 160.0, 36.0
"""Of a column's small histogram, in SVG units."""
_COLORS = {
    figures.INK: "var(--ink)",
    figures.MUTED: "var(--muted)",
    figures.ACCENT: "var(--accent)",
    figures.LINE: "var(--line)",
}


def embed(figure: Figure, name: str) -> Markup:
    """Return a figure of pipeline.reports.figures for a page; where a pointer rests it tells values.

    Args:
        name: unique in the page; ids are made of it.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    file = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of emoji: a browser has them
        # `savefig` draws a figure twice: once to find its extent, which is that of the page's figures as they are.
        FigureCanvasSVG(figure).print_svg(file, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    drawn, closing, rest = _at_home(file.getvalue(), name).rpartition("</svg>")
    return Markup(drawn + hover_marks(figure) + closing + rest)


def _at_home(svg: str, name: str) -> str:
    """Strip an SVG of what a file of its own needs, with the page's colours and font, and ids that are unique in the
    page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'font-family: [^;"]*', "font-family: var(--font)", svg)
    for fixed, color in _COLORS.items():
        svg = svg.replace(fixed, color)
    return svg


def outlines(column: Column) -> dict[str, str]:
    """Return SVG paths of a column's distribution by split, in a box of WIDTH x HEIGHT; empty when there is none to
    show."""
    return _number_outlines(column) if column.is_number else _category_outlines(column)


def _number_outlines(column: Column) -> dict[str, str]:
    """Compute densities, because bars of whole numbers differ in width."""
    drawn = bins.common({name: split.bars for name, split in column.splits.items()})
    if not drawn:
        return {}
    first = next(iter(drawn.values()))
    low, span = first[0][0], first[-1][1] - first[0][0]

    def width(bar: Bar) -> float:
        return max(bar[1] - bar[0], span / 40)

    peaks = [max(bar[2] / width(bar) for bar in bars) for bars in drawn.values()]
    top = min(max(peaks), 3 * peaks[0]) or 1.0  # a narrow second split must not press the first one flat

    def on_paper(bar: Bar) -> Bar:
        return (
            (bar[0] - low) / span * WIDTH,
            (bar[1] - low) / span * WIDTH,
            min(1.0, bar[2] / width(bar) / top) * HEIGHT,
        )

    return {name: _steps([on_paper(bar) for bar in bars]) for name, bars in drawn.items()}


def _category_outlines(column: Column) -> dict[str, str]:
    """Draw shares of the values that are commonest in the first split."""
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
    """Return the outline of adjoining bars."""
    path = "".join(f"L{left:.1f} {HEIGHT - height:.1f}H{right:.1f}" for left, right, height in bars)
    return f"M{bars[0][0]:.1f} {HEIGHT:.1f}{path}V{HEIGHT:.1f}"
