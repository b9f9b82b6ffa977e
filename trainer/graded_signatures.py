"""The signatures behind TensorFlow Serving's Classify and Regress: serialized tf.Examples in, classes or a number out.

classification  inputs: (batch,) -> classes: (batch, classes) text, scores: (batch, classes)
regression      inputs: (batch,) -> outputs: (batch,)

Names of inputs and outputs are what TensorFlow Serving asks for (tensorflow/core/.../signature_constants), those of the
signatures what TensorFlow's estimators called them. A model of two classes has both: `regression` is the probability of
the second. A request names one by `signature_name`, since `serving_default` is neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.artifact_names import PREDICTION
from trainer.features import Label

CLASSIFICATION, REGRESSION = "classification", "regression"
INPUTS, CLASSES, SCORES, OUTPUTS = "inputs", "classes", "scores", "outputs"


def graded_signatures(predict: Callable[[tf.Tensor], dict[str, tf.Tensor]], label: Label) -> dict[str, Any]:
    """Return the concrete functions that a model of this label has.

    Args:
        predict: a tf.function from serialized tf.Examples to the predictions; its graph is called, not copied.
    """

    @tf.function(autograph=False)
    def classify(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = predict(inputs)[PREDICTION]  # (batch, outputs)
        if label.task == "binary":
            scores = tf.concat([1 - scores, scores], axis=1)
        names = tf.constant([list(label.classes)])
        return {CLASSES: tf.repeat(names, tf.shape(scores)[0], axis=0), SCORES: scores}

    @tf.function(autograph=False)
    def regress(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUTS: predict(inputs)[PREDICTION][:, 0]}

    examples = tf.TensorSpec([None], tf.string, name=INPUTS)
    found = {}
    if label.task != "regression":
        found[CLASSIFICATION] = classify.get_concrete_function(examples)
    if label.task != "multiclass":
        found[REGRESSION] = regress.get_concrete_function(examples)
    return found
