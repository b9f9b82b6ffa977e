"""Losses of rows whose label is known, as sums that add up."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.tallies import Tally, add, rows_of

_OF_TALLY = ("sums", "cells", "counts")
"""What is kept of it: requests have no weights."""


@dataclass(frozen=True)
class Realized:
    """Losses of rows whose label is known.

    Attributes:
        loss, square: sums over the rows; tally: Evaluator's, from which its metrics follow.
    """

    loss: float
    square: float
    tally: Tally

    @property
    def rows(self) -> int:
        """How many."""
        return self.tally.rows

    def __add__(self, other: Realized) -> Realized:
        return Realized(self.loss + other.loss, self.square + other.square, add([self.tally, other.tally]))

    def to_bytes(self) -> bytes:
        """Return a few kilobytes."""
        file = io.BytesIO()
        tally = {name: getattr(self.tally, name) for name in _OF_TALLY}
        np.savez_compressed(file, moments=np.array([self.loss, self.square]), **tally)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Realized:
        """Read what `to_bytes` wrote."""
        with np.load(io.BytesIO(data)) as found:
            loss, square = found["moments"]
            return cls(float(loss), float(square), Tally(*(found[name] for name in _OF_TALLY)))


def tally_of(task: str, truth: npt.NDArray[Any], scores: npt.NDArray[Any]) -> Tally:
    """Return the tally of all rows, in one block."""
    return rows_of(task, truth, scores, np.zeros(len(truth), np.int64)).tally(np.arange(len(truth)))
