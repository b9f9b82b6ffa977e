"""The quantiles of many columns in one sketch, also where some have no value in any row of the training split.

TFT's own combiner hands a sketch, which has megabytes a column, from stage to stage a dozen times.
"""

from __future__ import annotations

import tensorflow as tf
import tensorflow_transform as tft


def of_columns(values: tf.Tensor, buckets: int) -> tf.Tensor:
    """Return (columns, buckets - 1) of finite values (batch, columns), NaN where missing; a column of NaN has NaN."""
    from trainer.quantile_sketch import analyzer  # Beam, which the Trainer needs not

    columns = values.shape[1]
    shape = [columns, buckets - 1]
    (found,) = tft.experimental.ptransform_analyzer(
        [values], analyzer(columns, buckets), output_dtypes=[tf.float32], output_shapes=[shape], name="quantiles"
    )
    return tf.ensure_shape(found, shape)
