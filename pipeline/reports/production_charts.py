"""A year of windows as pictures: quality against the promise, validity, what moved, and which versions answered.

Places are shares of the width and height, so that a picture fits any window; one path holds all pieces of a kind, so
that a year of hours stays small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.evaluation.number_text import number

WIDTH, HEIGHT = 1000.0, 200.0
"""Of a picture, in SVG units; it is stretched to its place."""
CHARTED = ("auc", "log_loss", "rmse")
"""Metrics that are drawn, where a model has them."""
_MARGIN = 0.06
_TICKS = 7
_LEVELS = (1, 3, 10, 30)
"""From so many moved columns on a window is drawn darker."""
Verdict = Mapping[str, Any]


@dataclass(frozen=True)
class Known:
    """What is known of one metric in one window: NaN where nothing is."""

    promised: float
    realized: float
    interval: tuple[float, float] | None
    estimated: float
    estimate_interval: tuple[float, float] | None

    @property
    def values(self) -> list[float]:
        """All numbers that there are."""
        ends = [*(self.interval or ()), *(self.estimate_interval or ())]
        return [one for one in (self.promised, self.realized, self.estimated, *ends) if math.isfinite(one)]


def known(verdict: Verdict, metric: str) -> Known:
    """Read a metric of a verdict; a regression's squared error was estimated, of which this is the root."""
    realized = verdict["realized"]
    ends = realized["intervals"].get(metric)
    estimated = verdict["estimated"].get(metric)
    if estimated is None and metric == "rmse" and "mse" in verdict["estimated"]:
        estimated = [math.sqrt(max(one, 0.0)) for one in verdict["estimated"]["mse"]]
    return Known(
        verdict["promise"].get(metric, math.nan),
        realized["metrics"].get(metric, math.nan),
        (ends[0], ends[1]) if ends else None,
        estimated[0] if estimated else math.nan,
        (estimated[2], estimated[3]) if estimated else None,
    )


@dataclass(frozen=True)
class Axis:
    """The time that all pictures show: from `first` to `last`, in seconds."""

    first: float
    last: float

    def share(self, moment: str) -> float:
        """Return the place of a moment (ISO 8601), from 0 to 1."""
        at = (datetime.fromisoformat(moment).timestamp() - self.first) / max(self.last - self.first, 1.0)
        return min(max(at, 0.0), 1.0)

    def ends(self, verdict: Verdict) -> tuple[float, float]:
        """Return where a window begins and ends, in units of the picture."""
        return WIDTH * self.share(verdict["begin"]), WIDTH * self.share(verdict["end"])


def axis_of(verdicts: Sequence[Verdict]) -> Axis:
    """Return the time from the first window to the last."""
    first, last = (min(one["begin"] for one in verdicts), max(one["end"] for one in verdicts))
    return Axis(datetime.fromisoformat(first).timestamp(), datetime.fromisoformat(last).timestamp())


