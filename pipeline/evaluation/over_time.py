"""Metrics month by month, week by week, day by day or span by span: one number over all rows hides when a model was
good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from pipeline.config.spans import spans_text
from pipeline.evaluation.own_metrics import Code
from pipeline.evaluation.periods import SPAN, UNITS, Key
from pipeline.evaluation.slice_metrics import measure
from pipeline.evaluation.tallies import Tally, add

Found = Sequence[tuple[Key, Mapping[str, Tally]]]

MOST = 40
"""Periods that are told; more are joined to longer ones."""
_FEWEST_ROWS = 30
"""Of a period in the middle; shorter ones are joined to longer ones, too."""


def joined(
    found: Found,
    task: str,
    confidence: float,
    when: str | None,
    own_metrics: Mapping[str, Code] | None = None,
) -> dict[str, Any]:
    """Measure the periods, in the shortest unit that has neither too many periods nor too few rows in each.

    Args:
        found: by key {model: Tally}, the challenger's first.
        when: the column of times; None where spans tell the time.
        own_metrics: functions of the user's, by the name of the metric; one that fails in a period has no value there.

    Returns:
        `by`: that column; `unit` and `periods`: the earliest first, [{begins (ISO 8601, or spans), metrics,
        intervals, standing}] of the challenger; empty without a row with a time.
    """
    by_span = any(unit == SPAN for (unit, _), _ in found)
    unit, parts = _in_spans(found) if by_span else _in_time(found)
    measured = {
        begins: measure(((), {"": add(of)}), task, confidence, own_metrics=own_metrics, beside=True)
        for begins, of in list(parts.items())[-MOST:]
    }
    return {
        "by": when,
        "unit": unit,
        "periods": [
            {"begins": begins, "metrics": one.defined(""), "intervals": one.intervals, "standing": one.standing}
            for begins, one in measured.items()
        ],
    }


def _in_time(found: Found) -> tuple[str, dict[str, list[Tally]]]:
    """Return the unit, and the tallies by the first day of each period, the earliest first."""
    coarsest = max((list(UNITS).index(unit) for (unit, _), _ in found), default=0)
    parts: dict[str, list[Tally]] = {}
    for unit in list(UNITS)[coarsest:]:
        longer: dict[str, list[Tally]] = {}
        for key, tallies in found:
            longer.setdefault(_begin(key, unit), []).append(next(iter(tallies.values())))
        if parts and len(longer) < 2:  # one period tells no more than all rows
            break
        parts, chosen = longer, unit
        if _are_told(list(parts.values())):
            break
    return chosen, dict(sorted(parts.items()))


def _in_spans(found: Found) -> tuple[str, dict[str, list[Tally]]]:
    """Return the same of spans without a date; several that follow each other are one range."""
    by_span: dict[int, list[Tally]] = {}
    for (unit, number), tallies in found:
        if unit == SPAN:
            by_span.setdefault(number, []).append(next(iter(tallies.values())))
    ranges = [([span], of) for span, of in sorted(by_span.items())]
    while len(ranges) > 3 and not _are_told([of for _, of in ranges]):
        pairs = [ranges[place : place + 2] for place in range(0, len(ranges), 2)]
        ranges = [([*chain(*(one for one, _ in pair))], [*chain(*(of for _, of in pair))]) for pair in pairs]
    is_joined = len(ranges) < len(by_span)
    return "range of spans" if is_joined else SPAN, {spans_text(spans): of for spans, of in ranges}


def _are_told(periods: Sequence[Sequence[Tally]]) -> bool:
    """Say whether periods are few enough to be read, with rows enough in each."""
    return len(periods) <= MOST and _is_enough(periods)


def _is_enough(periods: Iterable[Sequence[Tally]]) -> bool:
    """Say whether periods have rows enough for their intervals to tell anything."""
    rows = [sum(one.rows for one in of) for of in periods]
    return not rows or float(np.median(rows)) >= _FEWEST_ROWS


def _begin(key: Key, unit: str) -> str:
    day = np.datetime64(key[1], UNITS[key[0]]).astype("datetime64[D]")
    if unit == "week":
        day -= (day.astype(np.int64) + 3) % 7  # 1970 began on a Thursday
    return str(day.astype(f"datetime64[{UNITS[unit]}]"))
