"""What is known of one slice, or of all rows, by its tallies: metrics of every model, intervals of the challenger's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.config.evaluation import METRICS
from pipeline.errors import shown
from pipeline.evaluation.columnar_metrics import SliceKey
from pipeline.evaluation.decision import Chosen, at_threshold, decided_intervals, decided_values, why_undecided
from pipeline.evaluation.intervals import Interval, fills_blocks, intervals
from pipeline.evaluation.model_judge import why_undefined
from pipeline.evaluation.own_metrics import Code, own_values, why_no_value
from pipeline.evaluation.standing import standing
from pipeline.evaluation.tallies import BLOCKS, Tally, is_one_class, metric_values

CHAMPION = "baseline"
"""TFMA's name for the champion."""


@dataclass(frozen=True)
class SliceMetrics:
    """One slice.

    Attributes:
        by_model: {model: {metric: value}}, the challenger's first; NaN where one cannot be computed.
        intervals, differences: {metric: (low, high)} of the challenger, and of what it differs from the champion.
        undefined: {metric: why it cannot be computed} of the challenger.
        method: of the intervals: jackknife, or wilson of too few rows for it.
        standing: what the challenger said in the mean and what was true, see pipeline.evaluation.standing.
        decided: {model: what its threshold does to the rows}, see pipeline.evaluation.decision.at_threshold; empty of
            another task, and where no threshold was chosen.
        effective_rows: of rows with weights, how many that count alike would tell as much; else None.
    """

    key: SliceKey
    by_model: dict[str, dict[str, float]]
    intervals: dict[str, Interval]
    differences: dict[str, Interval]
    undefined: dict[str, str]
    method: str
    standing: dict[str, Any] = field(default_factory=dict)
    decided: dict[str, dict[str, Any]] = field(default_factory=dict)
    effective_rows: float | None = None

    @property
    def name(self) -> str:
        """As model_judge names slices."""
        return name_of(self.key)

    @property
    def challenger(self) -> str:
        """The name of its model."""
        return next(iter(self.by_model))

    def defined(self, model: str) -> dict[str, float]:
        """Choose the metrics of a model that can be computed."""
        return {name: value for name, value in self.by_model[model].items() if math.isfinite(value)}


def name_of(key: SliceKey) -> str:
    """Return a slice in words, as model_judge does; all rows have no name."""
    return ", ".join(f"{shown(column)}={shown(str(value))}" for column, value in key)


def measure(
    of_slice: tuple[SliceKey, dict[str, Tally]],
    task: str,
    confidence: float,
    chosen: Mapping[str, Chosen] | None = None,
    own_metrics: Mapping[str, Code] | None = None,
    decided: Sequence[str] = (),
    *,
    beside: bool = False,
) -> SliceMetrics:
    """Compute all metrics of a slice.

    Args:
        of_slice: its key, and tallies by model: the challenger's first, the champion's by the name CHAMPION.
        chosen: the thresholds of a binary task, by model.
        own_metrics: functions of the user's, by the name of the metric; the tallies hold the rows for them.
        decided: metrics at the threshold that rules name.
        beside: the rows judge nothing, see own_values.

    Raises:
        UserCodeError: one of the functions failed, or returned no number.
    """
    key, tallies = of_slice
    codes = own_metrics or {}
    at = {name: chosen[name].threshold if chosen and name in chosen else None for name in tallies}
    more = {
        name: own_values(task, found.scored, codes, BLOCKS, name_of(key), beside=beside)
        if codes and found.scored
        else {}
        for name, found in tallies.items()
    }
    for name, found in tallies.items() if decided else ():
        of_all = decided_values(found, at[name])
        more[name] |= {metric: of_all[metric] for metric in decided}
    by_model = {
        name: metric_values(task, found) | {metric: float(values[0]) for metric, values in more[name].items()}
        for name, found in tallies.items()
    }
    (challenger, own), *_ = tallies.items()
    spreads, differences = intervals(task, own, tallies.get(CHAMPION), confidence, more[challenger], more.get(CHAMPION))
    if decided:
        by_formula = decided_intervals(own, at[challenger], confidence)
        spreads |= {metric: by_formula[metric] for metric in decided if metric in by_formula}
    one_class = is_one_class(task, own)

    def why(name: str, value: float) -> str:
        if name in codes:
            return why_no_value(codes[name], value)
        return why_undecided(name, at[challenger]) if name in decided else why_undefined(name, one_class)

    return SliceMetrics(
        key,
        by_model,
        spreads,
        differences,
        {
            name: why(name, value)
            for name in (*METRICS[task], *more[challenger])
            if not math.isfinite(value := by_model[challenger][name])
        },
        "jackknife" if fills_blocks(own) else "wilson",
        standing(task, own, confidence),
        {
            name: at_threshold(tallies[name], of_model.threshold)
            for name, of_model in (chosen or {}).items()
            if of_model.threshold is not None
        },
        None if own.weighed is None else own.effective_rows,
    )
