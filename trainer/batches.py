"""Batches for Keras, gathered from columns in memory by row number."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from trainer.reading import Columns


class Batches(keras.utils.PyDataset):
    """Some rows of a table, batch by batch; no row is copied before it is its turn.

    Args:
        columns: the network's inputs, (rows, ...) each.
        labels: (rows,).
        chosen: row numbers to use.
        shuffle_seed: a new order each epoch, the same for the same seed; file order if None.
        weights: (rows,), which are scaled so that they are 1 on average; None where all rows count alike.
    """

    def __init__(
        self,
        columns: Columns,
        labels: npt.NDArray[Any],
        chosen: npt.NDArray[np.int64],
        batch_size: int,
        shuffle_seed: int | None = None,
        weights: npt.NDArray[Any] | None = None,
    ) -> None:
        super().__init__()
        self._columns = columns
        self._labels = labels
        self._weights = None if weights is None else (weights / weights[chosen].mean()).astype(np.float32)
        self._order = chosen
        self._batch_size = batch_size
        self._random = None if shuffle_seed is None else np.random.default_rng(shuffle_seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return math.ceil(len(self._order) / self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        inputs = {name: values[rows] for name, values in self._columns.items()}
        # (batch, 1): so Keras takes them for losses of (batch,) as for those of (batch, members).
        return (inputs, self._labels[rows], *(() if self._weights is None else (self._weights[rows, None],)))

    def on_epoch_end(self) -> None:
        """Shuffle the rows anew; Keras calls this after each epoch."""
        if self._random is not None:
            self._order = self._random.permutation(self._order)
