"""The Open Inference Protocol, version 2, over REST (https://github.com/kserve/open-inference-protocol)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np
import orjson

import pipeline
from pipeline.serving.server import rules, tensors
from pipeline.serving.server.calls import answering, name_call
from pipeline.serving.server.json_text import parse, shown, whole
from pipeline.serving.server.model import DEFAULT, TENSORS, LoadedModel
from pipeline.serving.server.models import Models
from pipeline.serving.server.paths import Target
from pipeline.serving.server.refusal import Code, Refusal, invalid
from pipeline.serving.server.rest import Rest, check_rows, rows_of
from pipeline.serving.server.tensors import Array, Arrays, Columns
from pipeline.serving.server.v2_binary import SIZE, content_of, filled, is_wanted, parted

PREFIX = re.compile(r"/v2(?:/.*)?", re.DOTALL)
_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([0-9]{1,18}))?(?:/(ready|infer))?/?")
DATATYPES = {
    tensors.BOOL: "BOOL", tensors.UINT8: "UINT8", tensors.UINT32: "UINT32", tensors.UINT64: "UINT64",
    tensors.INT8: "INT8", tensors.INT16: "INT16", tensors.INT32: "INT32", tensors.INT64: "INT64",
    tensors.UINT16: "UINT16", tensors.HALF: "FP16",
    tensors.FLOAT: "FP32", tensors.DOUBLE: "FP64", tensors.STRING: "BYTES",
}  # fmt: skip
NUMBERS = {"FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
_UNKNOWN = "which the Open Inference Protocol does not have"
_BY_NUMPY = {np.dtype(tensors.KINDS[dtype][1]): name for dtype, name in DATATYPES.items()}


EXTENSIONS = ("binary_tensor_data",)


class Answered(NamedTuple):
    """Which version answered, what was wanted of it, and how many rows were asked."""

    version: int
    outputs: Arrays
    rows: int


class V2:
    """The protocol's paths."""

    def __init__(self, models: Models, rest: Rest) -> None:
        self._models, self._rest = models, rest

    @staticmethod
    @lru_cache(maxsize=1024)
    def target(path: str) -> Target | None:
        """Return the model that a path is about; None of the server itself.

        Raises:
            Refusal: there is no such path.
        """
        if path.rstrip("/") in ("/v2", "/v2/health/live", "/v2/health/ready"):
            return None
        found = _PATH.fullmatch(path)
        if found is None:
            raise Refusal(Code.NOT_FOUND, f"there is no {path} in the Open Inference Protocol")
        name, version, method = found.groups()
        return Target(unquote(name), int(version) if version else None, None, method or "metadata")

    def about_server(self, path: str, draining: bool) -> tuple[int, bytes]:
        """Return status and answer to a path that names no model."""
        if path.endswith("live"):
            return 200, orjson.dumps({"live": True})
        if path.endswith("ready"):
            ready = self._models.ready and not draining
            return 200 if ready else 503, orjson.dumps({"ready": ready})
        return 200, orjson.dumps({"name": "longhaul", "version": pipeline.__version__, "extensions": EXTENSIONS})

    def about_model(self, target: Target) -> bytes:
        """Return what is told of a model.

        Raises:
            Refusal: it is not loaded.
        """
        model = self._models.find(target)
        if target.method == "ready":
            return orjson.dumps({"name": model.name, "ready": True})
        return orjson.dumps(self.described(target))

    def described(self, target: Target) -> dict[str, Any]:
        """Return the metadata of a model.

        Raises:
            Refusal: it is not loaded.
        """
        model = self._models.find(target)
        signature = model.signatures[_signature(model, {})]
        served = self._models.names[target.name]
        known = sorted({each.version for each in served.loaded if each})
        return {
            "name": model.name,
            "versions": list(map(str, known)),
            "platform": "tensorflow_savedmodel",
            "inputs": _described(signature.inputs),
            "outputs": _described(signature.outputs),
        }

    async def infer(
        self, target: Target, body: bytes, strict: bool, json_size: bytes = b""
    ) -> tuple[bytes, int, int | None]:
        """Return the answer to a request, how many rows it had, and how much of the answer is JSON if not all is.

        Args:
            json_size: the header inference-header-content-length of the request.

        Raises:
            Refusal: the request is wrong, or cannot be answered now.
        """
        model = self._models.find(target)
        head, behind = parted(body, json_size)
        request = parse(head)
        name_call(request.get("id"))
        found = await self.ask(model, request, filled(named(request, "inputs"), behind), len(body), strict)
        answer: dict[str, Any] = {"model_name": model.name, "model_version": str(found.version)}
        if isinstance(request.get("id"), str):
            answer["id"] = request["id"]
        answer["outputs"] = told = [_told(name, array) for name, array in found.outputs.items()]
        contents = {name: content_of(array) for name, array in found.outputs.items() if is_wanted(request, name)}
        for one in told:
            if one["name"] in contents:
                del one["data"]
                one["parameters"] = {SIZE: len(contents[one["name"]])}
        text = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        return text + b"".join(contents.values()), found.rows, len(text) if contents else None

    async def ask(
        self,
        model: LoadedModel,
        request: Mapping[str, Any],
        inputs: Sequence[Mapping[str, Any]],
        size: int,
        strict: bool = False,
    ) -> Answered:
        """Return what a request gets.

        Args:
            request: as JSON has it; inputs: its tensors, with their data.
            size: of it, in bytes.
            strict: the contract to the letter; also when the request's own parameters say `strict`.

        Raises:
            Refusal: it is wrong, or cannot be answered now.
        """
        parameters = request.get("parameters", {})
        if not isinstance(parameters, dict):
            raise invalid(f"'parameters' has to be an object; it is {shown(parameters)}")
        signature = _signature(model, parameters)
        given = {tensor["name"]: tensor for tensor in inputs}
        columns = _columns(model, signature, given, strict or _is_strict(parameters), self._rest.limits.rows)
        outputs = await self._rest.ask(model, signature, columns, size, "Predict")
        wanted = [one["name"] for one in named(request, "outputs")] if request.get("outputs") else sorted(outputs)
        if unknown := [name for name in wanted if name not in outputs]:
            raise invalid(f"there is no output {unknown[0]!r}; the outputs are {', '.join(sorted(outputs))}")
        return Answered(answering(model).version, {name: outputs[name] for name in wanted}, rows_of(columns))


