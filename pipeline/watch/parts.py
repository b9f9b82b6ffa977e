"""Is it harmful to a part of the rows: slices that the evaluation declares, and segments that are found by themselves.

The rule is that of the whole (pipeline.watch.harm), with delta shared by all parts that were chosen before the first
row came (Bonferroni), so that looking at many calls nobody more often.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.tallies import rows_of
from pipeline.watch.harm import area_of, loss_name
from pipeline.watch.labels import sliced
from pipeline.watch.realized import Realized
from pipeline.watch.reference import Reference, losses
from pipeline.watch.segments import losses_by_segment
from pipeline.watch.sequences import Groups, bounds_until_over, normal_quantile

Array = npt.NDArray[Any]
Key = tuple[int, int]
"""Of a delivery of labels: arrival and window."""

FEWEST_ROWS = 400
"""Labelled rows of a part with which it is tested: the normal tail is farther out than that of the whole."""
LONGEST = 60
"""Deliveries of labels that one sequence is followed for."""
_PROMISE = 0.2


@dataclass(frozen=True)
class Promise:
    """What training promised of parts, by one metric whose greater values are worse; arrays (parts,)."""

    names: tuple[str, ...]
    rows: Array
    mean: Array
    variance: Array


@dataclass(frozen=True)
class PartHarm:
    """What is known of one part after a window; see `Harm`.

    Attributes:
        lost: the mean loss of the window's own rows (or 1 - AUC); error: its standard error.
        over: whether a later delivery ended this harm.
    """

    part: str
    metric: str
    promised: float
    least: float
    most: float
    lost: float
    error: float
    over: bool

    @property
    def harmful(self) -> bool:
        """Whether more is lost than may be."""
        return bool(self.least > self.most)


def harm_of_parts(
    promise: Promise,
    metric: str,
    groups: Groups,
    windows: Sequence[int],
    may_lose: float,
    delta: float,
    forgotten: int = 0,
    first: Array | None = None,
) -> dict[int, list[PartHarm]]:
    """Return by window what is known of each part that has rows enough.

    Args:
        groups: losses of the parts, (parts, deliveries), in the order in which labels came; windows: of each delivery.
        delta: how likely any part is ever called harmful though it is not; forgotten: deliveries before these.
        first: after each delivery the first that counts; see `first_of_parts`.
    """
    if not promise.names or not windows:
        return {}
    each = delta / len(promise.names)
    reach = float(normal_quantile(1 - each * _PROMISE)) * np.sqrt(promise.variance / np.maximum(promise.rows, 1))
    most = promise.mean + reach + may_lose
    part = each * (1 - _PROMISE)
    variance = promise.variance[:, None]
    bounds = bounds_until_over(groups, most, part, variance, FEWEST_ROWS, LONGEST, forgotten, first)
    counts = bounds.counts(most)
    found: dict[int, list[PartHarm]] = {}
    for window in dict.fromkeys(windows):
        places = [number for number, one in enumerate(windows) if one == window]
        here = bounds.least[:, places].max(axis=1)
        over = (here > most) & ~counts[:, places].any(axis=1)
        rows, mean, variance = (one[:, places] for one in groups)
        total = np.maximum(rows.sum(axis=1), 1)
        lost = (rows * mean).sum(axis=1) / total
        error = np.sqrt((rows * variance).sum(axis=1)) / total
        numbers = [*zip(*(one.tolist() for one in (promise.mean, here, most, lost, error, over)), strict=True)]
        found[window] = [
            PartHarm(name, metric, *numbers[k]) for k, name in enumerate(promise.names) if math.isfinite(here[k])
        ]
    return found


def first_of_parts(keys: Sequence[Key], whole: Sequence[Key], first: Array) -> Array:
    """Return after each delivery of parts the first that counts: what harmed all rows, and is over, is over for parts.

    Args:
        keys, whole: of deliveries, ascending; first: of the whole's, see `sequences.counts_from`.
    """
    before = [bisect_right(whole, one) - 1 for one in keys]
    return np.array([bisect_left(keys, whole[first[one]]) if one >= 0 else 0 for one in before], int)


def promised_slices(reference: Reference, slices: Sequence[tuple[str, ...]]) -> dict[str, Realized]:
    """Return what the evaluation rows say of each slice that has enough of them."""
    task, truth, scores = reference.spec.task, reference.truth, reference.scores
    names = set(reference.table.schema.names)
    usable = [columns for columns in slices if set(columns) <= names]
    if not usable:
        return {}
    batch = reference.table.combine_chunks().to_batches()[0]
    loss = losses(task, truth, scores)
    rows = rows_of(task, truth, scores, np.arange(len(loss)) % 20)
    found = {}
    for name, chosen in sliced(batch, usable):
        if name and len(chosen) >= FEWEST_ROWS:
            found[name] = Realized(float(loss[chosen].sum()), float((loss[chosen] ** 2).sum()), rows.tally(chosen))
    return found


def harm_of_slices(
    reference: Reference,
    promised: Mapping[str, Realized],
    deliveries: Sequence[tuple[int, Mapping[str, Realized]]],
    may_lose: Mapping[str, float],
    delta: float,
    forgotten: int = 0,
    first: Array | None = None,
) -> dict[int, list[PartHarm]]:
    """Return by window what is known of each slice.

    Args:
        deliveries: window and losses by slice, in the order in which labels came; may_lose: by metric, as of the whole.
    """
    names = tuple(promised)
    windows = [window for window, _ in deliveries]
    found: dict[int, list[PartHarm]] = {}
    for metric, most in may_lose.items():
        measure = _area if metric == "auc" else _loss
        of_training = np.array([measure(promised[name]) for name in names]).reshape(-1, 3)
        table = np.array([[_measured(measure, some.get(name)) for _, some in deliveries] for name in names])
        table = table.reshape(len(names), len(deliveries), 3)
        promise = Promise(names, *(of_training[:, k] for k in range(3)))
        groups = Groups(*(table[..., k] for k in range(3)))
        each = delta / len(may_lose)
        for window, some in harm_of_parts(promise, metric, groups, windows, most, each, forgotten, first).items():
            found.setdefault(window, []).extend(some)
    return found


def _measured(measure: Any, found: Realized | None) -> tuple[float, float, float]:
    if found is None:
        return 0.0, 0.0, 0.0
    rows, mean, variance = measure(found)
    return (rows, mean, variance) if math.isfinite(mean) and math.isfinite(variance) else (0.0, 0.0, 0.0)


def _loss(found: Realized) -> tuple[float, float, float]:
    mean = found.loss / max(found.rows, 1)
    return float(found.rows), mean, max(found.square / max(found.rows, 1) - mean**2, 0.0)


def _area(found: Realized) -> tuple[float, float, float]:
    area, variance = area_of(found)
    return float(found.rows), 1 - area, variance * found.rows


def promised_segments(reference: Reference) -> Array:
    """Return rows, losses and squared losses of the evaluation rows by segment, (3, segments)."""
    return losses_by_segment(
        reference.spec, reference.table, losses(reference.spec.task, reference.truth, reference.scores)
    )


def harm_of_segments(
    reference: Reference,
    names: Sequence[str],
    promised: Array,
    deliveries: Iterable[tuple[int, Array]],
    may_lose: float,
    delta: float,
    forgotten: int = 0,
    first: Array | None = None,
) -> dict[int, list[PartHarm]]:
    """Return by window what is known of each segment, by the loss of its rows.

    Args:
        promised: see `promised_segments`; deliveries: window and the same sums, in the order in which labels came.
    """
    listed = list(deliveries)
    if not listed or not names:
        return {}
    task = reference.spec.task
    sums = np.stack([one for _, one in listed], axis=-1)
    promise = Promise(tuple(names), *_moments(promised))
    groups = Groups(*_moments(sums))
    windows = [window for window, _ in listed]
    return harm_of_parts(promise, loss_name(task), groups, windows, may_lose, delta, forgotten, first)


def _moments(sums: Array) -> tuple[Array, Array, Array]:
    rows = np.asarray(sums[0], float)
    mean = sums[1] / np.maximum(rows, 1)
    return rows, mean, np.maximum(sums[2] / np.maximum(rows, 1) - mean**2, 0)
