"""What a network is measured against: the trees that taught it, and a constant guess.

They lie in a folder of their own beside the SavedModel, in the Model artifact: nothing of it is pushed or served.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.artifact_names import beside_model
from trainer.balance import restored
from trainer.preprocessing import CATEGORICAL, FLAGS, NUMERIC
from trainer.reading import Columns

FOLDER = "Format-Baselines"
"""Named as TFX names its own parts of a Model artifact."""
_GUESS_FILE, _TREES_FILE, _WEIGHTS_FILE = "guess.json", "trees-{}.txt.gz", "class_weights.json"
_WORDS = 254
"""The commonest words of a category are told apart; all others are one."""


@dataclass(frozen=True)
class Baselines:
    """Predictors that need no network.

    Attributes:
        guess: (outputs,), the same for every row: the rate of the second class or of each class, or the mean label.
        boosters: LightGBM's; their mean is the trees' prediction. None where the labels taught the network.
        weights: of the classes that they were grown with, (classes,), which are taken back; None without.
    """

    guess: npt.NDArray[np.float32]
    boosters: tuple[Any, ...]
    weights: npt.NDArray[np.float64] | None = None

    def predict(self, rows: int, read_inputs: Callable[[], Columns]) -> dict[str, npt.NDArray[np.float32]]:
        """Return (rows, outputs) predictions by name; the network's inputs are read where there are trees."""
        found = {"guess": np.repeat(self.guess[None], rows, axis=0)}
        if self.boosters:
            trees = restored(mean_prediction(self.boosters, matrix(read_inputs())), self.weights)
            found["trees"] = trees.reshape(rows, -1).astype(np.float32)
        return found


def save_baselines(
    boosters: Sequence[Any],
    labels: npt.NDArray[Any],
    classes: int,
    serving_model_dir: str,
    weights: npt.NDArray[Any] | None = None,
    row_weights: npt.NDArray[Any] | None = None,
) -> None:
    """Write them beside a SavedModel.

    Args:
        boosters: grown by LightGBM.
        labels: of the training split; classes: of the label, 0 of a regression.
        weights: of the classes that the boosters were grown with.
        row_weights: (rows,), how much each counts; None where all count alike.
    """
    folder = beside_model(serving_model_dir, FOLDER)
    tf.io.gfile.makedirs(folder)
    if classes:
        counts = np.bincount(labels, row_weights, minlength=classes)
        rates = counts / counts.sum()
    else:
        rates = [np.average(labels, weights=row_weights)]
    with tf.io.gfile.GFile(f"{folder}/{_GUESS_FILE}", "w") as file:
        json.dump([float(rate) for rate in (rates[1:] if classes == 2 else rates)], file)
    if weights is not None:
        with tf.io.gfile.GFile(f"{folder}/{_WEIGHTS_FILE}", "w") as file:
            json.dump(weights.tolist(), file)
    for number, booster in enumerate(boosters):
        with tf.io.gfile.GFile(f"{folder}/{_TREES_FILE.format(number)}", "wb") as file:
            file.write(gzip.compress(booster.model_to_string().encode(), compresslevel=1, mtime=0))


def load_baselines(serving_model_dir: str) -> Baselines | None:
    """Return None beside a model of an older Longhaul."""
    folder = beside_model(serving_model_dir, FOLDER)
    if not tf.io.gfile.exists(f"{folder}/{_GUESS_FILE}"):
        return None
    with tf.io.gfile.GFile(f"{folder}/{_GUESS_FILE}") as file:
        guess = np.array(json.load(file), np.float32)
    boosters = []
    for path in sorted(tf.io.gfile.glob(f"{folder}/{_TREES_FILE.format('*')}")):
        import lightgbm

        with tf.io.gfile.GFile(path, "rb") as file:
            boosters.append(lightgbm.Booster(model_str=gzip.decompress(file.read()).decode()))
    weights = None
    if tf.io.gfile.exists(f"{folder}/{_WEIGHTS_FILE}"):
        with tf.io.gfile.GFile(f"{folder}/{_WEIGHTS_FILE}") as file:
            weights = np.array(json.load(file), np.float64)
    return Baselines(guess, tuple(boosters), weights)


def mean_prediction(boosters: Sequence[Any], inputs: npt.NDArray[np.float32], **options: Any) -> npt.NDArray[Any]:
    """Return the mean of what trees predict."""
    mean: npt.NDArray[Any] = np.mean([booster.predict(inputs, **options) for booster in boosters], axis=0)
    return mean


def width(columns: Columns) -> int:
    """Return how many columns `matrix` has."""
    return sum(columns[name].shape[1] for name in (NUMERIC, FLAGS, CATEGORICAL) if name in columns)


def matrix(columns: Columns, rows: npt.NDArray[np.int64] | slice = slice(None)) -> npt.NDArray[np.float32]:
    """Return what trees see of the network's inputs, (rows, numbers, flags and codes): the categories come last."""
    parts = [columns[name][rows] for name in (NUMERIC, FLAGS, CATEGORICAL) if name in columns]
    if CATEGORICAL in columns:
        parts[-1] = np.minimum(parts[-1], _WORDS - 1)  # the codes rise as the words get rarer
    return np.concatenate([part.astype(np.float32) for part in parts], axis=1)
