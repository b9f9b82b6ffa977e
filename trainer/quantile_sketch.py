"""Beam's part of the quantiles: what is known of a bundle's values, and of all."""

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

EXACT_ROWS = 1 << 19
"""Of so many the values themselves take less room and time than a sketch, which has 2 MB a column by then."""
_MOST_ROWS = 1 << 32
"""Of so many at most the bounds of the error hold, as in TFT."""


class Sketch:
    """What is known of the values of columns: of few rows all values, of more a sketch, which then is smaller.

    Args:
        buckets: of the quantiles that are asked for; a quantile's rank is wrong by half a bucket at most.

    Attributes:
        few: the values, (rows, columns) each; none once there is a sketch.
        sketched: the sketch, if there is one.
    """

    def __init__(self, columns: int, buckets: int) -> None:
        self._columns, self._buckets = columns, buckets
        self.few: list[npt.NDArray[np.float32]] = []
        self.sketched: Any = None

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Take rows in, (rows, columns)."""
        if self.sketched is not None:
            self.sketched.AddValues(pa.array(np.ravel(values)))
            return
        self.few.append(np.array(values, np.float32))
        if sum(map(len, self.few)) > EXACT_ROWS:
            self._sketch()

    def merge(self, others: Iterable[Sketch]) -> Sketch:
        """Take in what others know."""
        for other in others:
            for values in other.few:
                self.add(values)
            if other.sketched is not None:
                self._sketch().Merge(other.sketched)
        if self.sketched is not None:
            self.sketched.Compact()
        return self

    def _sketch(self) -> Any:
        if self.sketched is None:
            self.sketched = sketches.QuantilesSketch(0.5 / self._buckets, _MOST_ROWS, self._columns)
            for values in self.few:
                self.add(values)
            self.few = []
        return self.sketched

    def quantiles(self) -> npt.NDArray[np.float32]:
        """Return (columns, buckets - 1), NaN of a column without a value. A sketch answers once."""
        found = np.full([self._columns, self._buckets - 1], np.nan, np.float32)
        if self.sketched is not None:
            copied = pickle.dumps(self.sketched)
            answered = self.sketched.GetQuantiles(self._buckets).to_pylist()
            seen = self._seen(pickle.loads(copied)) if len(answered) < self._columns else slice(None)
            found[seen] = np.array(answered, np.float32)[:, 1:-1]
        elif self.few:
            shares = np.arange(1, self._buckets)
            for place, column in enumerate(np.concatenate(self.few).T):
                known = np.sort(column[np.isfinite(column)])
                if len(known):
                    found[place] = known[(len(known) * shares + self._buckets - 1) // self._buckets - 1]
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
        return f"values or sketches of columns, buckets: {self._of}"


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
        return f"values or one sketch of columns, buckets: {self._of}"


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
