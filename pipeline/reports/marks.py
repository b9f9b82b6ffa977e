"""Small pictures of values with their intervals, drawn as SVG by a template: each mark says its values under the mouse.

Matplotlib draws the larger figures; these are many, and cost neither time nor room.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, STRIP = 320.0, 110.0, 26.0
"""Of a picture, and of the strip of bars below it, in SVG units."""
_MARGIN = 6.0


@dataclass(frozen=True)
class Value:
    """One mark, by its values.

    Attributes:
        at: its place from left, in units of its own.
        value: NaN where there is none, and then no mark.
        ends: of its interval.
        beside: another value at the same place, through which a line goes.
        size: of the bar below it, which reaches over `over` (from, to).
        title: what is said under the mouse.
        off: drawn as what somebody should look at.
    """

    at: float
    value: float
    title: str
    ends: tuple[float, float] | None = None
    beside: float = math.nan
    size: float = 0.0
    over: tuple[float, float] | None = None
    off: bool = False


@dataclass(frozen=True)
class Mark:
    """One mark, by its places; `bar`: (left, width, top) of the bar below, `hit`: (left, width) of what hears the
    mouse."""

    x: float
    y: float | None
    reach: tuple[float, float] | None
    title: str
    off: bool
    bar: tuple[float, float, float] | None
    hit: tuple[float, float]


@dataclass(frozen=True)
class Picture:
    """What the macro `picture` draws.

    Attributes:
        told: the picture in a sentence, for whoever does not see it.
        line: an SVG path through what lies beside; edge: the height of a line across, or None.
        scale: the values at the bottom and the top; ends: words at the left and the right.
        height: of all.
    """

    name: str
    told: str
    marks: list[Mark]
    line: str
    edge: float | None
    scale: tuple[float, float]
    ends: tuple[str, str]
    height: float


def picture(
    name: str,
    told: str,
    values: Sequence[Value],
    ends: tuple[str, str],
    *,
    edge: float = math.nan,
    joined: bool = True,
) -> Picture | None:
    """Place values; None where there is none.

    Args:
        joined: what lies beside is one line; else a piece for each value.
    """
    known = [number for one in values for number in (one.value, one.beside, *(one.ends or ())) if math.isfinite(number)]
    if not known:
        return None
    low, high = min([*known, edge] if edge == edge else known), max([*known, edge] if edge == edge else known)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    spans = [one.over or (one.at - 0.5, one.at + 0.5) for one in values]
    first, last = min(left for left, _ in spans), max(right for _, right in spans)
    most = max((_density(one) for one in values), default=0.0)

    def across(at: float) -> float:
        return round(WIDTH * (at - first) / ((last - first) or 1.0), 1)

    def up(value: float) -> float:
        if math.isnan(value):
            return value
        return round(_MARGIN + (HEIGHT - 2 * _MARGIN) * (high - value) / (high - low), 1)

    marks = []
    for one, (left, right) in zip(values, spans, strict=True):
        hit = (across(left), max(1.0, round(across(right) - across(left), 1)))
        top = round(HEIGHT + STRIP - (STRIP - 4) * _density(one) / most, 1) if most else 0.0
        y = up(one.value) if math.isfinite(one.value) else None
        reach = (up(one.ends[1]), up(one.ends[0])) if one.ends else None
        marks.append(Mark(across(one.at), y, reach, one.title, one.off, (*hit, top) if most else None, hit))
    return Picture(
        name,
        told,
        marks,
        _path(
            [
                (across(left), across(right), across(one.at), up(one.beside))
                for one, (left, right) in zip(values, spans, strict=True)
            ],
            joined,
        ),
        up(edge) if edge == edge else None,
        (low, high),
        ends,
        HEIGHT + (STRIP if most else 0.0),
    )


def _density(one: Value) -> float:
    """Return the height of a bar, so that its area is its size."""
    left, right = one.over or (0.0, 1.0)
    return one.size / ((right - left) or 1.0)


def _path(points: Iterable[tuple[float, float, float, float]], joined: bool) -> str:
    """Return an SVG path through (left, right, middle, height)."""
    known = [point for point in points if math.isfinite(point[3])]
    if not joined:
        return "".join(f"M{left} {y}H{right}" for left, right, _, y in known)
    return "".join(f"{'L' if place else 'M'}{x} {y}" for place, (_, _, x, y) in enumerate(known))
