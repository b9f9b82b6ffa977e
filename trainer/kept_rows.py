"""Rows that go along with a model, with what it predicts for them: whoever serves it warms it up, and sees that it is
what was trained.

They lie where TensorFlow Serving looks for requests to warm up with, in its own format: a TFRecord file of
PredictionLogs (https://www.tensorflow.org/tfx/serving/saved_model_warmup). It lets the answers alone;
`longhaul serve` compares them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from trainer.artifact_names import KEPT_ROWS_FILE, PREDICTION
from trainer.features import FeatureTable, Storage
from trainer.rows import to_plain

MOST_ROWS = 32
_EXACT_INT = 2**53


def keep_rows(saved_model: str, raw: pa.RecordBatch, predictions: npt.NDArray[Any], table: FeatureTable) -> None:
    """Write the file into the folder of a SavedModel: one request of one row, one of the others.

    Args:
        raw: flat columns of the features.
        predictions: (rows, outputs), the network's.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    chosen = np.flatnonzero(_is_plain(raw, table))[:MOST_ROWS]
    columns = {
        table.tensor_names[feature.name]: to_plain(raw.column(feature.name), feature.storage)[chosen]
        for feature in table.features
    }
    path = f"{saved_model}/{KEPT_ROWS_FILE}"
    tf.io.gfile.makedirs(path.rpartition("/")[0])
    with tf.io.TFRecordWriter(path) as writer:
        for part in (slice(1), slice(1, None)):
            if not len(chosen[part]):
                continue
            kept = prediction_log_pb2.PredictionLog()
            request, response = kept.predict_log.request, kept.predict_log.response
            request.model_spec.signature_name = "serving_tensors"
            for name, column in columns.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(column[part]))
            response.outputs[PREDICTION].CopyFrom(tf.make_tensor_proto(predictions[chosen[part]]))
            writer.write(kept.SerializeToString(deterministic=True))


def _is_plain(raw: pa.RecordBatch, table: FeatureTable) -> npt.NDArray[np.bool_]:
    """Return which rows plain tensors can tell as they are: to them "" is missing, and every number is a float64."""
    plain = np.ones(raw.num_rows, bool)
    for feature in table.features:
        column = raw.column(feature.name)
        if feature.storage is Storage.BYTES:
            odd = pc.equal(pc.binary_length(column), 0)
        elif feature.storage is Storage.INT:
            odd = pc.greater(pc.abs(pc.cast(column, pa.int64())), _EXACT_INT)
        else:
            continue
        plain &= ~pc.fill_null(odd, False).to_numpy(zero_copy_only=False)
    return plain
