"""For whom, since when and why a model is good or bad: what the sections Metrics, Slices and What the model looks at
show besides figures over all rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.reports.by_slice import BySlice, by_slice
from pipeline.reports.judgement import Judgement
from pipeline.reports.over_time import OverTime, over_time


@dataclass(frozen=True)
class Why:
    """What was not computed is None."""

    over_time: OverTime | None
    by_slice: BySlice | None


def why(verdict: Mapping[str, Any] | None, judgement: Judgement | None) -> Why:
    """Read what Evaluator left."""
    main = judgement.metrics[0].name if judgement else ""
    return Why(over_time(verdict, main) if judgement else None, by_slice(verdict))
