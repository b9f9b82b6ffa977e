"""TensorProto to NumPy and back, as tf.make_ndarray and tf.make_tensor_proto do it."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from pipeline.serving.server.refusal import invalid
from pipeline.serving.server.tensors import (
    BOOL,
    DOUBLE,
    FLOAT,
    HALF,
    INT8,
    INT16,
    INT32,
    INT64,
    KINDS,
    STRING,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    Array,
    check_dimensions,
)  # fmt: skip

_COMPLEX64, _COMPLEX128 = 8, 18
_FIELDS = {
    FLOAT: "float_val", DOUBLE: "double_val", INT32: "int_val", INT16: "int_val", INT8: "int_val", UINT8: "int_val",
    STRING: "string_val", INT64: "int64_val", BOOL: "bool_val", UINT32: "uint32_val", UINT64: "uint64_val",
    UINT16: "int_val", HALF: "half_val", _COMPLEX64: "scomplex_val", _COMPLEX128: "dcomplex_val",
}  # fmt: skip
_KINDS = {dtype: np.dtype(kind) for dtype, (_, kind) in KINDS.items()}
_KINDS |= {_COMPLEX64: np.dtype(np.complex64), _COMPLEX128: np.dtype(np.complex128)}
_TYPES = {kind: dtype for dtype, kind in _KINDS.items()}
_PARTS = {HALF: np.uint16, _COMPLEX64: np.float32, _COMPLEX128: np.float64}
"""What travels in place of a value: its bits, or its real and its imaginary part."""
_NARROW = (INT16, INT8, UINT8, UINT16, *_PARTS)
"""They travel as int32, and wrap; or in parts."""
_FEW = 16
_MOST_VALUES = 1 << 24
_MOST_FILLED = 1 << 20
"""Values of a tensor of which fewer were sent: else a few bytes would take gigabytes."""


def to_column(tensor: Any) -> Array | list[Any]:
    """Return what `to_array` does; a few values, or texts, one a row, as a list, which is faster to make.

    Raises:
        Refusal: the message says of itself what does not hold.
    """
    dtype, dims = tensor.dtype, tensor.tensor_shape.dim
    if len(dims) == 1 and dtype in _FIELDS:
        rows, content = dims[0].size, tensor.tensor_content
        if content and dtype == DOUBLE and rows <= _FEW and len(content) == 8 * rows:
            return list(struct.unpack(f"<{rows}d", content))
        if not content and dtype not in _NARROW and (rows <= _FEW or dtype == STRING):
            values = getattr(tensor, _FIELDS[dtype])
            if len(values) == rows:
                return list(values)
    return to_array(tensor)


def to_array(tensor: Any) -> Array:
    """Return the array; a single value stands for all of its shape, as TensorFlow has it.

    Raises:
        Refusal: the message says of itself what does not hold.
    """
    shape, size = _shape_of(tensor)
    kind = _KINDS[tensor.dtype]
    if tensor.tensor_content and tensor.dtype != STRING:
        if len(tensor.tensor_content) != size * kind.itemsize:
            raise invalid(f"tensor_content has {len(tensor.tensor_content)} bytes, shape {shape} needs others")
        return np.frombuffer(tensor.tensor_content, kind).reshape(shape)
    values: Any = getattr(tensor, _FIELDS[tensor.dtype])
    if tensor.dtype in _PARTS:
        parts = np.array(values, np.int64 if tensor.dtype == HALF else _PARTS[tensor.dtype])
        if parts.nbytes and len(parts) * np.dtype(_PARTS[tensor.dtype]).itemsize % kind.itemsize:
            raise invalid(f"a tensor of complex numbers has {len(parts)} parts")
        values = parts.astype(_PARTS[tensor.dtype]).view(kind)
    if len(values) not in (size, 1) and not (0 < len(values) < size):
        raise invalid(f"a tensor of shape {shape} has {len(values)} values")
    found = np.empty(len(values), kind)
    found[:] = np.array(values, np.int64).astype(kind) if _FIELDS[tensor.dtype] == "int_val" else values
    return _filled(found, shape, size)


def _shape_of(tensor: Any) -> tuple[list[int], int]:
    """Return the shape, and how many values it has."""
    if tensor.dtype not in _KINDS:
        raise invalid(f"tensors of type {tensor.dtype} are not taken")
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    check_dimensions(len(shape))
    size = math.prod(shape)
    if min(shape, default=0) < 0 or tensor.tensor_shape.unknown_rank or size > _MOST_VALUES:
        raise invalid(f"a tensor of shape {shape} is not taken")
    return shape, size


def _filled(found: Array, shape: list[int], size: int) -> Array:
    """Return the array of this shape; the last value fills the rest."""
    if len(found) < size > _MOST_FILLED:
        raise invalid(f"a tensor of shape {shape} has {len(found)} values, and only {_MOST_FILLED} are filled up")
    if len(found) < size:
        found = np.concatenate([found, np.repeat(found[-1:], size - len(found))])
    return found[:size].reshape(shape)


def put(array: Array, tensor: Any) -> None:
    """Fill a TensorProto, with the values in their own field as TensorFlow Serving does."""
    tensor.dtype = _TYPES[array.dtype]
    for size in array.shape:
        tensor.tensor_shape.dim.add().size = size
    flat = array.ravel()
    if tensor.dtype in _PARTS:
        flat = flat.view(_PARTS[tensor.dtype])
    getattr(tensor, _FIELDS[tensor.dtype]).extend(flat.tolist())
