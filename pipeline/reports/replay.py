"""The page of a replay: what each policy lost, tick by tick, when it trained, and the best in hindsight."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.reports.rendering import templates

_WIDTH, _HEIGHT, _LEFT = 960.0, 220.0, 8.0
_DASHES = ("none", "7 3", "2 3", "9 3 2 3", "4 2", "1 2")
"""Policies are told apart without colour, too."""


@dataclass(frozen=True)
class Line:
    """A policy in the picture.

    Attributes:
        points: of the polyline; dots: (x, y, day, why) where it trained; hue: of its colour; last: where it ends.
    """

    name: str
    points: str
    dots: list[tuple[float, float, str, str]]
    hue: int
    dash: str
    last: float


def render(found: Mapping[str, Any], front: str) -> str:
    """Return the page as HTML; all that comes from the user is escaped.

    Args:
        found: what `longhaul replay` writes as JSON.
        front: the address of the front page; "" where there is none beside this page.
    """
    return (
        templates()
        .get_template("replay.html.j2")
        .render(
            found=found,
            front=front,
            lines=lines(found),
            marks=marks(found),
            width=_WIDTH,
            picture_height=_HEIGHT,
            days=[one[:10] for one in found["begins"]],
        )
    )


def marks(found: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Return the round values of the scale, at most six, each with its height in the picture."""
    low, high = _ends(_against_never(found))
    least = ((high - low) or 1.0) / 5
    size = 10 ** math.floor(math.log10(least))
    step = next(one * size for one in (1, 2, 5, 10) if one * size >= least)
    values = [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [(value, _height(value, low, high)) for value in values]


def _against_never(found: Mapping[str, Any]) -> dict[str, list[float]]:
    never = _totals(found["never_curve"], found)
    return {
        one["name"]: [mine - base for mine, base in zip(_totals(one["curve"], found), never, strict=True)]
        for one in found["policies"]
    }


def _ends(drawn: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    return min(0.0, *map(min, drawn.values())), max(0.0, *map(max, drawn.values()))


def _height(value: float, low: float, high: float) -> float:
    return _LEFT + (high - value) / ((high - low) or 1.0) * (_HEIGHT - 2 * _LEFT)


def lines(found: Mapping[str, Any]) -> list[Line]:
    """Return what each policy has lost by the end of each tick above a model that is never trained anew, a row of the
    whole; below 0 is better."""
    drawn = _against_never(found)
    low, high = _ends(drawn)
    step = (_WIDTH - 2 * _LEFT) / max(1, len(found["rows"]) - 1)
    made = []
    for place, one in enumerate(found["policies"]):
        places = [(_LEFT + tick * step, _height(value, low, high)) for tick, value in enumerate(drawn[one["name"]])]
        by_day = {day[:10]: tick for tick, day in enumerate(found["begins"])}
        dots = [(*places[by_day[day]], day, why) for day, why in one["because"].items()]
        hue = round(360 * place / len(found["policies"])) + 190
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        made.append(Line(one["name"], points, dots, hue % 360, _DASHES[place % len(_DASHES)], drawn[one["name"]][-1]))
    return made


def _totals(curve: Sequence[float], found: Mapping[str, Any]) -> list[float]:
    """Return the loss until the end of each tick, a row of all rows."""
    whole, total, totals = sum(found["rows"]), 0.0, []
    for value, rows in zip(curve, found["rows"], strict=True):
        total += value * rows / whole
        totals.append(total)
    return totals
