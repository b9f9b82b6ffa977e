"""The network as a LiteRT (TensorFlow Lite) file, for devices without TensorFlow.

It takes the network's inputs, not raw rows: vocabularies are string operations, which LiteRT has only with TensorFlow's
own kernels (https://ai.google.dev/edge/litert/models/ops_select). `transform_features` of the SavedModel gives them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.artifact_names import PREDICTION

LITERT_FILE = "assets.extra/network.tflite"
"""Below the SavedModel."""


def convert(network: keras.Model, how: str) -> bytes:
    """Return the file's content.

    Args:
        how: "none", "float16" or "int8": how its weights are stored.
    """
    trainable = [np.asarray(variable) for variable in network.trainable_variables]
    fixed = [np.asarray(variable) for variable in network.non_trainable_variables]

    def predict(inputs: dict[str, Any]) -> dict[str, Any]:
        # As constants: the converter of TensorFlow 2.21 loses the variables of a Keras 3 network and then gives NaN.
        weights = [[tf.constant(array) for array in arrays] for arrays in (trainable, fixed)]
        outputs, _ = network.stateless_call(*weights, inputs, training=False)
        return {PREDICTION: outputs}

    inputs = {
        tensor.name: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype, name=tensor.name)
        for tensor in network.inputs
    }
    function = tf.function(predict).get_concrete_function(inputs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    if how != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if how == "float16":
        converter.target_spec.supported_types = [tf.float16]
    content: bytes = converter.convert()
    return content


def run(content: bytes, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return predictions (rows, outputs) of a LiteRT file.

    Args:
        inputs: the network's, (rows, ...) each.
    """
    with warnings.catch_warnings():
        # It speaks of a deletion "in TF 2.20"; when a later TensorFlow does without, ai_edge_litert.interpreter has it.
        warnings.simplefilter("ignore", UserWarning)
        runner = tf.lite.Interpreter(model_content=content).get_signature_runner()
    expected = runner.get_input_details()
    given = {name: np.asarray(values, expected[name]["dtype"]) for name, values in inputs.items()}
    predictions: npt.NDArray[Any] = runner(**given)[PREDICTION]
    return predictions
