"""The Open Inference Protocol, version 2, over gRPC: GRPCInferenceService, as KServe's and Triton's clients call it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc

import pipeline
from pipeline.serving.server.calls import name_call
from pipeline.serving.server.grpc_api import Services
from pipeline.serving.server.grpc_methods import method
from pipeline.serving.server.models import Models
from pipeline.serving.server.paths import Target
from pipeline.serving.server.refusal import Refusal, invalid
from pipeline.serving.server.tensors import Array
from pipeline.serving.server.v2 import EXTENSIONS, V2, datatype_of, named
from pipeline.serving.server.v2_binary import content_of, text_of, values_of
from pipeline.serving.server.v2_messages import SERVICE, message

_FIELDS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""Of InferTensorContents, by datatype. FP16 has none: it travels raw."""


class OpenInference:
    """A method for each of the service's.

    Args:
        services: count, log and guard requests.
    """

    def __init__(self, models: Models, v2: V2, services: Services) -> None:
        self._models, self._v2, self._services = models, v2, services

    def handlers(self) -> Any:
        """Return what a server of gRPC is given."""
        by_name: Mapping[str, Callable[[Any, Any], Awaitable[Any]]] = {
            "ServerLive": self._live, "ServerReady": self._ready, "ServerMetadata": self._about_server,
            "ModelReady": self._model_ready, "ModelMetadata": self._about_model, "ModelInfer": self._infer,
        }  # fmt: skip
        methods = {
            name: method(answer, message(f"{name}Request"), message(f"{name}Response"))
            for name, answer in by_name.items()
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def _live(self, _request: Any, _context: Any) -> Any:
        return message("ServerLiveResponse")(live=True)

    async def _ready(self, _request: Any, _context: Any) -> Any:
        return message("ServerReadyResponse")(ready=self._models.ready)

    async def _about_server(self, _request: Any, _context: Any) -> Any:
        return message("ServerMetadataResponse")(name="longhaul", version=pipeline.__version__, extensions=EXTENSIONS)

    async def _model_ready(self, request: Any, context: Any) -> Any:
        async def answer() -> tuple[Any, int]:
            try:
                self._models.find(_target(request.name, request.version))
            except Refusal:
                return message("ModelReadyResponse")(ready=False), 0
            return message("ModelReadyResponse")(ready=True), 0

        return await self._services.counted("ModelReady", request.name, context, answer)

    async def _about_model(self, request: Any, context: Any) -> Any:
        async def answer() -> tuple[Any, int]:
            told = self._v2.described(_target(request.name, request.version))
            return message("ModelMetadataResponse")(**told), 0

        return await self._services.counted("ModelMetadata", request.name, context, answer)

    async def _infer(self, request: Any, context: Any) -> Any:
        return await self._services.counted("ModelInfer", request.model_name, context, lambda: self._inferred(request))

    async def _inferred(self, request: Any) -> tuple[Any, int]:
        model = self._models.find(_target(request.model_name, request.model_version))
        name_call(request.id)
        plain = {
            "id": request.id,
            "parameters": _parameters(request),
            "inputs": [
                {"name": one.name, "datatype": one.datatype, "shape": list(one.shape), "data": data}
                for one, data in zip(request.inputs, _data(request), strict=True)
            ],
            "outputs": [{"name": one.name} for one in request.outputs],
        }
        answer = await self._v2.ask(model, plain, named(plain, "inputs"), request.ByteSize())
        found = message("ModelInferResponse")(model_name=model.name, model_version=str(answer.version), id=request.id)
        datatypes = {name: datatype_of(name, array) for name, array in answer.outputs.items()}
        raw = bool(request.raw_input_contents) or not _FIELDS.keys() >= {*datatypes.values()}
        for name, array in answer.outputs.items():
            one = found.outputs.add(name=name, datatype=datatypes[name], shape=array.shape)
            if raw:
                found.raw_output_contents.append(content_of(array))
            else:
                getattr(one.contents, _FIELDS[datatypes[name]]).extend(_plain(array))
        return found, answer.rows


def _plain(array: Array) -> Sequence[Any]:
    values: list[Any] = array.ravel().tolist()
    return values


def _target(name: str, version: str) -> Target:
    if version and not (version.isascii() and version.isdigit() and len(version) <= 18):
        raise invalid(f"a version is a number; the request names {version[:40]!r}")
    return Target(name, int(version) if version else None, None, "infer")


def _parameters(holder: Any) -> dict[str, Any]:
    found = {one.key: (one.value, one.value.WhichOneof("parameter_choice")) for one in holder.parameters}
    return {key: getattr(value, choice) for key, (value, choice) in found.items() if choice}


def _data(request: Any) -> list[list[Any] | Array]:
    """Return the values of each input: all come raw, or none does."""
    raw = request.raw_input_contents
    if not raw:
        return [_contents(one) for one in request.inputs]
    if len(raw) != len(request.inputs):
        raise invalid(f"raw_input_contents has {len(raw)} tensors, inputs has {len(request.inputs)}")
    return [values_of(one.name, one.datatype, content) for one, content in zip(request.inputs, raw, strict=True)]


def _contents(one: Any) -> list[Any] | Array:
    if (field := _FIELDS.get(one.datatype)) is None:
        raise invalid(f"the input {one.name!r} has the datatype {one.datatype[:40]!r}, which comes raw or not at all")
    values = list(getattr(one.contents, field))
    return [text_of(one.name, value) for value in values] if one.datatype == "BYTES" else values
