"""From which probability on is a row called positive: the threshold that a rule asks for, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config.decision import STEPS, Decision, DecisionThreshold
from pipeline.evaluation.number_text import number
from pipeline.evaluation.share_intervals import wilson
from pipeline.evaluation.tallies import BLOCKS, BUCKETS, Tally

Array = npt.NDArray[Any]

_AT_THRESHOLD = ("precision", "recall", "accuracy", "f1")


@dataclass(frozen=True)
class Chosen:
    """What a rule comes to on some rows.

    Attributes:
        threshold: a row is flagged from this probability on; None where no threshold is as the rule asks.
        problem: why there is none, in a sentence; empty if there is one.
    """

    threshold: float | None
    problem: str = ""


def choose(threshold: DecisionThreshold, found: Tally) -> Chosen:
    """Find the threshold that a rule asks for; of several that are as good, the highest.

    Args:
        found: of a binary task, over all rows.
    """
    if threshold.at is not None:
        return Chosen(threshold.at)
    hits, alarms = flagged_by_step(found)
    positives, negatives = hits[0], alarms[0]
    if not positives or (threshold.cost is None and not negatives):
        return Chosen(None, f"the rows that judge the model have no {'negative' if positives else 'positive'} one")
    if threshold.cost is not None:
        costs = (positives - hits) * threshold.cost.miss + alarms * threshold.cost.false_alarm
        return Chosen(_highest(costs <= costs.min() + 1e-9 * max(1.0, abs(costs.min()))))
    recall = hits / positives
    precision = np.where(hits + alarms > 0, hits / np.maximum(hits + alarms, 1e-300), 0.0)
    if (least := threshold.precision_at_least) is not None:
        allowed = precision >= least - 1e-12
        if not allowed.any():
            best = _highest(precision >= precision.max() - 1e-12)
            at = round(best * STEPS)
            return Chosen(
                None,
                f"no threshold reaches a precision of {least:g}; the best that this model reaches is "
                f"{number(float(precision[at]))}, from a probability of {best:g} on, where it finds "
                f"{number(float(recall[at]))} of the positives",
            )
        return Chosen(_highest(allowed & (recall >= recall[allowed].max() - 1e-12)))
    allowed = recall >= (threshold.recall_at_least or 0.0) - 1e-12
    return Chosen(_highest(allowed & (precision >= precision[allowed].max() - 1e-12)))


def choose_for_each(tallies: Mapping[str, Tally], decision: Decision | None) -> dict[str, Chosen]:
    """Find the threshold of each model of a binary task, by the same rule on the same rows; of another task none."""
    return {name: choose(decision.threshold, found) for name, found in tallies.items()} if decision else {}


def flagged_by_step(found: Tally) -> tuple[Array, Array]:
    """Count positive and negative rows at or above each step of the threshold: both (STEPS + 1,)."""
    negative, positive = found.by_bucket()
    hits, alarms = (np.cumsum(of_class[::-1])[::-1] for of_class in (positive, negative))
    return hits, alarms


def at_threshold(found: Tally, threshold: float) -> dict[str, Any]:
    """Count what a threshold does to rows, and compute the metrics that follow.

    Returns:
        `hits`, `false_alarms`, `misses`, `rest`: rows, of rows with weights effective ones; `metrics`: {precision,
        recall, accuracy, f1}, those that are defined.
    """
    negative, positive = found.by_bucket() * found.rows_per_weight
    step = round(threshold * STEPS)
    hits, alarms = float(positive[step:].sum()), float(negative[step:].sum())
    misses, rest = float(positive[:step].sum()), float(negative[:step].sum())
    shares = _shares(hits, alarms, misses) | {"accuracy": (hits + rest, hits + alarms + misses + rest)}
    return {
        "hits": hits,
        "false_alarms": alarms,
        "misses": misses,
        "rest": rest,
        "metrics": {name: shares[name][0] / shares[name][1] for name in _AT_THRESHOLD if shares[name][1]},
    }


def decided_values(found: Tally, threshold: float | None) -> dict[str, Array]:
    """Compute the metrics of DECIDED, over all rows and without each of the blocks: {metric: (1 + BLOCKS,)}.

    NaN where one cannot be computed, and without a threshold.
    """
    outcomes = _by_outcome(found, threshold) if threshold is not None else np.full((3, 1 + BLOCKS), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {name: part / whole for name, (part, whole) in _shares(*outcomes).items()}


def _shares(hits: Any, alarms: Any, misses: Any) -> dict[str, tuple[Any, Any]]:
    """Return the metrics of DECIDED as parts and wholes, of numbers of rows or of arrays of them."""
    return {
        "precision": (hits, hits + alarms),
        "recall": (hits, hits + misses),
        "f1": (2 * hits, 2 * hits + alarms + misses),
    }


def decided_intervals(found: Tally, threshold: float | None, confidence: float) -> dict[str, tuple[float, float]]:
    """Return intervals of the metrics of DECIDED that can be computed, the threshold taken as given.

    Precision and recall are shares and have Wilson's. So has the share s of hits among the rows that are flagged or
    positive. F1 follows from it: 2 s / (1 + s).
    """
    if threshold is None:
        return {}
    hits, alarms, misses = (float(rows[0]) * found.rows_per_weight for rows in _by_outcome(found, threshold))
    intervals = {}
    for name, rows in (("precision", hits + alarms), ("recall", hits + misses), ("f1", hits + alarms + misses)):
        if rows > 0:
            low, high = (float(end) for end in wilson(hits, rows, confidence))
            intervals[name] = (2 * low / (1 + low), 2 * high / (1 + high)) if name == "f1" else (low, high)
    return intervals


def why_undecided(metric: str, threshold: float | None) -> str:
    """Say why a metric of DECIDED cannot be computed."""
    if threshold is None:
        return "no threshold was found"
    lacking = {"precision": "flagged", "recall": "positive", "f1": "flagged or positive"}
    return f"no row is {lacking[metric]}"


def _by_outcome(found: Tally, threshold: float) -> Array:
    """Sum up hits, false alarms and misses, over all rows and without each of the blocks: (3, 1 + BLOCKS)."""
    block_and_label, bucket = np.divmod(found.cells, BUCKETS + 1)
    place = block_and_label * 2 + (bucket >= round(threshold * STEPS))
    rows = np.bincount(place, found.counts, BLOCKS * 4).reshape(BLOCKS, 2, 2)  # block, label, whether it is flagged
    total = rows.sum(axis=0)
    rows = np.concatenate([total[None], total - rows])
    rows[rows < 1e-9 * max(1.0, total.sum())] = 0.0  # sums of weights do not cancel out to the last digit
    return np.stack([rows[:, 1, 1], rows[:, 0, 1], rows[:, 1, 0]])


def words(threshold: DecisionThreshold) -> str:
    """Say how a threshold came to be, to stand behind the number."""
    if threshold.cost is not None:
        costs = f"a miss costs {threshold.cost.miss:g} and a false alarm {threshold.cost.false_alarm:g}"
        return f"chosen on the evaluated rows for the least cost, where {costs}"
    if threshold.precision_at_least is not None:
        return f"chosen on the evaluated rows for a precision of at least {threshold.precision_at_least:g}"
    if threshold.recall_at_least is not None:
        return f"chosen on the evaluated rows for a recall of at least {threshold.recall_at_least:g}"
    return "as the configuration says"


def _highest(allowed: Array) -> float:
    """Return the highest threshold of the allowed steps, (STEPS + 1,)."""
    return int(np.flatnonzero(allowed)[-1]) / STEPS
