"""Scores labelled rows by a served model in this process, for a reference. TensorFlow is imported here only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from trainer.artifact_names import PREDICTION
from trainer.rows import to_examples

_AT_ONCE = 8_192


def scorer(folder: Path) -> Callable[[pa.RecordBatch], npt.NDArray[Any]]:
    """Load a SavedModel; return what gives scores (rows, outputs) to rows of features in their stored types."""
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))

    def score(batch: pa.RecordBatch) -> npt.NDArray[Any]:
        parts = []
        for start in range(0, batch.num_rows, _AT_ONCE):
            records = tf.constant(to_examples(batch.slice(start, _AT_ONCE)))
            found = model.signatures["serving_default"](examples=records)[PREDICTION].numpy()
            parts.append(found.reshape(len(found), -1))
        return np.concatenate(parts)

    return score
