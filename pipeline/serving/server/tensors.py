"""The tensors of a JSON request, as TensorFlow Serving reads them (json_tensor.cc): `instances` row by row, or `inputs`
column by column.

Most requests hold one plain value in every place; those are read column by column at once. Whatever is odd goes a
second time through the slow way, which knows what TensorFlow Serving says to it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.serving.server.json_text import shown, type_name, whole
from pipeline.serving.server.refusal import Code, Refusal, invalid

FLOAT, DOUBLE, INT32, UINT8, INT16, INT8, STRING, INT64, BOOL = 1, 2, 3, 4, 5, 6, 7, 9, 10
UINT16, HALF, UINT32, UINT64 = 17, 19, 22, 23
"""DataTypes of TensorFlow (tensorflow/core/framework/types.proto)."""
KINDS: dict[int, tuple[str, Any]] = {
    FLOAT: ("float", np.float32), DOUBLE: ("double", np.float64), INT32: ("int32", np.int32),
    UINT8: ("uint8", np.uint8), INT16: ("int16", np.int16), INT8: ("int8", np.int8), STRING: ("string", object),
    INT64: ("int64", np.int64), BOOL: ("bool", np.bool_), UINT32: ("uint32", np.uint32), UINT64: ("uint64", np.uint64),
    UINT16: ("uint16", np.uint16), HALF: ("half", np.float16),
}  # fmt: skip
"""TensorFlow's name of each, and NumPy's type."""
_BOUNDS = {INT64: (-(2**63), 2**63 - 1), UINT32: (0, 2**32 - 1), UINT64: (0, 2**64 - 1)}
_INT = (-(2**31), 2**31 - 1)
_NUMBERS: frozenset[type] = frozenset({int, float})
PLAIN: dict[int, frozenset[type]] = {
    FLOAT: _NUMBERS, DOUBLE: _NUMBERS, HALF: _NUMBERS, STRING: frozenset({str}), BOOL: frozenset({bool}),
}  # fmt: skip
"""Types of the values of JSON that a DataType takes as they are."""

_TYPES: dict[str, type] = {"i": int, "u": int, "f": float, "b": bool, "O": object}
"""Of the values of an array, by the kind of its dtype."""

MOST_DIMENSIONS = 31
"""Of what one row gives; NumPy takes one more, and no model so many."""

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
Columns = Mapping[str, "Array | list[Any]"]
"""What a model is asked: an array by input, or a list of a value for each row, which is made one when it is asked."""


def from_instances(instances: Sequence[Any], inputs: Mapping[str, int]) -> Arrays:
    """Return an array by input, (instances, ...).

    Args:
        instances: not empty.
        inputs: DataType by name.

    Raises:
        Refusal: a value is not what the input takes.
    """
    if not isinstance(instances[0], dict) and len(inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    return _at_once(instances, inputs) or _one_by_one(instances, inputs)


def _at_once(instances: Sequence[Any], inputs: Mapping[str, int]) -> Arrays | None:
    """Return the arrays if all is plain; None if not."""
    found = {}
    try:
        if set(map(len, instances)) != {len(inputs)}:
            return None
        for name, dtype in inputs.items():
            array = plain_column([row[name] for row in instances], dtype)
            if array is None:
                return None
            found[name] = array
    except (TypeError, KeyError):
        return None
    return found


def plain_column(values: Sequence[Any] | Array, dtype: int) -> Array | None:
    """Return values of the right types as an array; None if one is odd."""
    return as_array(values, dtype) if is_plain(values, dtype) else None


def is_plain(values: Sequence[Any] | Array, dtype: int) -> bool:
    """Return whether all values are of the right type."""
    types = types_of(values)
    if dtype not in KINDS:
        return False
    if dtype in PLAIN:
        return types <= PLAIN[dtype]
    if types != {int} or not len(values):
        return False
    least, most = _BOUNDS.get(dtype, _INT)
    if isinstance(values, np.ndarray):
        return bool(least <= values.min() and values.max() <= most)
    return least <= min(values) and max(values) <= most


def types_of(values: Sequence[Any] | Array) -> set[type]:
    """Return the types of values, as those of JSON are named."""
    return {_TYPES[values.dtype.kind]} if isinstance(values, np.ndarray) else set(map(type, values))


def as_array(values: Sequence[Any] | Array, dtype: int) -> Array:
    """Return a flat array; a number beyond float32 is infinite."""
    if dtype == STRING:
        texts = np.empty(len(values), object)
        texts[:] = values
        return texts
    if dtype not in (FLOAT, DOUBLE, HALF):
        wide = np.array(values, np.uint64 if dtype == UINT64 else np.int64 if dtype != BOOL else np.bool_)
        return wide.astype(KINDS[dtype][1])  # wraps, as a cast of C++ does
    with np.errstate(over="ignore"):
        return np.array(values, np.float64).astype(KINDS[dtype][1], copy=False)


def _one_by_one(instances: Sequence[Any], inputs: Mapping[str, int]) -> Arrays:
    are_objects = _is_object(instances[0])
    values: dict[str, list[Any]] = {name: [] for name in inputs}
    shapes: dict[str, tuple[int, ...]] = {}
    for place, instance in enumerate(instances):
        if _is_object(instance) != are_objects:
            what = "object but got list" if are_objects else "value/list but got object"
            raise invalid(f"Expecting {what} at item {place} of input list")
        if not are_objects:
            _add(f"Failed to process element: {place}", instance, next(iter(inputs)), inputs, shapes, values)
            continue
        for name, value in instance.items():
            _add(f"Failed to process element: {place} key: {name}", value, name, inputs, shapes, values)
        if instance.keys() != inputs.keys():
            raise invalid(
                f"Failed to process element: {place} of 'instances' list. JSON object: {shown(instance)} keys must be "
                f"equal to: {','.join(sorted(inputs))}"
            )
    return {
        name: as_array(values[name], dtype).reshape(len(instances), *shapes[name]) for name, dtype in inputs.items()
    }


def _add(
    where: str, value: Any, name: str, inputs: Mapping[str, int], shapes: dict[str, Any], values: dict[str, list[Any]]
) -> None:
    try:
        if name not in inputs:
            raise invalid(f"JSON object: does not have named input: {name}")
        shape, before = _shape(value), len(values[name])
        _fill(value, 0, shape, inputs[name], values[name])
        size = len(values[name]) - before
        known = shapes.setdefault(name, shape)
        expected = int(np.prod(known))
        if size != expected:
            raise invalid(f"Expecting tensor size: {expected} but got: {size}")
        if shape != known:
            raise invalid(f"Expecting shape {_bracketed(known)} but got: {_bracketed(shape)}")
    except Refusal as refusal:
        raise invalid(f"{where} of 'instances' list. Error: {refusal.code.name}: {refusal.message}") from None


def from_inputs(given: Any, inputs: Mapping[str, int]) -> Arrays:
    """Return an array by input of the column format; names that the signature does not have are left alone.

    Raises:
        Refusal: one is missing, or a value is not what the input takes.
    """
    if not _is_object(given):
        if len(inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        return {name: _tensor(given, dtype) for name, dtype in inputs.items()}
    found = {}
    for name, dtype in inputs.items():
        if name not in given:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        found[name] = _tensor(given[name], dtype)
    return found


def _tensor(value: Any, dtype: int) -> Array:
    if type(value) is list:
        plain = plain_column(value, dtype)
        if plain is not None:
            return plain
    values: list[Any] = []
    shape = _shape(value)
    _fill(value, 0, shape, dtype, values)
    return as_array(values, dtype).reshape(shape)


def _shape(value: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    check_dimensions(len(shape))
    return tuple(shape)


def check_dimensions(number: int) -> None:
    """Check that an array can have so many dimensions.

    Raises:
        Refusal: it cannot.
    """
    if number > MOST_DIMENSIONS:
        raise invalid(f"a tensor of {number} dimensions is not taken: {MOST_DIMENSIONS} are allowed")


def _fill(value: Any, level: int, shape: tuple[int, ...], dtype: int, values: list[Any]) -> None:
    """Add the values to the list, row by row.

    Raises:
        Refusal: there is another kind of value, or the lists are not all of one length.
    """
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        values.append(_value(value, dtype))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for item in value:
        _fill(item, level + 1, shape, dtype, values)


def _value(value: Any, dtype: int) -> Any:
    if isinstance(value, dict):
        if dtype == STRING:
            return decoded(value)
        raise _odd(value, dtype)
    if dtype not in KINDS:
        raise Refusal(Code.UNIMPLEMENTED, f"Conversion of JSON Value: {shown(value)} to type: {dtype}")
    fits = type(value) in PLAIN[dtype] if dtype in PLAIN else whole(value, *_BOUNDS.get(dtype, _INT))
    if not fits:
        raise _odd(value, dtype)
    return value


def _odd(value: Any, dtype: int) -> Refusal:
    kind = KINDS[dtype][0] if dtype in KINDS else str(dtype)
    return invalid(f"JSON Value: {shown(value)} Type: {type_name(value)} is not of expected type: {kind}")


def is_base64(value: Any) -> bool:
    """Return whether it is an object that stands for bytes: {"b64": "..."}, with nothing else."""
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def decoded(value: Any) -> bytes:
    """Return the bytes that an object stands for.

    Raises:
        Refusal: it stands for none.
    """
    if not is_base64(value):
        raise invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    text = "".join(value["b64"].split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _bracketed(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"
