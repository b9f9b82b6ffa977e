"""Writes answers as TensorFlow Serving does: the same keys, digits and line breaks (json_tensor.cc, by rapidjson's
PrettyWriter)."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.serving.server.json_text import one_key, quoted
from pipeline.serving.server.numbers_text import decimals
from pipeline.serving.server.refusal import invalid

Array = npt.NDArray[Any]
_STEP = "    "


def predictions(outputs: Mapping[str, Array]) -> bytes:
    """Return the answer to `instances`: a value an instance, or an object where there are several outputs.

    Raises:
        Refusal: the outputs are not one row an instance.
    """
    names = sorted(outputs)
    _check_rows(outputs, names)
    rows = [_rows(name, outputs[name]) for name in names]
    if len(names) == 1:
        items = ", ".join(rows[0])
    else:
        keys = [f"\n{_STEP * 3}{quoted(name)}: " for name in names]
        objects = (
            f"\n{_STEP * 2}{{{','.join(key + value for key, value in zip(keys, row, strict=True))}\n{_STEP * 2}}}"
            for row in zip(*rows, strict=True)
        )
        items = ",".join(objects)
    return one_key("predictions", f"[{items}\n{_STEP}]" if items else "[]")


def _check_rows(outputs: Mapping[str, Array], names: Sequence[str]) -> None:
    sizes: list[int] = []
    for name in names:
        if outputs[name].ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if sizes and len(outputs[name]) != sizes[0]:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(outputs[name])} expecting: {sizes[0]}"
            )
        sizes.append(len(outputs[name]))


def columns(outputs: Mapping[str, Array]) -> bytes:
    """Return the answer to `inputs`: the output, or an object of outputs where there are several."""
    names = sorted(outputs)
    if len(names) == 1:
        return one_key("outputs", _broken(names[0], outputs[names[0]], 1))
    lines = ",".join(f"\n{_STEP * 2}{quoted(name)}: {_broken(name, outputs[name], 2)}" for name in names)
    return one_key("outputs", f"{{{lines}\n{_STEP}}}")


def classes(labels: Array | None, scores: Array | None) -> bytes:
    """Return the answer to a classification: for each example a list of label and score."""
    some = labels if labels is not None else scores
    assert some is not None
    shape = some.shape
    names = [quoted("")] * some.size if labels is None else _texts("", labels.ravel())
    numbers = ["0.0"] * some.size if scores is None else decimals(scores.ravel())
    pairs = np.array([f"[{name}, {number}]" for name, number in zip(names, numbers, strict=True)], object)
    rows = [f"[{', '.join(row)}]" for row in pairs.reshape(shape)]
    return one_key("results", f"[{', '.join(rows)}\n{_STEP}]")


def numbers(values: Array) -> bytes:
    """Return the answer to a regression: a number for each example."""
    return one_key("results", f"[{', '.join(decimals(values.ravel()))}]")


def _rows(name: str, array: Array) -> list[str]:
    """Return each row of an array in one line."""
    texts = _texts(name, array.ravel())
    for size in array.shape[:0:-1]:
        texts = [f"[{', '.join(texts[at : at + size])}]" for at in range(0, len(texts), size)] if size else []
    return texts if array.size or array.ndim < 2 else [_empty(array.shape[1:])] * len(array)


def _empty(shape: tuple[int, ...]) -> str:
    inner = "" if len(shape) == 1 or not shape[0] else ", ".join([_empty(shape[1:])] * shape[0])
    return f"[{inner}]"


def _broken(name: str, array: Array, level: int) -> str:
    """Return an array with a line for each value."""
    texts = _texts(name, array.ravel())
    for axis in reversed(range(array.ndim)):
        size, inner, end = array.shape[axis], f"\n{_STEP * (level + axis + 1)}", f"\n{_STEP * (level + axis)}]"
        if size == 1:
            texts = [f"[{inner}{text}{end}" for text in texts]
        elif size:
            parts = (texts[at : at + size] for at in range(0, len(texts), size))
            texts = [f"[{','.join([inner + text for text in part])}{end}" for part in parts]
        else:
            texts = ["[]"] * math.prod(array.shape[:axis])
    return texts[0] if texts else "[]"


def _texts(name: str, flat: Array) -> list[str]:
    """Return each value; text of an output whose name ends in _bytes as base64."""
    if flat.dtype.kind == "f":
        return decimals(flat)
    if flat.dtype.kind == "b":
        return ["true" if value else "false" for value in flat]
    if flat.dtype.kind in "iu":
        return list(map(str, flat.tolist()))
    if flat.dtype != object:
        raise invalid(f"Failed to write JSON value for tensor type: {flat.dtype}")
    if name.endswith("_bytes"):
        return [f'{{"b64": "{base64.b64encode(value).decode()}"}}' for value in flat]
    return [quoted(value.decode(errors="replace")) for value in flat]
