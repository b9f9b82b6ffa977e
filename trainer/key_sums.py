"""Beam's part of statistics by key: rows are counted and values added by statistic, fold and key.

Of these sums come the file that is looked up, and how the training rows' own values lie: no second pass over the rows
is needed to tell their quantiles.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.beam import experimental as tft_beam
from tensorflow_transform.experimental import PTransformAnalyzerCacheCoder

from trainer import statistics_file
from trainer.folds import FOLDS

Key = tuple[int, int, bytes]
"""Statistic, fold and key."""
Sums = tuple[float, float, float]
"""Rows that have a value, the sum of their values, and all rows."""
Wanted = Sequence[tuple[str, float]]
"""Of each statistic its function and its smoothing."""
_OfKeys = Sequence[tuple[int, Sequence[tuple[float, bytes, tuple[tuple[int, Sums], ...]]]]]
"""By statistic: of each key how many rows have it, the key, and its sums by fold."""
_Totals = Mapping[tuple[int, int], Sums]
"""By statistic and fold, of all keys."""


def analyzer(wanted: Wanted) -> tft.experimental.CacheablePTransformAnalyzer:
    """Return what learns the file of trainer.statistics_file."""
    return _analyzer("the file", _Extract(_write, wanted))


def quantiles_analyzer(wanted: Wanted, buckets: int) -> tft.experimental.CacheablePTransformAnalyzer:
    """Return what learns the quantiles (statistics, buckets - 1) of the values that training rows are shown."""
    return _analyzer("quantiles", _Extract(functools.partial(_quantiles, buckets=buckets), wanted))


def _analyzer(what: str, extract: beam.PTransform) -> tft.experimental.CacheablePTransformAnalyzer:
    return tft.experimental.CacheablePTransformAnalyzer(
        make_accumulators_ptransform=_Count(what),
        merge_accumulators_ptransform=_Sum(what),
        extract_output_ptransform=extract,
        cache_coder=_Coder(),
    )


class _Count(beam.PTransform):
    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def expand(self, batches: Any) -> Any:
        return batches | beam.FlatMap(_count)

    def __repr__(self) -> str:
        """Say the same in every process: by it TFT knows again what it has counted of an earlier span."""
        return f"rows, sums and all rows by statistic, fold and key, for {self._what}"


def _count(batch: tuple[npt.NDArray[Any], ...]) -> Iterator[tuple[Key, Sums]]:
    keys, present, values, folds = batch
    for place in range(keys.shape[1]):
        rows = present[:, place] > 0
        number, distinct = pd.factorize(keys[rows, place])
        cells = number * FOLDS + np.maximum(folds[rows, 0], 0)
        value = values[rows, place]
        known = np.isfinite(value)
        every = np.bincount(cells)
        counts = np.bincount(cells, known)
        sums = np.bincount(cells, np.where(known, value, 0.0))
        for cell in np.flatnonzero(every):
            which, fold = divmod(int(cell), FOLDS)
            yield (place, fold, bytes(distinct[which])), (float(counts[cell]), float(sums[cell]), float(every[cell]))


class _Sum(beam.PTransform):
    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def expand(self, counts: Any) -> Any:
        return counts | beam.CombinePerKey(_add)

    def __repr__(self) -> str:
        """Say the same in every process, as `_Count` does."""
        return f"sum by key, for {self._what}"


def _add(sums: Iterable[Sums]) -> Sums:
    rows = total = every = 0.0
    for more, value, of_all in sums:
        rows, total, every = rows + more, total + value, every + of_all
    return rows, total, every


class _Coder(PTransformAnalyzerCacheCoder):
    def __repr__(self) -> str:
        """Say the same in every process, as `_Count` does."""
        return "statistic, fold, key of any bytes and sums as JSON"

    def encode_cache(self, accumulator: tuple[Key, Sums]) -> bytes:
        (place, fold, key), sums = accumulator
        return json.dumps([place, fold, key.decode("latin-1"), *sums]).encode()

    def decode_cache(self, encoded_accumulator: bytes) -> tuple[Key, Sums]:
        place, fold, key, rows, total, every = json.loads(encoded_accumulator)
        return (place, fold, key.encode("latin-1")), (rows, total, every)


class _Extract(tft_beam.PTransformAnalyzer):
    """Hands what is known of the keys with the most rows to a function."""

    def __init__(self, function: Callable[[_OfKeys, _Totals, Wanted, str], Any], wanted: Wanted) -> None:
        super().__init__()
        self._function, self._wanted = function, wanted

    def expand(self, sums: Any) -> Any:
        totals = (
            sums
            | "OfFolds" >> beam.MapTuple(lambda key, found: (key[:2], found))
            | "AddFolds" >> beam.CombinePerKey(_add)
        )
        return (
            sums
            | "ByKey" >> beam.MapTuple(lambda key, found: ((key[0], key[2]), (key[1], found)))
            | "GatherFolds" >> beam.GroupByKey()
            | "ByStatistic" >> beam.MapTuple(_of_key)
            | "MostRows" >> beam.combiners.Top.LargestPerKey(statistics_file.MOST_KEYS)
            | "Gather" >> beam.combiners.ToList()
            | "Extract" >> beam.Map(self._function, beam.pvalue.AsDict(totals), self._wanted, self.base_temp_dir)
        )


def _of_key(
    key: tuple[int, bytes], of_folds: Iterable[tuple[int, Sums]]
) -> tuple[int, tuple[float, bytes, tuple[tuple[int, Sums], ...]]]:
    place, text = key
    folds = tuple(sorted(of_folds))
    return place, (sum(rows for _, (rows, *_) in folds), text, folds)


def _known(sums: Iterable[tuple[int, Sums]]) -> dict[int, tuple[float, float]]:
    """Return rows and sum by fold, of the folds in which a row has a value."""
    return {fold: (rows, total) for fold, (rows, total, _) in sums if rows}


def _of_all(totals: _Totals, place: int) -> list[tuple[int, Sums]]:
    return [(fold, sums) for (statistic, fold), sums in totals.items() if statistic == place]


def _write(learnt: _OfKeys, totals: _Totals, wanted: Wanted, folder: str) -> npt.NDArray[np.str_]:
    by_place = dict(learnt)
    found = []
    for place, of in enumerate(wanted):
        of_all = _known(_of_all(totals, place))
        found += statistics_file.lines(place, *of, None, {}, of_all)
        for _, key, folds in by_place.get(place, ()):
            if known := _known(folds):
                found += statistics_file.lines(place, *of, key, known, of_all)
    tf.io.gfile.makedirs(folder)
    path = f"{folder}/{statistics_file.FILE}"
    with tf.io.gfile.GFile(path, "wb") as out:
        out.write(statistics_file.write(found, wanted))
    return np.array(path)


def _quantiles(
    learnt: _OfKeys, totals: _Totals, wanted: Wanted, folder: str, *, buckets: int
) -> npt.NDArray[np.float32]:
    by_place = dict(learnt)
    found = np.full((len(wanted), buckets - 1), np.nan, np.float32)
    for place, of in enumerate(wanted):
        shown = list(_shown(by_place.get(place, ()), _of_all(totals, place), of))
        values, rows = np.array(shown, np.float64).reshape(-1, 2).T
        values = values.astype(np.float32)
        order = np.argsort(values[np.isfinite(values)])
        values, rows = values[np.isfinite(values)][order], rows[np.isfinite(values)][order]
        if len(values):
            below = np.cumsum(rows)
            found[place] = values[np.searchsorted(below, below[-1] * np.arange(1, buckets) / buckets)]
    return found


def _shown(
    keys: Iterable[tuple[float, bytes, tuple[tuple[int, Sums], ...]]],
    totals: Sequence[tuple[int, Sums]],
    of: tuple[str, float],
) -> Iterator[tuple[float, float]]:
    """Yield the values that training rows are shown, and how many rows each."""
    of_all = _known(totals)
    others = {fold: every for fold, (_, _, every) in totals}
    for _, _, folds in keys:
        known = _known(folds)
        for fold, (rows, _, every) in folds:
            if rows:
                others[fold] -= every
                yield statistics_file.value(*of, known, of_all, fold), every
    for fold, every in others.items():  # those whose key, or whose key in this fold, the file does not have
        yield statistics_file.value(*of, None, of_all, fold), every
