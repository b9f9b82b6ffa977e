"""Smaller copies of a fitted network, on request, and what each costs in accuracy."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer import litert
from trainer.quantize import QuantizedNetwork, weights_bytes
from trainer.reading import Columns
from trainer.settings.trainer import TrainerSettings

progress = logging.getLogger("longhaul.progress")

REWRITING_FILE = "rewriting.json"
"""In the ModelRun artifact; see `Rewriting.costs`."""
_BATCH_ROWS = 4096

Predict = Callable[[Columns], npt.NDArray[Any]]


class Rewriting:
    """Rewrites a network as the configuration asks, and compares.

    Args:
        network: as it was fitted.
        loss: Keras's name of the loss that it was fitted by.
        columns, labels: the training split; `rows` of it (those that stopped the training) are compared.
        weights: how much each row of the split counts; None where all count alike.

    Attributes:
        costs: the weights' bytes and the loss before; by rewriting ("weights as int8", "LiteRT"), the bytes and the
            loss after it, and the largest difference of a prediction.
    """

    def __init__(
        self,
        network: keras.Model,
        loss: str,
        columns: Columns,
        labels: npt.NDArray[Any],
        rows: npt.NDArray[np.int64],
        weights: npt.NDArray[Any] | None = None,
    ) -> None:
        self._network = network
        self._loss = keras.losses.get(loss)
        self._columns, self._labels, self._rows = columns, labels, rows
        self._weights = None if weights is None else weights[rows]
        call = tf.function(lambda inputs: network(inputs, training=False), reduce_retracing=True)
        self._before = self._predict(lambda inputs: call(inputs).numpy())
        self.costs: dict[str, Any] = {
            "bytes": weights_bytes(network),
            "loss": self._loss_of(self._before),
            "rewritten": {},
        }

    def quantized(self, how: str) -> QuantizedNetwork:
        """Return the network with small weights: what is to be served."""
        progress.info("storing the weights as %s", how)
        small = QuantizedNetwork(self._network, how)
        call = tf.function(lambda inputs: small(inputs), reduce_retracing=True)
        self._compare(f"weights as {how}", small.weights_bytes, lambda inputs: call(inputs).numpy())
        return small

    def write_litert(self, saved_model: str, how: str) -> None:
        """Write the LiteRT file into the folder of a SavedModel."""
        progress.info("writing the LiteRT file")
        content = litert.convert(self._network, how)
        path = f"{saved_model}/{litert.LITERT_FILE}"
        tf.io.gfile.makedirs(path.rpartition("/")[0])
        with tf.io.gfile.GFile(path, "wb") as file:
            file.write(content)
        self._compare("LiteRT file", len(content), lambda inputs: litert.run(content, inputs))

    def write(self, folder: str) -> None:
        """Write `costs`."""
        with tf.io.gfile.GFile(f"{folder}/{REWRITING_FILE}", "w") as file:
            json.dump(self.costs, file, indent=1)

    def _compare(self, name: str, size: int, predict: Predict) -> None:
        after = self._predict(predict)
        self.costs["rewritten"][name] = {
            "bytes": size,
            "loss": self._loss_of(after),
            "largest_difference": float(np.abs(after - self._before).max()),
        }

    def _predict(self, predict: Predict) -> npt.NDArray[Any]:
        return np.concatenate([predict(inputs) for inputs in self._batches()])

    def _batches(self) -> Iterable[Columns]:
        types = {tensor.name: tensor.dtype for tensor in self._network.inputs}
        for start in range(0, len(self._rows), _BATCH_ROWS):
            rows = self._rows[start : start + _BATCH_ROWS]
            yield {name: self._columns[name][rows].astype(dtype) for name, dtype in types.items()}

    def _loss_of(self, predictions: npt.NDArray[Any]) -> float:
        labels = self._labels[self._rows]
        if predictions.shape[-1] == 1:
            labels = labels.reshape(-1, 1)
        return float(np.average(np.asarray(self._loss(labels, predictions)), weights=self._weights))


def asks(settings: TrainerSettings) -> bool:
    """Tell whether the configuration asks for any of it."""
    return settings.quantize != "none" or settings.litert
