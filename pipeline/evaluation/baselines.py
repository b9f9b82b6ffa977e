"""The network beside the trees that taught it and a constant guess, on the same rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.config.evaluation import COUNT, LOWER_IS_BETTER
from pipeline.evaluation.intervals import intervals
from pipeline.evaluation.own_metrics import Code, own_values
from pipeline.evaluation.tallies import BLOCKS, Tally, metric_values

NETWORK, TREES, GUESS = "network", "trees", "guess"

TELLING = {"binary": ("auc", "log_loss"), "multiclass": ("accuracy", "log_loss"), "regression": ("rmse", "mae")}
"""The metrics that say most of a model, by task."""


def compare(
    task: str, tallies: dict[str, Tally], confidence: float, own_metrics: Mapping[str, Code] | None = None
) -> dict[str, Any] | None:
    """Measure all of them; None where nothing lies beside the model, as in an older Longhaul's.

    Args:
        tallies: over all rows: NETWORK, GUESS and, where trees taught it, TREES.
        own_metrics: functions of the user's, by the name of the metric; one that fails on a guess has no value there.

    Returns:
        `metrics`: {GUESS or TREES: {metric: value}}; `telling`: the metrics that say most, and the user's;
        `differences`: {metric: [low, high]}, intervals of what the network has more than the trees; `trees_ahead`: of
        the metrics that say most those by which the trees are better than chance explains, empty if the network is
        ahead by another.
    """
    if not tallies:
        return None
    codes = own_metrics or {}
    own = {
        name: own_values(task, found.scored, codes, 0 if name == GUESS else BLOCKS, f"the {name}", beside=True)
        for name, found in tallies.items()
        if codes and found.scored
    }
    metrics = {}
    for name, found in tallies.items():
        if name != NETWORK:
            values = metric_values(task, found) | {metric: float(of[0]) for metric, of in own.get(name, {}).items()}
            metrics[name] = {metric: value for metric, value in values.items() if _is_told(metric, value)}
    differences: dict[str, tuple[float, float]] = {}
    if TREES in tallies:
        network, trees = tallies[NETWORK], tallies[TREES]
        differences = intervals(task, network, trees, confidence, own.get(NETWORK), own.get(TREES))[1]
    better, worse = [], []
    for metric in TELLING[task]:
        low, high = differences.get(metric, (0.0, 0.0))
        sign = -1 if metric in LOWER_IS_BETTER else 1
        if max(sign * low, sign * high) < 0:
            worse.append(metric)
        elif min(sign * low, sign * high) > 0:
            better.append(metric)
    return {
        "metrics": metrics,
        "telling": [*TELLING[task], *codes],
        "differences": {metric: list(found) for metric, found in differences.items()},
        "trees_ahead": [] if better else worse,
    }


def _is_told(metric: str, value: float) -> bool:
    return metric != COUNT and math.isfinite(value)
