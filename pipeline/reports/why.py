"""For whom, since when and why a model is good or bad, and what to try next: what the page shows besides figures over
all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.guard.findings import DataVerdict
from pipeline.reports.by_slice import BySlice, by_slice
from pipeline.reports.feature_effects import Effects, effects_of
from pipeline.reports.judgement import Judgement
from pipeline.reports.next_steps import Known, NextStep, next_steps
from pipeline.reports.over_time import OverTime, over_time, told_over_time

MOST_OVER_TIME = 3
"""Judged metrics over time, besides the first."""


@dataclass(frozen=True)
class Why:
    """What was not computed is None."""

    over_time: OverTime | None
    by_slice: BySlice | None
    effects: Effects | None
    next_steps: list[NextStep]


def why(
    run_id: str,
    verdict: Mapping[str, Any] | None,
    judgement: Judgement | None,
    explanation: Mapping[str, Any] | None,
    gate: DataVerdict | None,
    ingestion: Mapping[str, Any],
    options: Sequence[str],
) -> Why:
    """Read what Evaluator left.

    Args:
        ingestion: what ExampleGen tells of the rows.
        options: `-c` and `-w` for commands, where they are needed.
    """
    if verdict is None or judgement is None:
        return Why(None, None, None, [])
    first, *others = judgement.metrics
    by_period = told_over_time(verdict)
    judged = [metric.name for metric in others if metric.threshold and metric.name in by_period][:MOST_OVER_TIME]
    in_time, effects = over_time(verdict, first.name, judged), effects_of(explanation)
    known = Known(run_id, verdict, judgement, explanation or {}, gate, ingestion, in_time, effects, options)
    return Why(in_time, by_slice(verdict), effects, next_steps(known))
