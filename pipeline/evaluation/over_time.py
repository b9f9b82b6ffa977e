"""Metrics month by month, week by week or day by day: one number over all rows hides when a model was good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.evaluation.own_metrics import Code
from pipeline.evaluation.periods import UNITS, Key
from pipeline.evaluation.slice_metrics import measure
from pipeline.evaluation.tallies import Tally, add

MOST = 40
"""Periods that are told; more are joined to longer ones."""
_FEWEST_ROWS = 30
"""Of a period in the middle; shorter ones are joined to longer ones, too."""


def joined(
    found: Sequence[tuple[Key, Mapping[str, Tally]]],
    task: str,
    confidence: float,
    when: str | None,
    own_metrics: Mapping[str, Code] | None = None,
) -> dict[str, Any]:
    """Measure the periods, in the shortest unit that has neither too many periods nor too few rows in each.

    Args:
        found: by key {model: Tally}, the challenger's first.
        when: the column of times.
        own_metrics: functions of the user's, by the name of the metric; one that fails in a period has no value there.

    Returns:
        `by`: that column; `unit` and `periods`: the earliest first, [{begins (ISO 8601), metrics,
        intervals, standing}] of the challenger; empty without a row with a time.
    """
    coarsest = max((list(UNITS).index(unit) for (unit, _), _ in found), default=0)
    parts: dict[str, list[Tally]] = {}
    for unit in list(UNITS)[coarsest:]:
        longer: dict[str, list[Tally]] = {}
        for key, tallies in found:
            longer.setdefault(_begin(key, unit), []).append(next(iter(tallies.values())))
        if parts and len(longer) < 2:  # one period tells no more than all rows
            break
        parts, chosen = longer, unit
        if len(parts) <= MOST and _is_enough(parts.values()):
            break
    measured = {
        begins: measure(((), {"": add(of)}), task, confidence, own_metrics=own_metrics, beside=True)
        for begins, of in sorted(parts.items())[-MOST:]
    }
    return {
        "by": when,
        "unit": chosen,
        "periods": [
            {"begins": begins, "metrics": one.defined(""), "intervals": one.intervals, "standing": one.standing}
            for begins, one in measured.items()
        ],
    }


def _is_enough(periods: Iterable[Sequence[Tally]]) -> bool:
    """Say whether periods have rows enough for their intervals to tell anything."""
    rows = [sum(one.rows for one in of) for of in periods]
    return not rows or float(np.median(rows)) >= _FEWEST_ROWS


def _begin(key: Key, unit: str) -> str:
    day = np.datetime64(key[1], UNITS[key[0]]).astype("datetime64[D]")
    if unit == "week":
        day -= (day.astype(np.int64) + 3) % 7  # 1970 began on a Thursday
    return str(day.astype(f"datetime64[{UNITS[unit]}]"))
