"""The quantiles of many columns in one sketch, also where some have no value in any row of the training split.

TFT's sketch leaves such columns out of its answer without saying which they are.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorflow as tf
from tensorflow_transform.analyzers import QuantilesCombiner, _apply_cacheable_combiner


def of_columns(values: tf.Tensor, buckets: int) -> tf.Tensor:
    """Return (columns, buckets - 1) of finite values (batch, columns), NaN where missing; a column of NaN has NaN."""
    columns = values.shape[1]
    shape = [columns, buckets - 1]
    combiner = _Quantiles(buckets, 0.5 / buckets, np.float32, output_shape=shape, feature_shape=[columns])
    (found,) = _apply_cacheable_combiner(combiner, values)
    return tf.ensure_shape(found, shape)


class _Quantiles(QuantilesCombiner):
    def extract_output(self, accumulator: Any) -> list[npt.NDArray[np.float32]]:
        """See TFT's."""
        copied = pickle.dumps(accumulator)  # an answer ends a sketch
        answered = accumulator.GetQuantiles(self._num_quantiles).to_pylist()
        found = np.full(self._output_shape, np.nan, np.float32)
        if answered:
            seen = self._seen(pickle.loads(copied)) if len(answered) < self._num_features else slice(None)
            found[seen] = np.array(answered, np.float32)[:, 1:-1]
        return [found]

    def _seen(self, sketch: Any) -> npt.NDArray[np.bool_]:
        """Tell of each column whether it has a value: then infinity, put beside them, is not the least."""
        sketch.AddValues(pa.array(np.full(self._num_features, np.inf, np.float32)))
        return np.isfinite([least for least, *_ in sketch.GetQuantiles(2).to_pylist()])
