"""The network as a LiteRT (TensorFlow Lite) file, for devices without TensorFlow.

It takes the network's inputs, not raw rows: vocabularies are string operations, which LiteRT has only with TensorFlow's
own kernels (https://ai.google.dev/edge/litert/models/ops_select). `transform_features` of the SavedModel gives them.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.artifact_names import PREDICTION
from trainer.quantize import is_large

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
    if how == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    content: bytes = converter.convert()
    return _with_float16(content) if how == "float16" else content


def _with_float16(content: bytes) -> bytes:
    """Store what `trainer.quantize` rounds as float16, which operators of the file unpack.

    The converter would round all others, too. Those include the edges of bins, which need the most precision.
    """
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    model.operatorCodes.append(code)
    (graph,) = model.subgraphs
    rounded: set[int] = set()  # tensors may share a buffer
    for place, tensor in enumerate(list(graph.tensors)):
        buffer = model.buffers[tensor.buffer]
        shape = [size for size in tensor.shape if size > 1]  # a vector may be kept as a matrix of one row
        if tensor.type != schema.TensorType.FLOAT32 or buffer.data is None or not is_large(shape):
            continue
        if tensor.buffer not in rounded:
            buffer.data = np.asarray(buffer.data).view(np.float32).astype(np.float16).view(np.uint8)
            rounded.add(tensor.buffer)
        small, unpack = copy.copy(tensor), schema.OperatorT()
        small.type = schema.TensorType.FLOAT16
        tensor.buffer = 0  # it has no data of its own: the operator fills it
        unpack.opcodeIndex, unpack.inputs, unpack.outputs = len(model.operatorCodes) - 1, [len(graph.tensors)], [place]
        graph.tensors.append(small)
        graph.operators.insert(0, unpack)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


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
