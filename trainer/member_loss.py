"""The loss of a network of several members, of whose classes some may count for more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy.typing as npt
from keras import ops


def member_loss(loss: str, unit: float = 1.0, weights: npt.NDArray[Any] | None = None) -> Callable[[Any, Any], Any]:
    """Return the loss of the mean answer, (batch, outputs), or of each member's while learning, (batch, members,
    outputs); of amounts in `unit`, and with a weight for each class, (classes,), of labels that are numbers of
    classes."""
    of_answers = keras.losses.get(loss)

    def of_members(labels: Any, answers: Any) -> Any:
        labels = ops.reshape(labels, (-1, labels.shape[1] if len(labels.shape) == 2 else 1))
        if len(answers.shape) == 3:
            labels = ops.repeat(labels[:, None], answers.shape[1], axis=1)
        if unit != 1:
            labels, answers = labels / unit, answers / unit
        losses = of_answers(labels, answers)  # (batch,) or (batch, members); Keras takes the mean
        if weights is None:
            return losses
        return losses * ops.take(ops.convert_to_tensor(weights, "float32"), ops.cast(labels[..., 0], "int32"))

    return of_members
