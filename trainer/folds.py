"""Folds of the training rows, for what derived features learn of labels; see trainer.learned.

A row's fold is a hash of all that it is read with but its label. So Transform and Trainer agree on it, without a number
that a row would have to carry; and rows that are equal but for the label lie in one fold, and learn nothing of each
other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

FOLDS = 5
NO_FOLD = -1
"""Of a row that is not learned from."""
_MIX = np.uint64(0x9E3779B97F4A7C15)


def of_matrices(matrices: Mapping[str, pa.Array], rows: int) -> npt.NDArray[np.int64]:
    """Return the fold of each row, (rows,).

    Args:
        matrices: those of trainer.stacks, row after row, without the label.
    """
    mixed = np.zeros(rows, np.uint64)
    for name, flat in sorted(matrices.items()):
        for column in _hashes(name, flat).reshape(rows, -1).T:
            mixed = (mixed ^ column) * _MIX
            mixed ^= mixed >> np.uint64(29)
    return (mixed % np.uint64(FOLDS)).astype(np.int64)


def _hashes(name: str, flat: pa.Array) -> npt.NDArray[np.uint64]:
    from pandas.util import hash_array

    if pa.types.is_large_binary(flat.type):
        encoded = flat.dictionary_encode()
        words: npt.NDArray[Any] = encoded.dictionary.to_numpy(zero_copy_only=False)
        of_words = hash_array(words, categorize=False) if len(words) else np.zeros(0, np.uint64)
        found: npt.NDArray[np.uint64] = of_words[encoded.indices.to_numpy()]
        return found
    values = flat.to_numpy(zero_copy_only=False)
    if np.issubdtype(values.dtype, np.floating):
        values = np.where(np.isfinite(values), values, 0).astype(np.float32) + np.float32(0)
        return values.view(np.uint32).astype(np.uint64) * _MIX
    return values.astype(np.int64).view(np.uint64) * _MIX
