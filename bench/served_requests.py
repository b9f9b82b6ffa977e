"""The same columns as requests of each protocol, as the benchmarks of serving send them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.serving.server.v2_messages import SERVICE, message


def v2_tensor(name: str, values: list[Any]) -> dict[str, Any]:
    """A column in the Open Inference Protocol."""
    kind = "BYTES" if isinstance(values[0], str) else "FP64"
    return {"name": name, "shape": [len(values)], "datatype": kind, "data": values}


def v2_bytes(columns: dict[str, list[Any]]) -> tuple[bytes, int]:
    """The same with the columns as bytes behind the JSON; and the size of that."""
    contents = [content(values) for values in columns.values()]
    inputs = []
    for (name, values), its in zip(columns.items(), contents, strict=True):
        tensor = v2_tensor(name, values)
        del tensor["data"]
        inputs.append(tensor | {"parameters": {"binary_data_size": len(its)}})
    head = as_json({"inputs": inputs})
    return head + b"".join(contents), len(head)


def content(values: list[Any]) -> bytes:
    """A column as bytes."""
    if not isinstance(values[0], str):
        return np.array(values, np.float64).tobytes()
    texts = [value.encode() for value in values]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def v2_grpc_request(name: str, columns: dict[str, list[Any]]) -> Any:
    """The same as a ModelInferRequest."""
    request = message("ModelInferRequest")(model_name=name)
    for key, values in columns.items():
        tensor = v2_tensor(key, values)
        request.inputs.add(name=key, datatype=tensor["datatype"], shape=tensor["shape"])
        request.raw_input_contents.append(content(values))
    return request


def as_json(body: Any) -> bytes:
    """The body of a request."""
    return json.dumps(body).encode()


def _tensorflow_serving() -> tuple[str, Any]:
    from tensorflow_serving.apis import predict_pb2

    return "/tensorflow.serving.PredictionService/Predict", predict_pb2.PredictResponse


METHODS: dict[str, Callable[[], tuple[str, Any]]] = {
    "PredictRequest": _tensorflow_serving,
    "ModelInferRequest": lambda: (f"/{SERVICE}/ModelInfer", message("ModelInferResponse")),
}
"""By the class of the request: the method's path, and the class of its answer."""


def grpc_request(name: str, columns: dict[str, list[Any]]) -> Any:
    """The same as a PredictRequest."""
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, "serving_tensors"
    for key, values in columns.items():
        tensor = request.inputs[key]
        tensor.tensor_shape.dim.add().size = len(values)
        if isinstance(values[0], str):
            tensor.dtype = 7
            tensor.string_val.extend(value.encode() for value in values)
        else:
            tensor.dtype = 2
            tensor.tensor_content = np.array(values, np.float64).tobytes()
    return request
