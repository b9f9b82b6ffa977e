"""Finds rows that repeat another in every column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.data.split import hash_rows
from pipeline.guard.findings import Finding, percent

if TYPE_CHECKING:
    from pipeline.guard.findings import Offends

_MAX_HASHES = 1 << 23  # 64 MiB


class DuplicateRows:
    """Rows that repeat another in every column, in whatever split.

    Keeps a hash of each row. Where those are too many, of the rows whose hash ends in enough zeros only: copies share
    a hash, so that the share of copies among them is an estimate for all.
    """

    def __init__(self, bound: float, max_hashes: int = _MAX_HASHES) -> None:
        self._bound = bound
        self._max_hashes = max_hashes
        self._parts: list[npt.NDArray[np.uint64]] = []
        self._kept = 0
        self._mask = np.uint64(0)

    def add(self, split: str, batch: pa.RecordBatch) -> None:
        """Take in rows of a split."""
        del split
        hashes = hash_rows(batch)
        self._parts.append(hashes[hashes & self._mask == 0])
        self._kept += len(self._parts[-1])
        while self._kept > self._max_hashes:
            self._mask = self._mask * np.uint64(2) + np.uint64(1)
            self._parts = [part[part & self._mask == 0] for part in self._parts]
            self._kept = sum(map(len, self._parts))

    def findings(self) -> list[Finding]:
        """Say what was found in all rows taken in."""
        if not self._kept:
            return []
        values, counts = np.unique(np.concatenate(self._parts), return_counts=True)
        copies = int((counts - 1).sum())
        share = copies / self._kept
        if share <= self._bound:
            return []
        is_sample = bool(self._mask)
        finding = Finding(
            "duplicate_rows",
            None,
            None,
            "policy: duplicate_rows",
            f"at most {percent(self._bound)} of the rows to repeat another",
            f"copies of other rows; one row is there {int(counts.max()):,} times",
            share,
            offends=rows_with(values[counts > 1]),
            finds_some=is_sample,
        )
        return [finding if is_sample else finding.counted(copies, self._kept)]


def rows_with(hashes: npt.NDArray[np.uint64]) -> Offends:
    """Return rows whose hash is among `hashes`, which are some."""
    wanted = np.unique(hashes)

    def offends(batch: pa.RecordBatch) -> pa.BooleanArray:
        found = hash_rows(batch)
        places = np.minimum(np.searchsorted(wanted, found), len(wanted) - 1)
        return pa.array(wanted[places] == found)

    return offends
