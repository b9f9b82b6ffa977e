"""Boosted trees that teach the network.

Taught by labels, a network learns the luck of single days by heart before it learns what columns tell only together,
such as weather and schedule. Trees find that first. So trees are grown, and the network learns their predictions:
most of the luck is gone from them (Buciluă, Caruana, Niculescu-Mizil: Model Compression, KDD 2006; Hinton, Vinyals,
Dean: Distilling the Knowledge in a Neural Network, 2015; for tables Ke, Xu, Zhang, Bian, Liu: DeepGBM, KDD 2019). The
trees are then left behind: what is exported is the network alone. Knows no files.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from trainer.preprocessing import CATEGORICAL, FLAGS, NUMERIC
from trainer.reading import Columns

progress = logging.getLogger("longhaul.progress")

_FEWEST_ROWS, _MOST_CLASSES = 200, 20
"""Trees that have seen fewer rows know nothing that the labels do not say; each class takes trees of its own."""
_LEAVES = (15, 127)
"""Of a tree; the rows set aside decide."""
_ROUNDS, _PATIENCE = 50, 20
"""So many at a time, until so many bring nothing."""
_MANY_ROWS = 50_000
_RATE_FOR_FEW, _RATE_FOR_MANY = 0.05, 0.1
_MOST_FOR_FEW, _MOST_FOR_MANY = 1000, 300
"""A smaller rate and more rounds are a little better, and cost nothing where rows are few."""
_MOST_CELLS = 20_000_000
"""Rows x columns x classes that trees are grown on: half a minute at most, however large the table is."""
_WORDS = 254
"""The commonest words of a category are told apart, as many as scikit-learn's trees can; all others are one."""
_CHUNK_CELLS = 4_000_000
"""Answered at a time: 48 MB with scikit-learn's copy."""


