"""The network beside trees and a constant guess, in sentences: for the terminal and the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.config.evaluation import lower_is_better
from pipeline.evaluation.number_text import number

_NETWORK = "network"
_OF_CALIBRATION = ("calibration", "expected_calibration_error")
"""A guess, which always says the mean, is as good as can be by them, and tells no row from another."""
_REMEDY = (
    "More `trainer.epochs`, wider `trainer.hidden_units` or a `tuner` bring the network nearer:"
    " docs/model.md#when-trees-are-better"
)


def baseline_values(verdict: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return {metric: {trees, network and guess: value}} of the metrics that say most; empty of an older verdict."""
    found = verdict.get("baselines")
    if not found:
        return {}
    by_name = {
        "trees": found["metrics"].get("trees", {}),
        _NETWORK: verdict["metrics"],
        "guess": found["metrics"]["guess"],
    }
    values = {
        metric: {name: metrics[metric] for name, metrics in by_name.items() if metric in metrics}
        for metric in found["telling"]
    }
    return {metric: of for metric, of in values.items() if _NETWORK in of}


def baseline_sentence(verdict: dict[str, Any]) -> str:
    """Return 'auc: trees 0.7158, network 0.7173, guess 0.5000; log_loss: …'; empty of an older verdict."""
    return "; ".join(
        f"{metric}: {', '.join(f'{name} {number(value)}' for name, value in of.items())}"
        for metric, of in baseline_values(verdict).items()
    )


def trees_ahead_note(verdict: dict[str, Any]) -> str:
    """Say that the trees are clearly better, and what to do; empty if they are not."""
    ahead = (verdict.get("baselines") or {}).get("trees_ahead", [])
    if not ahead:
        return ""
    values = baseline_values(verdict)
    told = " and ".join(
        f"{metric} {number(values[metric]['trees'])} against {number(values[metric][_NETWORK])}" for metric in ahead
    )
    sure = f"{100 * verdict.get('confidence', 0.95):.0f}%"
    return (
        f"the trees that taught the network are better on these rows, {told}, by more than chance explains"
        f" (the {sure} interval of the difference is without 0). {_REMEDY}"
    )


def no_better_note(verdict: dict[str, Any]) -> str:
    """Say by which metrics, of those that are judged or say most, the model is no better than a guess; empty of none.

    A few rows can bless such a model: then a bound allows for chance, and may lie below what a guess reaches.
    """
    found = verdict.get("baselines") or {}
    guess, own = (found.get("metrics") or {}).get("guess", {}), verdict["metrics"]
    judged = [rule["metric"] for rule in verdict.get("rules", []) if rule["kind"] != "gap" and not rule["on"]]
    lower = lower_is_better(verdict)
    told = [name for name in dict.fromkeys([*judged, *found.get("telling", [])]) if name in guess and name in own]
    told = [name for name in told if name not in _OF_CALIBRATION]
    reach = verdict.get("intervals") or {}
    worse = [name for name in told if not _is_better(own[name], guess[name], name in lower, reach.get(name))]
    if not worse:
        return ""
    values = "; ".join(f"{name} {number(own[name])}, a guess {number(guess[name])}" for name in worse)
    by = "" if len(worse) == len(told) else f" by {' and '.join(worse)}"
    return f"no better than guessing{by}, as far as these rows tell: {values}"


def _is_better(value: float, guess: float, lower: bool, interval: Sequence[float] | None) -> bool:
    """Tell whether a value is better than the guess's, and its interval without that."""
    worst = max([value, *(interval or ())]) if lower else min([value, *(interval or ())])
    return worst < guess if lower else worst > guess
