"""What was found of the model: metrics against their thresholds, and slices."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import groupby
from json import loads
from typing import Any

from pipeline.config.evaluation import COUNT, LOWER_IS_BETTER, lower_is_better
from pipeline.reports.baselines import baseline_values, trees_ahead_note
from pipeline.reports.champion import bound_sentences, judged_notes, training_sentence
from pipeline.reports.formats import bound_text, number
from pipeline.reports.rules import Held, beyond_tfma, few_rows_note, held_rules, weighted_note

MAX_SLICES = 100
"""Shown of one set of slicing columns: the largest."""
FEW_ROWS = 100
"""A slice with fewer rows is shown pale: its metrics are mostly chance."""


Interval = tuple[float, float]


@dataclass(frozen=True)
class Metric:
    """One metric over all rows.

    Attributes:
        value: NaN where it cannot be computed, for the reason that `undefined` gives.
        held: None without a threshold.
        interval: of the value; difference: of what it is more than the champion's.
    """

    name: str
    value: float
    champion: float | None
    threshold: str
    held: bool | None
    interval: Interval | None = None
    difference: Interval | None = None
    undefined: str = ""


@dataclass(frozen=True)
class Slice:
    """Rows with the given values in the slicing columns.

    Attributes:
        place: the main metric on the scale, 0 to 1; `reach`: the ends of its interval; `champion_place`: the champion.
        champion: the champion's metrics; empty without one.
        difference: interval of what the main metric is more than the champion's.
        undefined: {metric: why it cannot be computed}.
        failed: metrics with a broken rule here.
    """

    label: str
    rows: int | None
    metrics: dict[str, float]
    place: float | None
    reach: Interval | None = None
    champion_place: float | None = None
    interval: Interval | None = None
    champion: dict[str, float] = field(default_factory=dict)
    difference: Interval | None = None
    undefined: dict[str, str] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SliceGroup:
    """The slices by one set of columns, the largest first."""

    columns: str
    slices: list[Slice]
    left_out: int


@dataclass(frozen=True)
class Judgement:
    """Metrics and slices.

    Attributes:
        metrics: those with a threshold first; the first of all is the main one.
        scale: least, overall and greatest value of the main metric over the slices that are not small, or over all
            if all are, their intervals included; None if it is not a number.
        notes: what was not judged, and why.
        champion_name: for example 'champion run 20261121-…'; empty without one. lower_is_better: names of metrics.
        rules: all that were judged, the broken ones first, then the nearest; none of an older verdict.
        few_rows: what figures of few rows, or of rows with weights, are worth; empty of many that count alike.
        interval_method: jackknife or wilson. champion_sentence: what became of the champion; about_bounds: how many of
            the rows that judge it it was trained on, and which other models set bounds.
        baselines: {metric: {trees, network and guess: value}}; trees_ahead: that the trees are clearly better.
    """

    metrics: list[Metric]
    scale: tuple[float, float, float] | None
    slice_groups: list[SliceGroup]
    notes: list[str] = field(default_factory=list)
    champion_name: str = ""
    confidence: float = 0.95
    rules: list[Held] = field(default_factory=list)
    few_rows: str = ""
    interval_method: str = "jackknife"
    champion_sentence: str = ""
    about_bounds: list[str] = field(default_factory=list)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    trees_ahead: str = ""
    lower_is_better: frozenset[str] = LOWER_IS_BETTER


def judge(verdict: dict[str, Any] | None, eval_config: dict[str, Any] | None, champion: str = "") -> Judgement | None:
    """Read Evaluator's `verdict.json` and `eval_config.json`; None without a verdict.

    Args:
        champion: what became of it (pipeline.reports.champion).
    """
    metrics = _metrics(verdict, _thresholds(eval_config) | beyond_tfma(verdict)) if verdict else []
    if not verdict or not metrics:
        return None
    main = metrics[0].name
    scale = _scale(verdict, main)
    return Judgement(
        metrics,
        scale,
        _slice_groups(verdict["slices"], main, scale),
        judged_notes(verdict),
        verdict.get("champion_name") or "",
        verdict.get("confidence", 0.95),
        held_rules(verdict),
        " ".join(filter(None, [weighted_note(verdict), few_rows_note(verdict["metrics"], FEW_ROWS)])),
        verdict.get("interval_method", "jackknife"),
        champion,
        [*filter(None, [training_sentence(verdict)]), *bound_sentences(verdict)],
        baseline_values(verdict),
        trees_ahead_note(verdict),
        lower_is_better(verdict),
    )


def _thresholds(document: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return {metric: TFMA's threshold over all rows} of the run itself, in the order of the configuration."""
    found = {}
    for spec in ((document or {}).get("evalConfig") or {}).get("metricsSpecs", []):
        for metric in spec.get("metrics", []):
            name = loads(metric.get("config", "{}")).get("name", metric["className"])
            overall = [entry for entry in metric.get("perSliceThresholds", []) if entry["slicingSpecs"] == [{}]]
            found[name] = overall[0]["threshold"] if overall else metric.get("threshold", {})
    return found


