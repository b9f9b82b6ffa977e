"""Trains the models of a replay, each once, and asks each of them about each later tick, once.

They are boosted trees (LightGBM): whole runs of the pipeline would take hours, and what is compared is when one trains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.continuous.replaying import Losses
from pipeline.watch.reference import losses, truths
from trainer.features import FeatureTable, Kind

Array = npt.NDArray[Any]
_HELD_OUT = 0.1
"""Share of the rows, the newest, by which a model is judged before it serves; then it learns them, too."""
_FEWEST = 200
_BINS, _MOVED = 10, 0.1
_MOST_VALUES = 254
_SEED = 5


@dataclass(frozen=True)
class Rows:
    """A labelled table as numbers, in the order of time.

    Attributes:
        values: (rows, columns): NaN where one is missing; of text the place among its values.
        truth: (rows,); time: seconds since 1970, (rows,); categorical: places of columns.
    """

    values: Array
    truth: Array
    time: Array
    categorical: tuple[int, ...]

    def thinned(self, each: int) -> Rows:
        """Return every so many-th row."""
        return Rows(self.values[::each], self.truth[::each], self.time[::each], self.categorical)


def rows_of(table: FeatureTable, batches: Iterator[pa.RecordBatch], column: str) -> Rows:
    """Put a table together; rows without a label or a time are left out."""
    whole = pa.Table.from_batches(list(batches))
    moments = whole.column(column).combine_chunks()
    times = moments.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False).astype(float)
    truth = truths(table.label.task, table.label.classes, whole.column(table.label.name).to_pylist())
    values = np.full((whole.num_rows, len(table.features)), np.nan, np.float32)
    categorical = []
    for place, feature in enumerate(table.features):
        found = whole.column(feature.name).combine_chunks()
        if feature.kind is Kind.CATEGORICAL:
            categorical.append(place)
            text = found.cast(pa.string())
            counts = text.value_counts().to_pylist()
            often = sorted((one for one in counts if one["values"] is not None), key=lambda one: -one["counts"])
            known = pa.array([one["values"] for one in often[:_MOST_VALUES]], pa.string())
            code = pc.index_in(text, value_set=known).fill_null(len(known)).to_numpy(zero_copy_only=False)
            values[:, place] = np.where(found.is_null().to_numpy(zero_copy_only=False), np.nan, code)
        else:
            if pa.types.is_timestamp(found.type) or pa.types.is_boolean(found.type):
                found = found.cast(pa.int64())
            values[:, place] = found.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)
    kept = np.flatnonzero(np.isfinite(truth) & (times >= 0))
    order = kept[np.argsort(times[kept], kind="stable")]
    return Rows(values[order], truth[order], times[order], tuple(categorical))


def losses_of(
    rows: Rows,
    task: str,
    classes: int,
    begins: tuple[datetime, ...],
    labels_after: timedelta,
    window: int | None,
    rounds: int,
    tell: Callable[[int, int], None],
) -> Losses:
    """Train a model at the beginning of each tick, and return what each loses in each later one.

    Args:
        begins: of the ticks, and the end of the last; window: how many ticks a model learns from; None for all.
        tell: told how many models are trained, of how many.
    """
    ticks = len(begins) - 1
    edges = np.searchsorted(rows.time, [one.timestamp() for one in begins])
    mean, square, drift = (np.full((ticks, ticks), np.nan) for _ in range(3))
    promise, variance, promised, cpu_s = (np.zeros(ticks) for _ in range(4))
    for tick in range(ticks):
        last = int(np.searchsorted(rows.time, (begins[tick] - labels_after).timestamp()))
        first = 0
        if window is not None:
            first = int(np.searchsorted(rows.time, (begins[tick] - window * (begins[1] - begins[0])).timestamp()))
        began = time.process_time()
        held = first + int((last - first) * (1 - _HELD_OUT))
        judge = train(rows, first, held, task, classes, rounds)
        lost = losses(task, rows.truth[held:last], answers(judge, rows.values[held:last], task))
        promise[tick], variance[tick], promised[tick] = lost.mean(), max(lost.var(), 1e-12), len(lost)
        model = train(rows, first, last, task, classes, rounds)
        cpu_s[tick] = time.process_time() - began
        lost = losses(task, rows.truth[edges[tick] :], answers(model, rows.values[edges[tick] :], task))
        for later in range(tick, ticks):
            part = lost[edges[later] - edges[tick] : edges[later + 1] - edges[tick]]
            mean[tick, later] = part.mean() if len(part) else 0.0
            square[tick, later] = (part**2).mean() if len(part) else 0.0
        drift[tick, tick:] = _drift(rows, first, last, edges[tick:])
        tell(tick + 1, ticks)
    return Losses(
        begins, np.diff(edges).astype(float), mean, square, drift, promise, variance, promised, cpu_s
    )  # fmt: skip


def enough(rows: Rows, begin: datetime, labels_after: timedelta) -> bool:
    """Return whether the first model has rows to learn from."""
    return int(np.searchsorted(rows.time, (begin - labels_after).timestamp())) >= _FEWEST


def train(rows: Rows, first: int, last: int, task: str, classes: int, rounds: int) -> Any:
    """Train boosted trees on rows of a table, from the first until before the last."""
    import lightgbm

    data = lightgbm.Dataset(
        rows.values[first:last], rows.truth[first:last], categorical_feature=list(rows.categorical), free_raw_data=True
    )
    kinds = {"binary": "binary", "regression": "regression", "multiclass": "multiclass"}
    settings: dict[str, Any] = {
        "objective": kinds[task], "num_leaves": 31, "learning_rate": 0.1, "min_data_in_leaf": 50, "max_bin": 63,
        "feature_fraction": 0.5, "seed": _SEED, "num_threads": 2, "deterministic": True, "force_row_wise": True,
        "verbosity": -1,
    }  # fmt: skip
    if task == "multiclass":
        settings["num_class"] = classes
    return lightgbm.train(settings, data, rounds)


def answers(model: Any, values: Array, task: str) -> Array:
    """Return what trees say of rows, (rows, outputs)."""
    found = np.asarray(model.predict(values, num_threads=2), float)
    return found if task == "multiclass" else found[:, None]


def _drift(rows: Rows, first: int, last: int, edges: Array) -> Array:
    """Return the share of columns whose distance of Jensen and Shannon from those in training is above a tenth."""
    moved = np.zeros(len(edges) - 1)
    for column in range(rows.values.shape[1]):
        mine = rows.values[first:last, column]
        if column in rows.categorical:
            cuts = np.arange(_MOST_VALUES + 2) - 0.5
        else:
            cuts = np.unique(np.nanquantile(mine, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(mine) else np.zeros(0)
        values = rows.values[:, column]
        places = np.where(np.isnan(values), len(cuts) + 1, np.searchsorted(cuts, values))
        before = np.bincount(places[first:last], minlength=len(cuts) + 2)
        for tick, (begin, end) in enumerate(pairwise(edges)):
            moved[tick] += _distance(before, np.bincount(places[begin:end], minlength=len(cuts) + 2)) > _MOVED
    return moved / rows.values.shape[1]


def _distance(one: Array, other: Array) -> float:
    if not one.sum() or not other.sum():
        return 0.0
    p, q = one / one.sum(), other / other.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(a > 0, a * np.log2(a / middle), 0).sum() for a in (p, q)]
    return float(np.sqrt(max(0.0, sum(parts) / 2)))
