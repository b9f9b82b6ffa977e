"""How far a column of one table is from that of another, without TFDV, which takes seconds to import.

The measures are TFDV's: the largest change of a value's share (L-infinity) for text, the Jensen-Shannon divergence of
the histograms for numbers, in [0, 1]. The gate asks TFDV itself (pipeline.guard.drift).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.data.statistics_files import Statistics
from pipeline.guard.column_statistics import Column, columns


@dataclass(frozen=True)
class Moved:
    """One column in two tables.

    Attributes:
        measure: l_infinity or jensen_shannon.
        missing_before, missing_after: share of the rows without a value.
        what: what moved most, in words.
    """

    column: str
    measure: str
    distance: float
    missing_before: float
    missing_after: float
    what: str


def distances(before: Statistics, after: Statistics) -> list[Moved]:
    """Compare the columns that have values of one kind in both tables, the one that moved most first."""
    old, new = columns(before), columns(after)
    moved = [
        _text(old[name], new[name]) if old[name].is_text else _number(old[name], new[name])
        for name in old
        if name in new and old[name].is_text == new[name].is_text and old[name].present and new[name].present
    ]
    return sorted(moved, key=lambda one: -max(one.distance, abs(one.missing_after - one.missing_before)))


def _text(before: Column, after: Column) -> Moved:
    change = {value: abs(before.share_of(value) - after.share_of(value)) for value in {**before.values, **after.values}}
    value = max(change, key=change.__getitem__, default="")
    return Moved(
        *(before.name, "l_infinity", change.get(value, 0.0), before.missing_rate, after.missing_rate),
        f"{value!r} from {before.share_text(value)} to {after.share_text(value)}",
    )


def _number(before: Column, after: Column) -> Moved:
    buckets = [_buckets(column) for column in (before, after)]
    edges = np.unique(np.concatenate([one[:, :2].ravel() for one in buckets]))
    first, second = (_shares(one, edges) for one in buckets)
    return Moved(
        *(before.name, "jensen_shannon", _jensen_shannon(first, second), before.missing_rate, after.missing_rate),
        f"median from about {before.median:,.6g} to about {after.median:,.6g}",
    )


def _buckets(column: Column) -> npt.NDArray[np.float64]:
    """Return (low, high, rows) of each finite bucket of the standard histogram; shape (buckets, 3)."""
    standard = statistics_pb2.Histogram.STANDARD
    found: list[tuple[float, float, float]] = [
        (bucket.low_value, bucket.high_value, bucket.sample_count)
        for histogram in _histograms(column)
        if histogram.type == standard
        for bucket in histogram.buckets
        if math.isfinite(bucket.low_value) and math.isfinite(bucket.high_value)
    ]
    return np.array(found, np.float64).reshape(-1, 3)


def _histograms(column: Column) -> Any:
    return column.proto.num_stats.histograms


def _shares(buckets: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return share of the rows at each edge and between each two, as if spread evenly; shape (2 * edges - 1,)."""
    at, between = np.zeros(len(edges)), np.zeros(max(len(edges) - 1, 0))
    for low, high, rows in buckets:
        first, last = np.searchsorted(edges, [low, high])
        if low == high:
            at[first] += rows
        else:
            between[first:last] += rows * np.diff(edges[first : last + 1]) / (high - low)
    shares = np.concatenate([at, between])
    return shares / (shares.sum() or 1.0)


def _jensen_shannon(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Compute it to base 2."""
    middle = (first + second) / 2
    total = 0.0
    for shares in (first, second):
        some = shares > 0
        total += float(np.sum(shares[some] * np.log2(shares[some] / middle[some]))) / 2
    return max(0.0, total)