def _metrics(verdict: dict[str, Any], thresholds: dict[str, dict[str, Any]]) -> list[Metric]:
    """Return metrics, those with a threshold first: the first of them is the main metric."""
    values, champion = verdict["metrics"], verdict["champion"] or {}
    order = {name: (not threshold, place) for place, (name, threshold) in enumerate(thresholds.items())}
    undefined = verdict.get("undefined", {})
    known = [name for name in (*values, *undefined) if name != COUNT]
    names = sorted(known, key=lambda name: order.get(name, (True, len(order))))
    metrics = []
    for name in names:
        bound = verdict.get("bounds", {}).get(name) or {"model": "the champion", "value": champion.get(name)}
        metric = _metric(name, values.get(name, math.nan), champion.get(name), thresholds.get(name, {}), bound)
        own, difference = (_interval(verdict, key, name) for key in ("intervals", "differences"))
        metrics.append(replace(metric, undefined=undefined.get(name, ""), interval=own, difference=difference))
    return metrics


def _interval(entry: dict[str, Any], key: str, metric: str) -> Interval | None:
    found = entry.get(key, {}).get(metric)
    return (float(found[0]), float(found[1])) if found else None


def _metric(
    name: str, value: float, champion: float | None, threshold: dict[str, Any], bound: dict[str, Any]
) -> Metric:
    """Return a metric with what was asked of it; `bound` is what `may_lose` is measured from: a model and its value."""
    bounds = threshold.get("valueThreshold", {})
    at_least, at_most = float(bounds.get("lowerBound", -math.inf)), float(bounds.get("upperBound", math.inf))
    rules = [f"needs at least {bound_text(at_least)}"] if math.isfinite(at_least) else []
    rules += [f"may be at most {bound_text(at_most)}"] if math.isfinite(at_most) else []
    change = threshold.get("changeThreshold")
    best = bound["value"]
    if change and best is not None:
        change_by = float(change.get("absolute", 0.0))  # negative where higher is better
        rules.append(f"may lose {bound_text(abs(change_by))} to {bound['model']}'s {number(best)}")
        if change.get("direction") == "LOWER_IS_BETTER":
            at_most = min(at_most, best + change_by)
        else:
            at_least = max(at_least, best + change_by)
    return Metric(name, value, champion, " and ".join(rules), at_least <= value <= at_most if rules else None)


def _scale(verdict: dict[str, Any], main: str) -> tuple[float, float, float] | None:
    overall = verdict["metrics"].get(main, math.nan)
    slices = [entry["metrics"] for entry in verdict["slices"]]
    large = [metrics for metrics in slices if metrics.get(COUNT, 0) >= FEW_ROWS]
    values = [value for metrics in large or slices if math.isfinite(value := metrics.get(main, math.nan))]
    for entry in verdict["slices"]:
        if entry["metrics"].get(COUNT, 0) >= FEW_ROWS:
            values += _interval(entry, "intervals", main) or ()
    return (min([overall, *values]), overall, max([overall, *values])) if math.isfinite(overall) else None


def _slice_groups(
    slices: list[dict[str, Any]], main: str, scale: tuple[float, float, float] | None
) -> list[SliceGroup]:
    """Return one group for each set of columns, those with the fewest slices first."""
    groups = []
    for columns, entries in groupby(sorted(slices, key=_columns), key=_columns):
        members = [_slice(entry, main, scale) for entry in entries]
        members.sort(key=lambda member: -(member.rows or 0))
        groups.append(SliceGroup(" and ".join(columns), members[:MAX_SLICES], max(0, len(members) - MAX_SLICES)))
    return sorted(groups, key=lambda group: len(group.slices) + group.left_out)


def _columns(entry: dict[str, Any]) -> list[str]:
    return list(entry["slice"])


def _slice(entry: dict[str, Any], main: str, scale: tuple[float, float, float] | None) -> Slice:
    metrics, champion = entry["metrics"], entry.get("champion") or {}
    rows, interval = metrics.get(COUNT), _interval(entry, "intervals", main)
    return Slice(
        ", ".join(map(str, entry["slice"].values())),
        None if rows is None else int(rows),
        metrics,
        _place(metrics.get(main), scale),
        (_place(interval[0], scale) or 0.0, _place(interval[1], scale) or 0.0) if interval and scale else None,
        _place(champion.get(main), scale),
        interval,
        champion,
        _interval(entry, "differences", main),
        entry.get("undefined", {}),
        frozenset(entry.get("failed", [])),
    )


def _place(value: float | None, scale: tuple[float, float, float] | None) -> float | None:
    """Return a place on the scale, 0 to 1."""
    if scale is None or value is None or not math.isfinite(value):
        return None
    return min(1.0, max(0.0, (value - scale[0]) / (scale[2] - scale[0] or 1.0)))
