"""Classes that count alike in training, and probabilities that are honest all the same.

With weights a model learns a world in which no class is rarer than another: what it says there is too much for the rare
ones. By Bayes' rule its probabilities are those of the real world times the weights, so that dividing by them brings
the real ones back (Elkan: The Foundations of Cost-Sensitive Learning, IJCAI 2001, theorem 2).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def class_weights(labels: Array, classes: int, weights: Array | None = None) -> Array:
    """Return a weight for each class, (classes,), with which all of them count alike; over the rows their mean is 1.

    Args:
        labels: (rows,) numbers of classes. One without a row has the weight 1.
        weights: of the rows, (rows,), which those of the classes are multiplied with; None where all count alike.
    """
    rows = np.bincount(labels, weights, minlength=classes).astype(np.float64)
    present = rows > 0
    each = np.divide(rows.sum(), present.sum() * rows, out=np.ones(classes), where=present)
    return np.asarray(each)


def rows_weights(labels: Array, rows: Array, classes: Array | None, weights: Array | None) -> Array | None:
    """Return how much some rows count: by their own weights times those of their classes; None if all count alike.

    Args:
        labels: (all rows,); rows: numbers of some.
        classes: weights of the classes, (classes,); weights: of the rows, (all rows,).
    """
    if classes is None:
        return None if weights is None else weights[rows]
    of_class = classes[labels[rows]]
    return np.asarray(of_class if weights is None else of_class * weights[rows])


def restored(answers: Array, weights: Array | None) -> Array:
    """Return probabilities of the real world from those of a world with weights; without any they are the same.

    Args:
        answers: (rows,) of the second of two classes, or (rows, classes).
    """
    if weights is None:
        return answers
    if answers.ndim == 1:
        positive, negative = answers / weights[1], (1 - answers) / weights[0]
        return positive / (positive + negative)
    divided = answers / weights
    whole: Array = divided / divided.sum(axis=-1, keepdims=True)
    return whole


def restore_network(model: keras.Model, weights: Array | None) -> None:
    """Change a network that learned with weights so that its probabilities are those of the real world: of each member
    the biases of the last layer. Nothing without weights."""
    if weights is None:
        return
    binary = len(weights) == 2
    layer = model.get_layer("probability" if binary else "probabilities")
    shift = np.log(weights[1:] / weights[:1]) if binary else np.log(weights)  # (outputs,)
    layer.bias.assign(layer.bias - shift.astype(np.float32))
