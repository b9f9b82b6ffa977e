"""The judged metric by day, week, month or year, and what was predicted beside what was true then."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.reports.formats import interval, number
from pipeline.reports.marks import Picture, Value, picture


@dataclass(frozen=True)
class Period:
    """One line of the table; what cannot be computed is NaN or None."""

    begins: str
    rows: int
    value: float
    ends: tuple[float, float] | None
    predicted: float
    true: float
    true_ends: tuple[float, float] | None
    off: bool


@dataclass(frozen=True)
class OverTime:
    """Metrics over time; `by`: the column, `unit`: day, week, month or year; `off_in_all`: whether the mean prediction
    over all rows is not what was true."""

    by: str
    unit: str
    metric: str
    periods: list[Period]
    pictures: list[Picture]
    off_in_all: bool

    @property
    def off(self) -> int:
        """In how many periods the mean prediction is not what was true."""
        return sum(period.off for period in self.periods)


def over_time(verdict: Mapping[str, Any] | None, metric: str) -> OverTime | None:
    """Read Evaluator's verdict; None of an older one, and where no column tells the time or all rows are of one period.

    Args:
        metric: the one that is judged first.
    """
    found = (verdict or {}).get("over_time") or {}
    periods = [_period(one, metric) for one in found.get("periods", [])]
    if verdict is None or len(periods) < 2:
        return None
    ends = (periods[0].begins, periods[-1].begins)
    values = [
        Value(place, one.value, f"{one.begins}: {metric} {number(one.value)} ({interval(one.ends)})", one.ends)
        for place, one in enumerate(periods)
    ]
    truths = [
        Value(place, one.true, _title(one), one.true_ends, one.predicted, float(one.rows), off=one.off)
        for place, one in enumerate(periods)
    ]
    defined = [one.value for one in periods if math.isfinite(one.value)]
    spread = f"from {number(min(defined))} to {number(max(defined))}" if defined else "cannot be computed"
    unit = found["unit"]
    drawn = [
        picture(
            f"{metric} by {unit}; the dashed line is all rows",
            f"{metric} by {unit}: {spread}",
            values,
            ends,
            edge=verdict["metrics"].get(metric, math.nan),
        ),
        picture(
            f"True (dots) and predicted (line) by {unit}, in the mean, and rows below",
            f"Mean truth and prediction by {unit}: apart in {sum(one.off for one in periods)} of {len(periods)}",
            truths,
            ends,
        ),
    ]
    off_in_all = (verdict.get("standing") or {}).get("off", False)
    return OverTime(found["by"], unit, metric, periods, [one for one in drawn if one], off_in_all)


def _period(one: Mapping[str, Any], metric: str) -> Period:
    standing, ends = one["standing"], one["intervals"].get(metric)
    return Period(
        one["begins"],
        int(one["metrics"]["example_count"]),
        one["metrics"].get(metric, math.nan),
        (ends[0], ends[1]) if ends else None,
        standing.get("predicted", math.nan),
        standing.get("true", math.nan),
        (standing["low"], standing["high"]) if standing else None,
        standing.get("off", False),
    )


def _title(one: Period) -> str:
    said = f"predicted {number(one.predicted)}, true {number(one.true)} ({interval(one.true_ends)})"
    return f"{one.begins}: {said}; {one.rows:,} rows"