@dataclass(frozen=True)
class Trees:
    """Grown trees.

    Attributes:
        classes: of the label; 0 of a regression.
        leaves: of a tree.
        rounds: of boosting, a tree (or one per class) each.
        validation_loss: on the rows that chose leaves and rounds.
    """

    classes: int
    leaves: int
    rounds: int
    validation_loss: float
    grown: Any

    def predict(self, columns: Columns, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return what the network is to be taught of these rows.

        Returns:
            (rows,) predictions or probabilities of the second class, or (rows, classes) probabilities.
        """
        size = max(1, _CHUNK_CELLS // _width(columns))
        found = []
        with _threads(len(rows)):
            for first in range(0, len(rows), size):
                rounds = _by_round(self.grown, self.classes, _matrix(columns, rows[first : first + size]))
                found.append(next(islice(rounds, self.rounds - 1, None)))
        return np.concatenate(found).astype(np.float32)


def can_teach(classes: int, labels: npt.NDArray[Any]) -> bool:
    """Return whether trees grown on rows with these labels have something to say."""
    return len(labels) >= _FEWEST_ROWS and classes <= _MOST_CLASSES and bool((labels != labels[0]).any())


def choose_trees(
    classes: int,
    columns: Columns,
    labels: npt.NDArray[Any],
    fit_rows: npt.NDArray[np.int64],
    stop_rows: npt.NDArray[np.int64],
    seed: int,
) -> Trees:
    """Return trees grown on the fit rows, as large and as many as is best for the stop rows.

    Args:
        classes: of the label; 0 of a regression.
        columns: the network's inputs, (rows, ...) each.
        labels: (rows,).
    """
    fit_rows, stop_rows = (affordable(rows, columns, classes) for rows in (fit_rows, stop_rows))
    inputs, held = _matrix(columns, fit_rows), _matrix(columns, stop_rows)
    tried = []
    for leaves in _LEAVES:
        booster = _booster(classes, leaves, columns, len(fit_rows), seed).set_params(warm_start=True)
        most_rounds = _MOST_FOR_FEW if len(fit_rows) < _MANY_ROWS else _MOST_FOR_MANY
        for most in range(_ROUNDS, most_rounds + 1, _ROUNDS):
            with _threads(len(fit_rows)):
                booster.set_params(max_iter=most).fit(inputs, labels[fit_rows])
                losses = [_loss(classes, labels[stop_rows], answers) for answers in _by_round(booster, classes, held)]
            rounds = int(np.argmin(losses)) + 1
            if rounds <= most - _PATIENCE:
                break
        tried.append(Trees(classes, leaves, rounds, losses[rounds - 1], booster))
        progress.info("%d trees of %d leaves, validation %.4f", rounds, leaves, losses[rounds - 1])
    return min(tried, key=lambda trees: trees.validation_loss)


def grow_again(trees: Trees, columns: Columns, labels: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> Trees:
    """Grow trees as large and as many, on other rows."""
    rows = affordable(rows, columns, trees.classes)
    progress.info("growing %d trees on %s rows", trees.rounds, f"{len(rows):,}")
    booster = clone(trees.grown).set_params(max_iter=trees.rounds, warm_start=False)
    with _threads(len(rows)):
        return replace(trees, grown=booster.fit(_matrix(columns, rows), labels[rows]))


def _booster(classes: int, leaves: int, columns: Columns, rows: int, seed: int) -> Any:
    width, codes = _width(columns), columns[CATEGORICAL].shape[1] if CATEGORICAL in columns else 0
    return (HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor)(
        learning_rate=_RATE_FOR_FEW if rows < _MANY_ROWS else _RATE_FOR_MANY,
        max_leaf_nodes=leaves,
        l2_regularization=5.0,
        max_features=0.5,
        categorical_features=np.arange(width) >= width - codes,
        early_stopping=False,  # its rows would be chance's, not the latest
        random_state=seed,
    )


def _threads(rows: int) -> Any:
    """Return the number of threads: one for few rows, since threads that wait for each other at every node of a
    small tree lose more than they gain."""
    return threadpool_limits(1 if rows < _MANY_ROWS else None, user_api="openmp")


def _by_round(booster: Any, classes: int, inputs: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield the predictions after each round, see Trees.predict."""
    if not classes:
        yield from booster.staged_predict(inputs)
        return
    for known in booster.staged_predict_proba(inputs):
        every = np.zeros((len(known), classes))
        grown_on = booster.classes_  # a class may be missing; of a single one scikit-learn gives two columns
        every[:, grown_on] = known[:, : len(grown_on)]
        yield every[:, 1] if classes == 2 else every


def _loss(classes: int, labels: npt.NDArray[Any], answers: npt.NDArray[Any]) -> float:
    """Compute the loss as the network's, see trainer.fitting.LOSSES."""
    if not classes:
        return float(np.mean((answers - labels) ** 2))
    chances = np.where(labels == 1, answers, 1 - answers) if classes == 2 else answers[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chances, 1e-7)).mean())


def _width(columns: Columns) -> int:
    return sum(columns[name].shape[1] for name in (NUMERIC, FLAGS, CATEGORICAL) if name in columns)


def affordable(rows: npt.NDArray[np.int64], columns: Columns, classes: int) -> npt.NDArray[np.int64]:
    """Return all of them, or so many of them, evenly chosen, as `_MOST_CELLS` allows."""
    most = max(_FEWEST_ROWS, _MOST_CELLS // (_width(columns) * max(1, classes - 1)))
    return rows[:: math.ceil(len(rows) / most)]


def _matrix(columns: Columns, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return (rows, numbers, flags and codes): the categories come last."""
    parts = [columns[name][rows] for name in (NUMERIC, FLAGS, CATEGORICAL) if name in columns]
    if CATEGORICAL in columns:
        parts[-1] = np.minimum(parts[-1], _WORDS - 1)  # the codes rise as the words get rarer
    return np.concatenate([part.astype(np.float32) for part in parts], axis=1)
