"""Texts over 1,024 bytes in statistics.

TFDV's sketch would count all of them as one value, `__LARGE_BYTES__`. So each stands there by its beginning and a
digest: two texts stay two.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_LONGEST = 1024
"""In bytes; tensorflow_data_validation.statistics.generators.top_k_uniques_sketch_stats_generator has this bound."""
_SHOWN = 200


def in_statistics(text: str) -> str:
    """Return a text as statistics name it: itself, if it is not too long."""
    return _brief(text.encode(errors="surrogateescape")).decode(errors="surrogateescape")


def is_shortened(text: str) -> bool:
    """Return whether a name in statistics stands for a longer text."""
    return text.endswith(_END) and _MARK in text


_MARK, _END = " … [sha256 ", "]"


def _brief(text: bytes) -> bytes:
    if len(text) <= _LONGEST:
        return text
    start = text[:_SHOWN].decode(errors="ignore")
    return f"{start}{_MARK}{hashlib.sha256(text).hexdigest()[:32]}{_END}".encode()


def shorten_in_lists(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows in TFDV's layout (trainer.rows) with long texts as statistics name them; others are not copied."""
    columns = [_shortened(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _shortened(lists: pa.Array) -> pa.Array:
    if not pa.types.is_large_binary(getattr(lists.type, "value_type", None) or pa.null()):
        return lists
    values = lists.values
    if (pc.max(pc.binary_length(values)).as_py() or 0) <= _LONGEST:
        return lists
    short = pa.array([None if value is None else _brief(value) for value in values.to_pylist()], values.type)
    valid = lists.is_valid().to_numpy(zero_copy_only=False)
    offsets = pa.array(lists.offsets.to_numpy(), pa.int64(), mask=np.append(~valid, False))
    return type(lists).from_arrays(offsets, short)