def ticks(verdicts: Sequence[Verdict], axis: Axis) -> list[tuple[float, str]]:
    """Return places in percent and names of some windows, evenly."""
    begins = sorted({one["begin"]: one["name"] for one in verdicts}.items())
    step = max(1, -(-len(begins) // _TICKS))
    return [(round(100 * axis.share(begin), 2), name) for begin, name in begins[::step]]


@dataclass(frozen=True)
class Chart:
    """One metric over the windows.

    Attributes:
        paths: SVG paths by what they show: promised, realized, interval, estimated, estimate-interval, harmful.
        scale: the values at the bottom and the top; told: the picture in a sentence.
    """

    metric: str
    paths: dict[str, str]
    scale: tuple[float, float]
    told: str


def chart(metric: str, verdicts: Sequence[Verdict], axis: Axis) -> Chart | None:
    """Draw a metric; None where no window has it."""
    found = [(one, known(one, metric)) for one in verdicts if not one["few"]]
    values = [value for _, one in found for value in one.values]
    if not values:
        return None
    low, high = min(values), max(values)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)

    def y(value: float) -> float:
        return HEIGHT * (_MARGIN + (1 - 2 * _MARGIN) * (high - value) / (high - low))

    paths = {
        "estimate-interval": _areas(found, axis, y, lambda one: one.estimate_interval),
        "interval": _areas(found, axis, y, lambda one: one.interval),
        "promised": _steps(found, axis, y, lambda one: one.promised),
        "estimated": _steps(found, axis, y, lambda one: one.estimated),
        "realized": _steps(found, axis, y, lambda one: one.realized),
        "harmful": "".join(
            f"M{sum(axis.ends(one)) / 2:.1f} {y(value):.1f}h0"
            for one, numbers in found
            if one["harmful"] and math.isfinite(value := _best(numbers))
        ),
    }
    return Chart(metric, {name: path for name, path in paths.items() if path}, (low, high), _told(metric, found))


def _best(one: Known) -> float:
    return next((v for v in (one.realized, one.estimated, one.promised) if math.isfinite(v)), math.nan)


def _steps(
    found: Sequence[tuple[Verdict, Known]], axis: Axis, y: Callable[[float], float], value: Callable[[Known], float]
) -> str:
    """Return a piece for each window; windows that follow each other on one height are one piece."""
    parts: list[str] = []
    until, height = -1.0, ""
    for verdict, numbers in found:
        it = value(numbers)
        if not math.isfinite(it):
            continue
        left, right = axis.ends(verdict)
        at = f"{y(it):.1f}"
        joined = parts and abs(left - until) < 0.05
        if joined and at == height:
            parts[-1] = f"H{right:.1f}"
        else:
            parts += [f"V{at}" if joined else f"M{left:.1f} {at}", f"H{right:.1f}"]
        until, height = right, at
    return "".join(parts)


def _areas(
    found: Sequence[tuple[Verdict, Known]],
    axis: Axis,
    y: Callable[[float], float],
    ends_of: Callable[[Known], tuple[float, float] | None],
) -> str:
    parts = []
    for verdict, numbers in found:
        ends = ends_of(numbers)
        if ends and all(map(math.isfinite, ends)):
            left, right = axis.ends(verdict)
            parts.append(f"M{left:.1f} {y(ends[1]):.1f}H{right:.1f}V{y(ends[0]):.1f}H{left:.1f}z")
    return "".join(parts)


def _told(metric: str, found: Sequence[tuple[Verdict, Known]]) -> str:
    """Say what the picture shows to whoever does not see it."""
    parts = [f"{metric} in {len(found):,} windows from {found[0][0]['name']} to {found[-1][0]['name']}"]
    for name in ("promised", "realized", "estimated"):
        values = [value for _, one in found if math.isfinite(value := getattr(one, name))]
        if values and name == "promised":
            parts.append(f"promised {number(values[-1])}")
        elif values:
            last = f"{number(min(values))} to {number(max(values))}, last {number(values[-1])}"
            parts.append(f"{name} in {len(values):,}: {last}")
    harmful = [one["name"] for one, _ in found if one["harmful"]]
    parts.append(f"harmful in {len(harmful):,}" + (f", first {harmful[0]}" if harmful else ""))
    return "; ".join(parts)


@dataclass(frozen=True)
class Lane:
    """One row of cells: what holds in which window. `paths`: SVG paths by class; `told`: the row in a sentence."""

    title: str
    paths: dict[str, str]
    told: str


def lanes(verdicts: Sequence[Verdict], axis: Axis) -> list[Lane]:
    """Return rows of validity, of harm and of what moved."""

    def row(title: str, class_of: Callable[[Verdict], str], told: str) -> Lane:
        paths: dict[str, list[str]] = {}
        for one in verdicts:
            left, right = axis.ends(one)
            paths.setdefault(class_of(one), []).append(f"M{left:.1f} 0H{right:.1f}V20H{left:.1f}z")
        return Lane(title, {name: "".join(some) for name, some in paths.items()}, told)

    def level(one: Verdict) -> str:
        return f"moved-{sum(one['moved_count'] >= least for least in _LEVELS)}"

    invalid = [one["name"] for one in verdicts if not one["valid"]]
    harmful = [one["name"] for one in verdicts if one["harmful"]]
    moved = [one["moved_count"] for one in verdicts]
    return [
        row("Valid", _validity, _which(invalid, "invalid")),
        row("No harm", lambda one: "broken" if one["harmful"] else _judged(one), _which(harmful, "harmful")),
        row(
            *("Moved", level),
            f"columns that moved: at most {max(moved)} in a window, {sum(map(bool, moved)):,} windows with some",
        ),
    ]


def _validity(one: Verdict) -> str:
    return "few" if one["few"] else "calm" if one["valid"] else "broken"


def _judged(one: Verdict) -> str:
    return "calm" if one["harm"] else "few"


def _which(names: Sequence[str], word: str) -> str:
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"no window is {word}" if not names else f"{word}: {listed}"


@dataclass(frozen=True)
class Band:
    """A time in which a version answered, by a route; `left` and `width` in percent."""

    version: str
    route: str
    first: str
    last: str
    rows: int
    left: float
    width: float


def bands(served: Sequence[Mapping[str, Any]], axis: Axis) -> dict[str, list[Band]]:
    """Return by route (stable, canary, shadow) which version answered when.

    Args:
        served: version, route, begin, end (ISO 8601) and rows of each time, in order.
    """
    found: dict[str, list[Band]] = {}
    for one in served:
        left, right = (100 * axis.share(one[end]) for end in ("begin", "end"))
        if right > left:
            band = Band(
                *(one["version"], one["route"], one["begin"][:10], one["end"][:10], one["rows"]),
                *(round(left, 3), round(right - left, 3)),
            )
            found.setdefault(one["route"], []).append(band)
    order = {"stable": 0, "canary": 1, "shadow": 2}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], 3)))
