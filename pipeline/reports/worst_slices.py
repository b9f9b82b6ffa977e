"""Where a model is worst: of the slices that somebody configured, those that are clearly worse than all rows."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.reports.judgement import FEW_ROWS, Interval, Judgement

MOST_WORST = 5


@dataclass(frozen=True)
class Worst:
    """A slice whose interval of the main metric lies on the bad side of the value over all rows."""

    where: str
    rows: int
    value: float
    interval: Interval


def worst_slices(judgement: Judgement | None) -> list[Worst]:
    """Return them, those farthest off first; none where the main metric cannot be computed over all rows."""
    if judgement is None or judgement.scale is None:
        return []
    main, overall = judgement.metrics[0].name, judgement.scale[1]
    sign = -1.0 if main in judgement.lower_is_better else 1.0
    found = [
        Worst(f"{group.columns} = {one.label}", one.rows, one.metrics[main], one.interval)
        for group in judgement.slice_groups
        for one in group.slices
        if one.rows and one.rows >= FEW_ROWS and one.interval and main in one.metrics
        if max(sign * one.interval[0], sign * one.interval[1]) < sign * overall
    ]
    return sorted(found, key=lambda one: sign * one.value)[:MOST_WORST]
