"""A metric over the runs as a picture whose places are shares of its width and height: it fits any window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.config.evaluation import Threshold
from pipeline.reports.formats import bound_text

if TYPE_CHECKING:
    from pipeline.reports.front import FrontRun

MOST_POINTS = 120
"""Runs, the newest."""
_MARGIN = 6.0
"""Percent of the height that stays free above and below."""


@dataclass(frozen=True)
class Point:
    """A run in the picture.

    Attributes:
        x, y: percent from the left and from the top.
        reach: top and bottom of its interval in percent, or None.
    """

    run: FrontRun
    value: float
    ends: tuple[float, float] | None
    x: float
    y: float
    reach: tuple[float, float] | None


@dataclass(frozen=True)
class Band:
    """Where a model would not be blessed.

    Attributes:
        top, height: in percent; edge: the threshold's place.
    """

    rule: str
    top: float
    height: float
    edge: float


@dataclass(frozen=True)
class Chart:
    """One metric over the runs, the oldest first. `scale`: the values at its bottom and top."""

    metric: str
    points: list[Point]
    bands: list[Band]
    scale: tuple[float, float]
    left_out: int


def chart(metric: str, runs: Sequence[FrontRun], threshold: Threshold) -> Chart:
    """Place the runs that measured a metric; those that only repeat one are left out.

    Args:
        runs: the newest first.
    """
    measured = [run for run in runs if not run.repeats and _value(run, metric) is not None][::-1]
    shown = measured[-MOST_POINTS:]
    values = [value for run in shown if (value := _value(run, metric)) is not None]
    ends = [_ends(run, metric) for run in shown]
    bounds = [bound for bound in (threshold.at_least, threshold.at_most) if bound is not None]
    low, high = _scale([*values, *(end for pair in ends if pair for end in pair), *bounds])

    def height(value: float) -> float:
        return round(_MARGIN + (100 - 2 * _MARGIN) * (high - value) / (high - low), 2)

    points = []
    for place, (run, value, pair) in enumerate(zip(shown, values, ends, strict=True)):
        x = round(100 * (place + 0.5) / len(shown), 2)
        points.append(Point(run, value, pair, x, height(value), pair and (height(pair[1]), height(pair[0]))))
    bands = []
    if threshold.at_least is not None:
        edge = height(threshold.at_least)
        bands.append(Band(f"needs at least {bound_text(threshold.at_least)}", edge, round(100 - edge, 2), edge))
    if threshold.at_most is not None:
        edge = height(threshold.at_most)
        bands.append(Band(f"may be at most {bound_text(threshold.at_most)}", 0.0, edge, edge))
    return Chart(metric, points, bands, (low, high), len(measured) - len(shown))


def _value(run: FrontRun, metric: str) -> float | None:
    value = run.listed.summary.metrics.get(metric)
    return value if value is not None and math.isfinite(value) else None


def _ends(run: FrontRun, metric: str) -> tuple[float, float] | None:
    found = run.listed.summary.judged.get("intervals", {}).get(metric)
    return (float(found[0]), float(found[1])) if found and all(map(math.isfinite, found)) else None


def _scale(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
