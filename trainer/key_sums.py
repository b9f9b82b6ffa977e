"""Beam's part of statistics by key: rows are counted and values added by statistic, fold and key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
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
Sums = tuple[float, float]
"""Rows and the sum of their values."""


def analyzer(wanted: tuple[tuple[str, float], ...]) -> tft.experimental.CacheablePTransformAnalyzer:
    """Return what learns the file of trainer.statistics_file; of each statistic function and smoothing are told."""
    return tft.experimental.CacheablePTransformAnalyzer(
        make_accumulators_ptransform=_Count(),
        merge_accumulators_ptransform=_Sum(),
        extract_output_ptransform=_Write(wanted),
        cache_coder=_Coder(),
    )


class _Count(beam.PTransform):
    def expand(self, batches: Any) -> Any:
        return batches | beam.FlatMap(_count)

    def __repr__(self) -> str:
        """Say the same in every process: by it TFT knows again what it has counted of an earlier span."""
        return "rows and sums by statistic, fold and key"


def _count(batch: tuple[npt.NDArray[Any], ...]) -> Iterator[tuple[Key, Sums]]:
    keys, present, values, folds = batch
    for place in range(keys.shape[1]):
        rows = (present[:, place] > 0) & np.isfinite(values[:, place])
        number, distinct = pd.factorize(keys[rows, place])
        cells = number * FOLDS + np.maximum(folds[rows, 0], 0)
        counts = np.bincount(cells)
        sums = np.bincount(cells, values[rows, place])
        for cell in np.flatnonzero(counts):
            which, fold = divmod(int(cell), FOLDS)
            yield (place, fold, bytes(distinct[which])), (float(counts[cell]), float(sums[cell]))


class _Sum(beam.PTransform):
    def expand(self, counts: Any) -> Any:
        return counts | beam.CombinePerKey(_add)

    def __repr__(self) -> str:
        """Say the same in every process, as `_Count` does."""
        return "sum by key"


def _add(sums: Iterable[Sums]) -> Sums:
    rows = total = 0.0
    for more, value in sums:
        rows, total = rows + more, total + value
    return rows, total


class _Coder(PTransformAnalyzerCacheCoder):
    def __repr__(self) -> str:
        """Say the same in every process, as `_Count` does."""
        return "statistic, fold, key of any bytes and sums as JSON"

    def encode_cache(self, accumulator: tuple[Key, Sums]) -> bytes:
        (place, fold, key), sums = accumulator
        return json.dumps([place, fold, key.decode("latin-1"), *sums]).encode()

    def decode_cache(self, encoded_accumulator: bytes) -> tuple[Key, Sums]:
        place, fold, key, rows, total = json.loads(encoded_accumulator)
        return (place, fold, key.encode("latin-1")), (rows, total)


class _Write(tft_beam.PTransformAnalyzer):
    def __init__(self, wanted: Sequence[tuple[str, float]]) -> None:
        super().__init__()
        self._wanted = wanted

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
            | "Write" >> beam.Map(_write, beam.pvalue.AsDict(totals), self._wanted, self.base_temp_dir)
        )


def _of_key(
    key: tuple[int, bytes], of_folds: Iterable[tuple[int, Sums]]
) -> tuple[int, tuple[float, bytes, tuple[tuple[int, Sums], ...]]]:
    place, text = key
    folds = tuple(sorted(of_folds))
    return place, (sum(rows for _, (rows, _) in folds), text, folds)


def _write(
    learnt: Sequence[tuple[int, Sequence[tuple[float, bytes, tuple[tuple[int, Sums], ...]]]]],
    totals: dict[tuple[int, int], Sums],
    wanted: Sequence[tuple[str, float]],
    folder: str,
) -> npt.NDArray[np.str_]:
    by_place = dict(learnt)
    found = []
    for place, of in enumerate(wanted):
        of_all = {fold: sums for (statistic, fold), sums in totals.items() if statistic == place}
        found += statistics_file.lines(place, *of, None, {}, of_all)
        for _, key, folds in by_place.get(place, ()):
            found += statistics_file.lines(place, *of, key, dict(folds), of_all)
    tf.io.gfile.makedirs(folder)
    path = f"{folder}/{statistics_file.FILE}"
    with tf.io.gfile.GFile(path, "wb") as out:
        out.write(statistics_file.write(found, wanted))
    return np.array(path)
