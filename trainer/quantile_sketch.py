"""Beam's part of the quantiles: a sketch a bundle, and one of all."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorflow_transform as tft
from apache_beam.transforms.window import GlobalWindows
from tensorflow_transform.experimental import PTransformAnalyzerCacheCoder
from tfx_bsl import sketches

_MOST_ROWS = 1 << 32
"""Of so many at most the bounds of the error hold, as in TFT."""


class Sketch:
    """What is known of the values of columns.

    Args:
        buckets: of the quantiles that are asked for; a quantile's rank is wrong by half a bucket at most.
    """

    def __init__(self, columns: int, buckets: int) -> None:
        self._columns, self._buckets = columns, buckets
        self.values = sketches.QuantilesSketch(0.5 / buckets, _MOST_ROWS, columns)

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Take rows in, (rows, columns)."""
        self.values.AddValues(pa.array(np.ravel(values)))

    def merge(self, others: Iterable[Sketch]) -> Sketch:
        """Take in what others know."""
        for other in others:
            self.values.Merge(other.values)
        self.values.Compact()
        return self

    def quantiles(self) -> npt.NDArray[np.float32]:
        """Return (columns, buckets - 1), NaN of a column without a value. A sketch answers once."""
        copied = pickle.dumps(self.values)
        answered = self.values.GetQuantiles(self._buckets).to_pylist()
        found = np.full([self._columns, self._buckets - 1], np.nan, np.float32)
        if answered:
            seen = self._seen(pickle.loads(copied)) if len(answered) < self._columns else slice(None)
            found[seen] = np.array(answered, np.float32)[:, 1:-1]
        return found

    def _seen(self, sketch: Any) -> npt.NDArray[np.bool_]:
        """Tell of each column whether it has a value: then infinity, put beside them, is not the least."""
        sketch.AddValues(pa.array(np.full(self._columns, np.inf, np.float32)))
        return np.isfinite([least for least, *_ in sketch.GetQuantiles(2).to_pylist()])


def analyzer(columns: int, buckets: int) -> tft.experimental.CacheablePTransformAnalyzer:
    """Return what learns quantiles (columns, buckets - 1) of values (batch, columns)."""
    return tft.experimental.CacheablePTransformAnalyzer(
        make_accumulators_ptransform=_Add(columns, buckets),
        merge_accumulators_ptransform=_Merge(columns, buckets),
        extract_output_ptransform=_Ask(),
        cache_coder=_Coder(),
    )


class _Add(beam.PTransform):
    def __init__(self, columns: int, buckets: int) -> None:
        super().__init__()
        self._of = columns, buckets

    def expand(self, batches: Any) -> Any:
        return batches | beam.ParDo(_SketchOfBundle(*self._of))

    def __repr__(self) -> str:
        """Say the same in every process: by it TFT knows again what it has seen of an earlier span."""
        return f"sketches of columns, buckets: {self._of}"


class _SketchOfBundle(beam.DoFn):
    def __init__(self, columns: int, buckets: int) -> None:
        self._of = columns, buckets

    def start_bundle(self) -> None:
        self._sketch = Sketch(*self._of)

    def process(self, batch: tuple[npt.NDArray[np.float32]]) -> None:
        self._sketch.add(batch[0])

    def finish_bundle(self) -> Iterator[Any]:
        yield GlobalWindows.windowed_value_at_end_of_window(self._sketch.merge([]))


class _Merge(beam.PTransform):
    def __init__(self, columns: int, buckets: int) -> None:
        super().__init__()
        self._of = columns, buckets

    def expand(self, found: Any) -> Any:
        # A combiner would write each sketch three times on its way.
        none = found.pipeline | beam.Create([None])
        return none | beam.Map(_merged, beam.pvalue.AsIter(found), *self._of)

    def __repr__(self) -> str:
        """Say the same in every process, as `_Add` does."""
        return f"one sketch of columns, buckets: {self._of}"


def _merged(_: None, found: Iterable[Sketch], columns: int, buckets: int) -> Sketch:
    return Sketch(columns, buckets).merge(found)


class _Ask(beam.PTransform):
    def expand(self, sketch: Any) -> Any:
        return sketch | beam.Map(Sketch.quantiles)


class _Coder(PTransformAnalyzerCacheCoder):
    def __repr__(self) -> str:
        """Say the same in every process, as `_Add` does."""
        return "a sketch as pickle writes it"

    def encode_cache(self, accumulator: Sketch) -> bytes:
        return pickle.dumps(accumulator)

    def decode_cache(self, encoded_accumulator: bytes) -> Sketch:
        found: Sketch = pickle.loads(encoded_accumulator)
        return found
