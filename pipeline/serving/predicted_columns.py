"""What a prediction adds to a row: the columns' names and values.

    binary      predicted_<label>   the class: the positive one from the model's threshold on, see decision.threshold
                probability_<label>_<positive class>
    multiclass  predicted_<label>   the likeliest class
                probability_<label>   its probability
                probability_<label>_<class>   of every class
    regression  predicted_<label>   the number

A class is what `data.classes` names: text, or a whole number (0 and 1 for booleans) where the label is stored as one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from trainer.features import Label, Storage


def predicted_names(label: Label) -> list[str]:
    """Return the names, in order."""
    classes = {"binary": label.classes[1:], "multiclass": label.classes, "regression": ()}[label.task]
    return [
        f"predicted_{label.name}",
        *([f"probability_{label.name}"] if label.task == "multiclass" else []),
        *(f"probability_{label.name}_{name}" for name in classes),
    ]


def predicted_columns(label: Label, scores: npt.NDArray[Any], threshold: float) -> list[pa.Array]:
    """Return the values, in the order of the names.

    Args:
        scores: (rows, outputs), what the model's signatures give: the positive class' probability, one probability
            per class, or the number.
        threshold: of a binary task, the probability from which on the class is the positive one.
    """
    if label.task == "regression":
        return [pa.array(scores[:, 0])]
    if label.task == "binary":
        positive = scores[:, 0]
        flagged = positive.astype(np.float64) >= threshold  # else the threshold would be rounded as the scores are
        return [_classes(label, flagged.astype(np.int64)), pa.array(positive)]
    likeliest = scores.argmax(axis=1)
    return [
        _classes(label, likeliest),
        pa.array(scores.max(axis=1)),
        *(pa.array(np.ascontiguousarray(column)) for column in scores.T),
    ]


def _classes(label: Label, indices: npt.NDArray[np.int64]) -> pa.Array:
    classes = pa.array(label.classes)
    return (classes.cast(pa.int64()) if label.storage is Storage.INT else classes).take(pa.array(indices))
