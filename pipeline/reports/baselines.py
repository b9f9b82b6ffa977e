"""The network beside trees and a constant guess, in sentences: for the terminal and the report."""

from __future__ import annotations

from typing import Any

from pipeline.evaluation.number_text import number

_NETWORK = "network"
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
