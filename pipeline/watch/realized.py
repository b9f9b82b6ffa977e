"""Losses of rows whose label is known, as sums that add up."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.tallies import Tally, add


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
        np.savez_compressed(file, moments=np.array([self.loss, self.square]), **vars(self.tally))
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Realized:
        """Read what `to_bytes` wrote."""
        with np.load(io.BytesIO(data)) as found:
            loss, square = found["moments"]
            return cls(float(loss), float(square), Tally(found["sums"], found["cells"], found["counts"]))
