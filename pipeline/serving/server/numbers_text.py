"""Writes numbers as TensorFlow Serving does: six digits where they are enough, else nine or seventeen (json_tensor.cc,
WriteDecimal)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

_DIGITS = {"f4": 9, "f8": 17}
"""That tell every number of a type apart."""
_FEW = 16
"""Of so many numbers Python's loop is faster than NumPy."""


def decimals(values: npt.NDArray[Any]) -> list[str]:
    """Return each number of a flat array of float32 or float64."""
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    kind: Any = values.dtype.type
    if len(values) <= _FEW:
        return [_decimal(value, kind, _DIGITS[values.dtype.str[1:]]) for value in values.tolist()]
    wide = values.astype(np.float64)
    texts = (f"%.{_DIGITS[values.dtype.str[1:]]}g " * len(wide) % tuple(wide.tolist())).split()
    for place in np.flatnonzero(_may_be_short(wide, float(np.finfo(kind).tiny))).tolist():
        short = f"{wide[place]:.6g}"
        if kind(short) == values[place]:
            texts[place] = short
    return [text if "." in text or "e" in text else _marked(text) for text in texts]


def _decimal(value: float, kind: Any, digits: int) -> str:
    short = f"{value:.6g}"
    text = short if kind(short) == kind(value) else f"{value:.{digits}g}"
    return text if "." in text or "e" in text else _marked(text)


def _may_be_short(wide: npt.NDArray[np.float64], tiny: float) -> npt.NDArray[np.bool_]:
    """Return a superset of those that six digits tell; of others only few.

    Args:
        tiny: below it numbers of the type have fewer digits.
    """
    with np.errstate(all="ignore"):
        unit = 10.0 ** (np.floor(np.log10(np.abs(wide))) - 5)
        return ~(np.abs(np.rint(wide / unit) * unit - wide) > np.abs(wide) * 1e-7) | (np.abs(wide) < tiny)


def _marked(text: str) -> str:
    """Return a whole number with a decimal point, or JavaScript's name of what is no number."""
    number = float(text)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return f"{text}.0"