def _signature(model: LoadedModel, parameters: Mapping[str, Any]) -> str:
    wanted = parameters.get("signature_name", TENSORS if TENSORS in model.signatures else DEFAULT)
    if not isinstance(wanted, str) or wanted not in model.signatures:
        raise invalid(f"the model has no signature {shown(wanted)}; it has {', '.join(sorted(model.signatures))}")
    return wanted


def _is_strict(parameters: Mapping[str, Any]) -> bool:
    wanted = parameters.get("strict", False)
    if not isinstance(wanted, bool):
        raise invalid(f"the parameter 'strict' is true or false; it is {shown(wanted)}")
    return wanted


def _described(infos: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "datatype": DATATYPES.get(info.dtype) or f"TensorFlow's type {info.dtype}",
            "shape": [dim.size for dim in info.tensor_shape.dim],
        }
        for name, info in sorted(infos.items())
    ]


def named(request: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the tensors of a list.

    Raises:
        Refusal: it is none, or one has no name, or that of another.
    """
    found = request.get(key)
    if not isinstance(found, list) or not found:
        raise invalid(f"'{key}' has to be a list of tensors; it is {shown(found)}")
    names = set()
    for each in found:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise invalid(f"each of '{key}' has to be an object with a name; one is {shown(each)}")
        if each["name"] in names:
            raise invalid(f"'{key}' has {each['name']!r} twice")
        names.add(each["name"])
    return found


def _columns(model: LoadedModel, signature: str, given: Mapping[str, Any], strict: bool, most_rows: int) -> Columns:
    """Return what is asked, by input of the signature."""
    inputs = model.inputs(signature)
    if unknown := [name for name in given if name not in inputs]:
        raise invalid(f"there is no input {unknown[0]!r}; the inputs are {', '.join(sorted(inputs))}")
    for name, tensor in given.items():
        _check_datatype(name, tensor.get("datatype"), inputs[name])
    if not strict and signature == TENSORS and model.rules:
        columns = {name: _flat(tensor) for name, tensor in given.items()}  # each of one value a row
        check_rows(columns.values(), most_rows)
        return rules.from_columns(columns, inputs, model.rules)
    if missing := sorted(inputs.keys() - given.keys()):
        raise invalid(f"the input {missing[0]!r} is missing")
    found = {}
    for name, dtype in inputs.items():
        values = _flat(given[name])
        plain = tensors.plain_column(values, dtype)
        if plain is None:
            raise invalid(f"{name} has values that are no {DATATYPES.get(dtype)}")
        one_column = model.signatures[signature].inputs[name].tensor_shape
        is_flat = not one_column.unknown_rank and len(one_column.dim) == 1
        found[name] = plain if is_flat else plain.reshape(given[name]["shape"])
    return found


def _check_datatype(name: str, datatype: Any, dtype: int) -> None:
    if (taken := DATATYPES.get(dtype)) is None:
        raise Refusal(Code.UNIMPLEMENTED, f"the input {name!r} is of TensorFlow's type {dtype}, {_UNKNOWN}")
    if datatype == taken or (datatype in NUMBERS and taken in NUMBERS):  # the values are checked by themselves
        return
    raise invalid(f"the input {name!r} takes {taken}; its datatype is {shown(datatype)}")


def _flat(tensor: Mapping[str, Any]) -> list[Any] | Array:
    """Return the data of a tensor, which may be flat or nested, if there is as much as its shape says."""
    shape, data = tensor.get("shape"), tensor.get("data")
    if not isinstance(shape, list) or not all(whole(size, 0, 2**31) for size in shape):
        raise invalid(f"the input {tensor['name']!r} needs a shape, a list of sizes; it has {shown(shape)}")
    if not isinstance(data, list | np.ndarray):
        raise invalid(f"the input {tensor['name']!r} needs data, a list; it has {shown(data)}")
    tensors.check_dimensions(len(shape))
    for _ in shape[1:]:
        if not len(data) or not isinstance(data[0], list):
            break
        data = [value for part in data for value in (part if isinstance(part, list) else [part])]
    if len(data) != math.prod(shape):
        raise invalid(
            f"the input {tensor['name']!r} has {len(data)} values, its shape {shape} needs {math.prod(shape)}"
        )
    return data


def datatype_of(name: str, array: Any) -> str:
    """Return the protocol's name of the type of an output.

    Raises:
        Refusal: it has none.
    """
    if (found := _BY_NUMPY.get(array.dtype)) is None:
        raise Refusal(
            Code.UNIMPLEMENTED, f"the output {name!r} is of type {array.dtype}, {_UNKNOWN}; name others in 'outputs'"
        )
    return found


def _told(name: str, array: Any) -> dict[str, Any]:
    flat: Sequence[Any] = array.ravel()
    if array.dtype == object:
        flat = [value.decode(errors="replace") for value in array.ravel()]
    return {"name": name, "datatype": datatype_of(name, array), "shape": list(array.shape), "data": flat}
