"""The network beside the trees that taught it and a constant guess, on the same rows."""

from __future__ import annotations

import math
from typing import Any

from pipeline.config.evaluation import COUNT, LOWER_IS_BETTER
from pipeline.evaluation.intervals import intervals
from pipeline.evaluation.tallies import Tally, metric_values

NETWORK, TREES, GUESS = "network", "trees", "guess"

TELLING = {"binary": ("auc", "log_loss"), "multiclass": ("accuracy", "log_loss"), "regression": ("rmse", "mae")}
"""The metrics that say most of a model, by task."""


def compare(task: str, tallies: dict[str, Tally], confidence: float) -> dict[str, Any] | None:
    """Measure all of them; None where nothing lies beside the model, as in an older Longhaul's.

    Args:
        tallies: over all rows: NETWORK, GUESS and, where trees taught it, TREES.

    Returns:
        `metrics`: {GUESS or TREES: {metric: value}}; `telling`: the metrics that say most; `differences`: {metric:
        [low, high]}, intervals of what the network has more than the trees; `trees_ahead`: the telling metrics by
        which the trees are better than chance explains, empty if the network is ahead by another.
    """
    if not tallies:
        return None
    metrics = {
        name: {metric: value for metric, value in metric_values(task, found).items() if _is_told(metric, value)}
        for name, found in tallies.items()
        if name != NETWORK
    }
    differences: dict[str, tuple[float, float]] = {}
    if TREES in tallies:
        differences = intervals(task, tallies[NETWORK], tallies[TREES], confidence)[1]
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
        "telling": list(TELLING[task]),
        "differences": {metric: list(found) for metric, found in differences.items()},
        "trees_ahead": [] if better else worse,
    }


def _is_told(metric: str, value: float) -> bool:
    return metric != COUNT and math.isfinite(value)
