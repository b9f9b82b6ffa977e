"""The judged metric by day, week, month, year or span, and what was predicted beside what was true then."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.reports.formats import interval, number
from pipeline.reports.marks import Picture, Value, picture


@dataclass(frozen=True)
class Period:
    """One line of the table; what cannot be computed is NaN or None. `others`: the further metrics, as `value` and
    `ends` tell the first."""

    begins: str
    rows: int
    value: float
    ends: tuple[float, float] | None
    predicted: float
    true: float
    true_ends: tuple[float, float] | None
    off: bool
    others: tuple[tuple[float, tuple[float, float] | None], ...] = ()


@dataclass(frozen=True)
class OverTime:
    """Metrics over time; `by`: the column, None where spans tell the time; `unit`: day, week, month, year, span or
    range of spans; `off_in_all`: whether the mean prediction over all rows is not what was true."""

    by: str | None
    unit: str
    metric: str
    periods: list[Period]
    pictures: list[Picture]
    off_in_all: bool
    others: tuple[str, ...] = ()

    @property
    def units(self) -> str:
        """The unit in the plural."""
        return "ranges of spans" if self.unit == "range of spans" else f"{self.unit}s"

    @property
    def off(self) -> int:
        """In how many periods the mean prediction is not what was true."""
        return sum(period.off for period in self.periods)


def over_time(verdict: Mapping[str, Any] | None, metric: str, others: Sequence[str] = ()) -> OverTime | None:
    """Read Evaluator's verdict; None of an older one, where nothing tells the time, and where all rows are of one
    period.

    Args:
        metric: the one that is judged first; `others`: further ones that are judged.
    """
    found = (verdict or {}).get("over_time") or {}
    periods = [_period(one, metric, others) for one in found.get("periods", [])]
    if verdict is None or len(periods) < 2:
        return None
    ends = (periods[0].begins, periods[-1].begins)
    truths = [
        Value(place, one.true, _title(one), one.true_ends, one.predicted, float(one.rows), off=one.off)
        for place, one in enumerate(periods)
    ]
    unit = found["unit"]
    told = [(one.value, one.ends) for one in periods], *zip(*(one.others for one in periods), strict=True)
    drawn = [
        *(
            _drawn(name, unit, [one.begins for one in periods], of_metric, verdict["metrics"].get(name, math.nan))
            for name, of_metric in zip((metric, *others), told, strict=True)
        ),
        picture(
            f"True (dots) and predicted (line) by {unit}, in the mean, and rows below",
            f"Mean truth and prediction by {unit}: apart in {sum(one.off for one in periods)} of {len(periods)}",
            truths,
            ends,
        ),
    ]
    off_in_all = (verdict.get("standing") or {}).get("off", False)
    return OverTime(found["by"], unit, metric, periods, [one for one in drawn if one], off_in_all, tuple(others))


def told_over_time(verdict: Mapping[str, Any]) -> set[str]:
    """Return the metrics that some period has a value of: those at the threshold have none."""
    periods = (verdict.get("over_time") or {}).get("periods", [])
    return {name for one in periods for name, value in one["metrics"].items() if math.isfinite(value)}


def _drawn(
    metric: str,
    unit: str,
    begins: Sequence[str],
    told: Sequence[tuple[float, tuple[float, float] | None]],
    over_all: float,
) -> Picture | None:
    """Draw a metric period by period."""
    values = [
        Value(place, value, f"{day}: {metric} {number(value)} ({interval(ends)})", ends)
        for place, (day, (value, ends)) in enumerate(zip(begins, told, strict=True))
    ]
    defined = [value for value, _ in told if math.isfinite(value)]
    spread = f"from {number(min(defined))} to {number(max(defined))}" if defined else "cannot be computed"
    return picture(
        f"{metric} by {unit}; the dashed line is all rows",
        f"{metric} by {unit}: {spread}",
        values,
        (begins[0], begins[-1]),
        edge=over_all,
    )


def _period(one: Mapping[str, Any], metric: str, others: Sequence[str]) -> Period:
    standing = one["standing"]
    (value, ends), *further = (_told(one, name) for name in (metric, *others))
    return Period(
        one["begins"],
        int(one["metrics"]["example_count"]),
        value,
        ends,
        standing.get("predicted", math.nan),
        standing.get("true", math.nan),
        (standing["low"], standing["high"]) if standing else None,
        standing.get("off", False),
        tuple(further),
    )


def _told(one: Mapping[str, Any], metric: str) -> tuple[float, tuple[float, float] | None]:
    ends = one["intervals"].get(metric)
    return one["metrics"].get(metric, math.nan), (ends[0], ends[1]) if ends else None


def _title(one: Period) -> str:
    said = f"predicted {number(one.predicted)}, true {number(one.true)} ({interval(one.true_ends)})"
    return f"{one.begins}: {said}; {one.rows:,} rows"
