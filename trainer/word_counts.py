"""Beam's part of the vocabularies: words are counted by column, and the most frequent of each are written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.beam import experimental as tft_beam
from tensorflow_transform.experimental import PTransformAnalyzerCacheCoder

from trainer import words_file


def analyzer(columns: tuple[str, ...], most: int) -> tft.experimental.CacheablePTransformAnalyzer:
    """Return what learns the file of words from keys (batch, columns), empty where a value is missing."""
    return tft.experimental.CacheablePTransformAnalyzer(
        make_accumulators_ptransform=_Count(),
        merge_accumulators_ptransform=_Sum(),
        extract_output_ptransform=_Write(columns, most),
        cache_coder=_Coder(),
    )


class _Count(beam.PTransform):
    def expand(self, batches: Any) -> Any:
        return batches | beam.FlatMap(_count)

    def __repr__(self) -> str:
        """Say the same in every process: by it TFT knows again what it has counted of an earlier span."""
        return "words by column, as they are"


def _count(batch: tuple[npt.NDArray[np.object_]]) -> Iterator[tuple[bytes, int]]:
    for column in batch[0].T:
        counted = Counter(column.tolist())
        counted.pop(b"", None)
        yield from counted.items()


class _Sum(beam.PTransform):
    def expand(self, counts: Any) -> Any:
        return counts | beam.CombinePerKey(sum)

    def __repr__(self) -> str:
        """Say the same in every process, as `_Count` does."""
        return "sum by word"


class _Coder(PTransformAnalyzerCacheCoder):
    def __repr__(self) -> str:
        """Say the same in every process, as `_Count` does."""
        return "key of any bytes and count as JSON"

    def encode_cache(self, accumulator: tuple[bytes, int]) -> bytes:
        key, count = accumulator
        return json.dumps([key.decode("latin-1"), int(count)]).encode()

    def decode_cache(self, encoded_accumulator: bytes) -> tuple[bytes, int]:
        key, count = json.loads(encoded_accumulator)
        return key.encode("latin-1"), count


class _Write(tft_beam.PTransformAnalyzer):
    def __init__(self, columns: tuple[str, ...], most: int) -> None:
        super().__init__()
        self._columns, self._most = columns, most

    def expand(self, counts: Any) -> Any:
        return (
            counts
            | "ByColumn" >> beam.Map(_by_column)
            | "MostFrequent" >> beam.combiners.Top.LargestPerKey(self._most)
            | "Gather" >> beam.combiners.ToList()
            | "Write" >> beam.Map(_write, self._columns, self.base_temp_dir)
        )


def _by_column(counted: tuple[bytes, int]) -> tuple[int, tuple[int, bytes]]:
    key, count = counted
    place, word = words_file.word_of(key)
    return place, (int(count), word)


def _write(
    learnt: Sequence[tuple[int, Sequence[tuple[int, bytes]]]], columns: Sequence[str], folder: str
) -> npt.NDArray[np.str_]:
    by_place = dict(learnt)
    words = [[word for _, word in by_place.get(place, ())] for place in range(len(columns))]
    tf.io.gfile.makedirs(folder)
    path = f"{folder}/{words_file.FILE}"
    with tf.io.gfile.GFile(path, "wb") as out:
        out.write(words_file.write(words, columns))
    return np.array(path)
