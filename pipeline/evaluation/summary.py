"""Judges what was measured, and says it in plain data: a report needs neither TensorFlow nor TFMA to read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tensorflow_model_analysis.proto import validation_result_pb2

from pipeline.config.decision import Decision
from pipeline.config.evaluation import COUNT, LOWER_IS_BETTER, Evaluation
from pipeline.evaluation.decision import Chosen, words
from pipeline.evaluation.model_judge import Measured, judge
from pipeline.evaluation.slice_metrics import CHAMPION, SliceMetrics
from pipeline.evaluation.tfma_records import validation_of


@dataclass(frozen=True)
class Names:
    """How to name models in sentences.

    Attributes:
        champion: None without one.
        references: of the other models that set a bound, by their names in SliceMetrics.
    """

    champion: str | None
    references: Mapping[str, str]


def summarize(
    slices: Sequence[SliceMetrics],
    rules: Evaluation,
    names: Names,
    decision: Decision | None = None,
    chosen: Mapping[str, Chosen] | None = None,
    weight: str | None = None,
) -> tuple[dict[str, Any], validation_result_pb2.ValidationResult]:
    """Judge a model on all rows and on slices.

    Args:
        decision, chosen: of a binary task, how its threshold is found, and what was found by model.
        weight: the column that weighs rows.

    Returns:
        For people, and for TFMA. That for people has
        `blessed`; `metrics`: {metric: value} over all rows; `champion`: the same of the champion, or None;
        `champion_name`; `confidence`; `intervals` and `differences`: {metric: [low, high]} over all rows, those of the
        metrics and of what they differ from the champion's; `undefined`: {metric: why it cannot be computed};
        `standing`: what was said and what was true in the mean (standing.py);
        `against`: whose values `may_lose` is measured from; `bounds`: {metric: {model, value}}, the one over all rows;
        `slices`: [{slice: {column: value}, metrics, champion, intervals, differences, undefined, standing, failed}];
        `failures`: one sentence per broken rule; `rules`: every rule that was judged, see model_judge.Rule;
        `own_lower_is_better`: metrics of the user's that are better the lower they are;
        `notes`: what was not judged, and why; `interval_method`: jackknife, or wilson of too few rows for it.
        Of a binary task also `decision`: {threshold, by, problem, champion_threshold} and, as each slice has under
        that name, what pipeline.evaluation.decision.at_threshold returns, and `champion`: the same of the champion.
        Of rows with weights also `weighted_by`, the column, and, as each slice has, `effective_rows`.
    """
    slices = sorted(slices, key=lambda found: (len(found.key) > 0, str(found.key)))
    measured = [_measured(found, names.references) for found in slices]
    verdict = judge(measured, rules, rules.lower_is_better, names.champion)
    entries: list[dict[str, Any]] = [
        {
            "slice": dict(found.key),
            "metrics": one.metrics,
            "champion": one.champion if names.champion else None,
            "intervals": _of(found.intervals, one.metrics),
            "differences": _of(found.differences, one.metrics),
            "undefined": found.undefined,
            "standing": found.standing,
            "failed": sorted({metric for name, metric in verdict.failed_slices if name == found.name}),
        }
        for found, one in zip(slices, measured, strict=True)
    ]
    overall, *others = entries
    failures = [*verdict.failures]
    told = _decision(decision, chosen or {}, slices[0].challenger)
    if told.get("problem"):
        failures.append(f"decision.threshold: {told['problem']}")
    if told:
        for entry, found in zip(entries, slices, strict=True):
            of_models = {"champion": found.decided[CHAMPION]} if CHAMPION in found.decided else {}
            entry["decision"] = found.decided.get(found.challenger, {}) | of_models
    if weight is not None:
        for entry, found in zip(entries, slices, strict=True):
            entry["effective_rows"] = found.effective_rows
    summary: dict[str, Any] = {
        "blessed": not failures,
        "champion_name": names.champion,
        "confidence": rules.confidence,
        "interval_method": slices[0].method,
        **{key: overall[key] for key in ("metrics", "champion", "intervals", "differences", "undefined", "standing")},
        "slices": others,
        "against": rules.against,
        "bounds": verdict.bounds,
        "failures": failures,
        "rules": [asdict(rule) for rule in verdict.rules],
        "notes": verdict.notes,
    } | _own_directions(rules)
    if told:
        summary["decision"] = told | overall["decision"]
    if weight is not None:
        summary |= {"weighted_by": weight, "effective_rows": overall["effective_rows"]}
    if names.references:  # TFMA knows none
        verdict = judge([replace(one, references={}) for one in measured], rules, rules.lower_is_better, names.champion)
    validation = validation_of(verdict, slices, rules)
    if told.get("problem"):
        validation.validation_ok = False
    return summary, validation


def _measured(found: SliceMetrics, references: Mapping[str, str]) -> Measured:
    metrics = found.defined(found.challenger)
    return Measured(
        {column: str(value) for column, value in found.key},
        int(metrics[COUNT] if found.effective_rows is None else found.effective_rows + 1e-9),
        metrics,
        found.defined(CHAMPION) if CHAMPION in found.by_model else {},
        found.undefined,
        {text: found.defined(model) for model, text in references.items()},
        "rows" if found.effective_rows is None else "effective rows",
    )


def _of(spreads: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, Any]:
    return {name: spreads[name] for name in metrics if name in spreads}


def _own_directions(rules: Evaluation) -> dict[str, list[str]]:
    lower = sorted(rules.lower_is_better - LOWER_IS_BETTER)
    return {"own_lower_is_better": lower} if lower else {}


def _decision(decision: Decision | None, chosen: Mapping[str, Chosen], challenger: str) -> dict[str, Any]:
    """Say which threshold a binary task has, and how it came to be."""
    if decision is None or challenger not in chosen:
        return {}
    return {
        "threshold": chosen[challenger].threshold,
        "by": words(decision.threshold),
        "problem": chosen[challenger].problem,
        "champion_threshold": chosen[CHAMPION].threshold if CHAMPION in chosen else None,
    }
