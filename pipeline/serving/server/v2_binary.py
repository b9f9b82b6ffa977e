"""The binary data extension of the Open Inference Protocol: tensors as bytes behind the JSON, as Triton's clients send
them unless told otherwise (https://github.com/kserve/open-inference-protocol, extension_binary_data)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.serving.server.json_text import shown, whole
from pipeline.serving.server.refusal import invalid
from pipeline.serving.server.tensors import Array

_NUMPY = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
SIZE = "binary_data_size"
_LENGTH = struct.Struct("<I")
_FEW = 16
"""Of so many numbers Python's loop is faster than NumPy."""


def parted(body: bytes, json_size: bytes) -> tuple[bytes, bytes]:
    """Return the JSON of a request, and the bytes behind it.

    Args:
        json_size: the header inference-header-content-length; empty where all is JSON.

    Raises:
        Refusal: the header is no size within the body.
    """
    if not json_size:
        return body, b""
    if not json_size.isdigit() or int(json_size[:20]) > len(body):
        raise invalid(f"inference-header-content-length has to be 0 to {len(body)}, the size of the body")
    size = int(json_size)
    return body[:size], body[size:]


def filled(inputs: Sequence[dict[str, Any]], behind: bytes) -> list[dict[str, Any]]:
    """Return the tensors of a request, those with a binary size with their data from behind the JSON, in order.

    Raises:
        Refusal: sizes or bytes are not what a tensor needs.
    """
    found, at = [], 0
    for tensor in inputs:
        parameters = tensor.get("parameters")
        if isinstance(parameters, dict) and SIZE in parameters:
            size = parameters[SIZE]
            if not whole(size, 0, len(behind) - at):
                raise invalid(
                    f"the input {tensor['name']!r} says {SIZE} {shown(size)}; {len(behind) - at} bytes are left"
                )
            tensor = tensor | {"data": values_of(tensor["name"], tensor.get("datatype"), behind[at : at + size])}
            at += size
        found.append(tensor)
    if at != len(behind):
        raise invalid(f"{len(behind) - at} bytes behind the JSON belong to no input")
    return found


def values_of(name: str, datatype: object, content: bytes) -> list[Any] | Array:
    """Return the values of a tensor; more than a few numbers as an array.

    Raises:
        Refusal: there is no such datatype, or the bytes are none of it.
    """
    if datatype == "BYTES":
        return _texts(name, content)
    if not isinstance(datatype, str) or datatype not in _NUMPY:
        raise invalid(f"the input {name!r} has the datatype {shown(datatype)}, which there is not")
    kind = np.dtype(_NUMPY[datatype])
    if len(content) % kind.itemsize:
        raise invalid(f"the input {name!r} has {len(content)} bytes, which are no {datatype}")
    values = np.frombuffer(content, kind)
    return values if len(values) > _FEW else values.tolist()


def _texts(name: str, content: bytes) -> list[Any]:
    """Read texts, each behind its length of four bytes."""
    found = _alike(content) or _one_by_one(name, content)
    known = {text: text_of(name, text) for text in set(found)}  # a column's texts are few
    return [known[text] for text in found]


def _alike(content: bytes) -> list[bytes]:
    """Return texts that are of one length, as codes are, at once; nothing of others."""
    length = int.from_bytes(content[:4], "little")
    if not length or len(content) % (4 + length):
        return []
    pairs = np.frombuffer(content, [("length", "<u4"), ("text", f"S{length}")])
    if (pairs["length"] != length).any():
        return []
    found: list[bytes] = pairs["text"].tolist()
    return found if min(map(len, found)) == length else []  # NumPy takes zeros at the end away


def _one_by_one(name: str, content: bytes) -> list[bytes]:
    found, at, length_at = [], 0, _LENGTH.unpack_from
    try:
        while at < len(content):
            start = at + 4
            at = start + length_at(content, at)[0]
            found.append(content[start:at])
    except struct.error:  # less than a length is left
        at += 4
    if at > len(content):
        raise invalid(f"the input {name!r} ends within a text")
    return found


def text_of(name: str, content: bytes) -> str:
    """Return the text that bytes are.

    Raises:
        Refusal: they are none.
    """
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise invalid(f"the input {name!r} has a text that is no UTF-8") from None


def is_wanted(request: Mapping[str, Any], name: str) -> bool:
    """Return whether a request wants an output as bytes: it says so of the output, or of all."""
    said: list[Any] = [one for one in request.get("outputs") or () if isinstance(one, dict) and one.get("name") == name]
    for holder, key in (*((one, "binary_data") for one in said), (request, "binary_data_output")):
        parameters = holder.get("parameters")
        if isinstance(parameters, dict) and key in parameters:
            return bool(parameters[key])
    return False


def content_of(array: Array) -> bytes:
    """Return an output as bytes."""
    if array.dtype == object:
        return b"".join(struct.pack("<I", len(value)) + value for value in array.ravel())
    return array.astype(array.dtype.newbyteorder("<")).tobytes()
