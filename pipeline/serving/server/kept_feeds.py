"""A session that writes requests into memory which it keeps, where TensorFlow reads them.

To make a tensor of TensorFlow's for each of 37 inputs takes as long as the model itself, of one row. So the tensors of
each number of rows are made once, over one block of memory: a line a column. It is for inputs of one dimension, text or
float64, as `serving_tensors` of a model of ours has them; and only for such models: one from elsewhere might keep what
it is given.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping
from ctypes import CFUNCTYPE, c_int64, c_size_t, c_void_p
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.serving.cpp_session import Arrays, CppSession, library, text_views

MOST_ROWS = 1024
_ALIGNED = 64
"""Bytes, by which TensorFlow wants a tensor to begin."""
_LINE = MOST_ROWS + 8
"""Values of a line: were it a power of two, all columns would fight for the same lines of the cache."""
_SIZES = 64
"""Numbers of rows whose tensors are kept."""
_WORDS = 3
"""Of 64 bits, of a TF_TString."""
_DOUBLE, _STRING = 2, 7


@CFUNCTYPE(None, c_void_p, c_size_t, c_void_p)
def _stays(_data: int, _size: int, _argument: int) -> None:
    """Free nothing: the memory is the block's."""


_STAYS = ctypes.cast(_stays, c_void_p)


class KeptFeeds:
    """The memory of one signature's requests.

    Args:
        dtypes: DataType by input.
    """

    def __init__(self, dtypes: Mapping[str, int]) -> None:
        self._c, self._dtypes = library(), dtypes
        self._numbers = [name for name, dtype in dtypes.items() if dtype == _DOUBLE]
        self._texts = [name for name, dtype in dtypes.items() if dtype == _STRING]
        self._floats = _block(len(self._numbers), _LINE).view(np.float64)
        self._views = _block(len(self._texts), _LINE * _WORDS).reshape(-1, _LINE, _WORDS)
        self._by_rows: dict[int, Any] = {}
        self._content = b""
        self.lock = threading.Lock()

    def filled(self, inputs: Mapping[str, Any]) -> Any:
        """Return the tensors with the values in them, in the order of the inputs; None if these are of another form."""
        first = next(iter(inputs.values()))
        rows = len(first) if type(first) is list or first.ndim else 0
        if not 0 < rows <= MOST_ROWS or inputs.keys() != self._dtypes.keys():
            return None
        if not all(_fits(column, rows) for column in inputs.values()):
            return None
        self._put_numbers([inputs[name] for name in self._numbers], rows)
        self._put_texts([inputs[name] for name in self._texts], rows)
        return self._by_rows.get(rows) or self._made(rows)

    def _put_numbers(self, columns: list[Any], rows: int) -> None:
        if all(type(column) is list for column in columns):
            flat = np.fromiter(chain.from_iterable(columns), np.float64, rows * len(columns))
            self._floats[:, :rows] = flat.reshape(len(columns), rows)
            return
        for line, column in zip(self._floats, columns, strict=True):
            line[:rows] = column

    def _put_texts(self, columns: list[Any], rows: int) -> None:
        views, self._content = text_views(list(chain.from_iterable(columns)))
        self._views[:, :rows] = views.reshape(len(columns), rows, _WORDS)

    def _made(self, rows: int) -> Any:
        """Make the tensors of a number of rows; those of the first number go when there are too many."""
        if len(self._by_rows) == _SIZES:
            for tensor in self._by_rows.pop(next(iter(self._by_rows))):
                self._c.TF_DeleteTensor(tensor)
        lines = {name: (line.ctypes.data, rows * 8) for name, line in zip(self._numbers, self._floats, strict=True)}
        lines |= {
            name: (line.ctypes.data, rows * 8 * _WORDS) for name, line in zip(self._texts, self._views, strict=True)
        }
        made = [
            self._c.TF_NewTensor(dtype, (c_int64 * 1)(rows), 1, lines[name][0], lines[name][1], _STAYS, None)
            for name, dtype in self._dtypes.items()
        ]
        found = self._by_rows[rows] = (c_void_p * len(made))(*made)
        return found


def of(session: CppSession, signature: str) -> KeptFeeds | None:
    """Return the memory for a signature's requests; None if it has inputs of another form."""
    inputs = session.signature(signature).inputs
    flat = all(
        info.dtype in (_DOUBLE, _STRING) and not info.tensor_shape.unknown_rank and len(info.tensor_shape.dim) == 1
        for info in inputs.values()
    )
    return KeptFeeds({name: info.dtype for name, info in inputs.items()}) if flat and inputs else None


def ask(session: CppSession, signature: str, inputs: Mapping[str, Any], feeds: KeptFeeds | None) -> Arrays:
    """Return what the signature answers, by way of the kept memory if nobody else is using it now."""
    if feeds and feeds.lock.acquire(blocking=False):
        try:
            if (tensors := feeds.filled(inputs)) is not None:
                return session.answered(signature, tensors)
        finally:
            feeds.lock.release()
    return session.ask(signature, inputs)


def _fits(column: Any, rows: int) -> bool:
    return len(column) == rows if type(column) is list else bool(column.shape == (rows,))


def _block(lines: int, words: int) -> npt.NDArray[np.uint64]:
    """Return zeros, (lines, words), of which each line begins where a tensor may."""
    spare = _ALIGNED // 8
    memory = np.zeros(lines * words + spare, np.uint64)
    start = -memory.ctypes.data % _ALIGNED // 8
    return memory[start : start + lines * words].reshape(lines, words)
