"""The examples of a classification or a regression over REST, as serialized tf.Examples (json_tensor.cc)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.serving.server.json_text import shown, type_name
from pipeline.serving.server.refusal import Refusal, invalid, too_many_rows
from pipeline.serving.server.tensors import decoded, is_base64

_INT64_END, _UINT64_END = 2**63, 2**64
_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def from_request(request: Mapping[str, Any], most_rows: int, most_bytes: int) -> list[bytes]:
    """Return each example of a request, the context's features put into each.

    Args:
        most_bytes: of all of them, with the context in each.

    Raises:
        Refusal: there is none, or one cannot be told as a tf.Example.
    """
    from tensorflow.core.example import example_pb2

    context = _features(request["context"]) if "context" in request else {}
    if "examples" not in request:
        raise invalid(
            f"JSON Value: {shown(request)} When method is classify, key 'examples' is expected and was not found"
        )
    examples = request["examples"]
    if not isinstance(examples, list):
        raise invalid(f"JSON Value: {shown(request)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid(f"JSON Value: {shown(request)} 'examples' value is an empty array")
    if len(examples) > most_rows:
        raise too_many_rows(len(examples), most_rows)
    found, left = [], most_bytes
    for each in examples:
        example = example_pb2.Example()
        for name, (kind, values) in {**context, **_features(each)}.items():
            feature = example.features.feature[name]
            if kind:
                getattr(feature, kind).value.extend(values)
        found.append(example.SerializeToString())
        left -= len(found[-1])
        if left < 0:
            raise too_large(most_bytes)
    return found


def too_large(most: int) -> Refusal:
    """Return the answer to examples that are too large with the context in each."""
    return invalid(f"the examples are too large with their context in each: {most} bytes are allowed")


def _features(example: Any) -> dict[str, tuple[str, list[Any]]]:
    """Return kind and values of each feature of one object; no kind where a list is empty."""
    if not isinstance(example, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(example)}")
    return {
        name: _feature(name, content if isinstance(content, list) else [content]) for name, content in example.items()
    }


def _feature(name: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
    kind, found = "", []
    for value in values:
        its, plain = _element(name, value)
        if kind and its != kind:
            raise invalid(f"Unexpected element type in feature: {name} expecting type: {_KINDS[kind]}")
        kind = its
        found.append(plain)
    return kind, found


def _element(name: str, value: Any) -> tuple[str, Any]:
    if isinstance(value, bool):
        return "int64_list", int(value)
    if isinstance(value, str):
        return "bytes_list", value.encode()
    if is_base64(value):
        return "bytes_list", decoded(value)
    if isinstance(value, int) and value < _UINT64_END:
        if not -_INT64_END <= value < _INT64_END:
            raise invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
        return "int64_list", value
    if isinstance(value, (int, float)):
        return "float_list", float(value)
    raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")
