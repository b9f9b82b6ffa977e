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
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.balance import restored, rows_weights
from trainer.baselines import matrix, mean_prediction, width
from trainer.preprocessing import CATEGORICAL
from trainer.reading import Columns

progress = logging.getLogger("longhaul.progress")

_FEWEST_ROWS, _MOST_CLASSES = 200, 20
"""Trees that have seen fewer rows know nothing that the labels do not say; each class takes trees of its own."""
_LEAVES = (15, 127)
"""Of a tree. Both forests are grown; the held-out rows choose one of them, or the mean of their predictions."""
_PATIENCE = 20
"""Rounds that bring nothing, after which no more are grown."""
_MANY_ROWS = 50_000
_RATE_FOR_FEW, _RATE_FOR_MANY = 0.05, 0.1
_MOST_FOR_FEW, _MOST_FOR_MANY = 1000, 400
"""A smaller rate and more rounds are a little better, and cost nothing where rows are few."""
_MORE_FOR_MANY = 2
"""Times as many rounds are grown again: more teach the network more, though they predict no better themselves."""
_FEWEST_COLUMNS = 8
"""A tree sees half the columns, but no fewer than these: of three, half would hide what two say only together."""
_MOST_CELLS = 20_000_000
"""Rows x columns x classes that trees are grown on: half a minute at most, however large the table is."""
_CHUNK_CELLS = 4_000_000
"""Answered at a time: 16 MB."""
_EVERY_SECONDS = 2.0
"""How often it is told how far the trees have grown."""


@dataclass(frozen=True)
class Forest:
    """Trees of one size.

    Attributes:
        leaves: of a tree.
        rounds: of boosting, a tree (or one per class) each.
    """

    leaves: int
    rounds: int
    grown: Any


@dataclass(frozen=True)
class Trees:
    """Grown trees of several sizes, which answer with the mean of their predictions.

    Attributes:
        classes: of the label; 0 of a regression.
        validation_loss: of the mean, on the rows that told how many to grow.
        known: what `predict` returns of each row of the columns, where they were grown on all of them: growing tells.
        weights: of the classes that they were grown with, (classes,); None without. `predict` takes them back.
    """

    classes: int
    forests: tuple[Forest, ...]
    validation_loss: float
    known: npt.NDArray[np.float32] | None = None
    weights: npt.NDArray[Any] | None = None

    @property
    def boosters(self) -> list[Any]:
        """Those of LightGBM."""
        return [forest.grown for forest in self.forests]

    def predict(self, columns: Columns, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return what the network is to be taught of these rows.

        Returns:
            (rows,) predictions or probabilities of the second class, or (rows, classes) probabilities.
        """
        if self.known is not None:
            return self.known[rows]
        size = max(1, _CHUNK_CELLS // width(columns))
        threads = _threads(len(rows))
        found = []
        for first in range(0, len(rows), size):
            inputs = matrix(columns, rows[first : first + size])
            found.append(mean_prediction(self.boosters, inputs, num_threads=threads))
        return self.honest(np.concatenate(found))

    def honest(self, answers: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Take the weights of the classes back from what the trees say."""
        return restored(answers, self.weights).astype(np.float32)


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
    weights: npt.NDArray[Any] | None = None,
    row_weights: npt.NDArray[Any] | None = None,
) -> Trees:
    """Return trees grown on the fit rows, of the sizes and as many of each as is best for the stop rows.

    Args:
        classes: of the label; 0 of a regression.
        columns: the network's inputs, (rows, ...) each.
        labels: (rows,).
        weights: of the classes, (classes,).
        row_weights: (rows,), on average 1; None where all rows count alike.
    """
    lightgbm = _lightgbm()
    fit_rows, stop_rows = (affordable(rows, columns, classes) for rows in (fit_rows, stop_rows))
    parameters = _parameters(classes, len(fit_rows), width(columns), seed)
    fitted_on = _dataset(columns, labels, fit_rows, parameters, rows_weights(labels, fit_rows, weights, row_weights))
    held = matrix(columns, stop_rows)
    of_rows = rows_weights(labels, stop_rows, weights, row_weights)
    judged_by = None if row_weights is None else row_weights[stop_rows]
    stopped_by = lightgbm.Dataset(held, labels[stop_rows], weight=of_rows, reference=fitted_on)
    most = _MOST_FOR_FEW if len(fit_rows) < _MANY_ROWS else _MOST_FOR_MANY
    forests, answers = [], []
    for leaves in _LEAVES:
        progress.info("trees of %d leaves", leaves)
        booster = lightgbm.train(
            parameters | {"num_leaves": leaves},
            fitted_on,
            most,
            valid_sets=[stopped_by],
            callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False), _told(f"trees of {leaves} leaves")],
        )
        rounds = booster.best_iteration
        answers.append(restored(booster.predict(held), weights))
        forests.append(Forest(leaves, rounds, booster))
        progress.info(
            "%d trees of %d leaves, validation %.4f",
            *(rounds, leaves, loss(classes, labels[stop_rows], answers[-1], judged_by)),
        )
    found = {  # the mean of both is mostly best; of few columns or rows, the smaller trees alone
        chosen: loss(classes, labels[stop_rows], np.mean([answers[at] for at in chosen], axis=0), judged_by)
        for chosen in ((0, 1), (0,), (1,))
    }
    best = min(found, key=lambda chosen: found[chosen])
    return Trees(classes, tuple(forests[at] for at in best), found[best], weights=weights)


def grow_again(
    trees: Trees,
    columns: Columns,
    labels: npt.NDArray[Any],
    seed: int,
    row_weights: npt.NDArray[Any] | None = None,
) -> Trees:
    """Grow trees as large on all rows: as many, or of many rows twice as many."""
    rows = affordable(np.arange(len(labels)), columns, trees.classes)
    parameters = _parameters(trees.classes, len(rows), width(columns), seed)
    grown_on = _dataset(columns, labels, rows, parameters, rows_weights(labels, rows, trees.weights, row_weights))
    forests: list[Forest] = []
    answers: list[npt.NDArray[Any]] = []
    for forest in trees.forests:
        what = f"trees of {forest.leaves} leaves on {len(rows):,} rows"
        progress.info("%s", what)
        rounds = forest.rounds * (1 if len(rows) < _MANY_ROWS else _MORE_FOR_MANY)
        sized = parameters | {"num_leaves": forest.leaves}
        callbacks = [_told(what, rounds), _kept(answers, rounds)]
        forests.append(Forest(forest.leaves, rounds, _lightgbm().train(sized, grown_on, rounds, callbacks=callbacks)))
    known = trees.honest(np.mean(answers, axis=0)) if len(rows) == len(labels) else None
    return Trees(trees.classes, tuple(forests), trees.validation_loss, known, trees.weights)


def _kept(answers: list[npt.NDArray[Any]], rounds: int) -> Callable[[Any], None]:
    """Return a callback that appends what the trees say of the rows on which they are grown, after the last round.

    Asking them again takes as long as growing them.
    """

    def keep(said: npt.NDArray[Any], _: Any) -> tuple[str, float, bool]:
        answers.append(said.copy())
        return "said", 0.0, True

    def after(at: Any) -> None:
        if at.iteration + 1 == rounds:
            at.model.eval_train(keep)

    return after


def loss(
    classes: int, labels: npt.NDArray[Any], answers: npt.NDArray[Any], weights: npt.NDArray[Any] | None = None
) -> float:
    """Compute the loss as the network's, see trainer.fitting.LOSSES; the mean by `weights`, (rows,)."""
    if not classes:
        return float(np.average((answers - labels) ** 2, weights=weights))
    chances = np.where(labels == 1, answers, 1 - answers) if classes == 2 else answers[np.arange(len(labels)), labels]
    return float(-np.average(np.log(np.maximum(chances, 1e-7)), weights=weights))


def affordable(rows: npt.NDArray[np.int64], columns: Columns, classes: int) -> npt.NDArray[np.int64]:
    """Return all of them, or so many of them, evenly chosen, as `_MOST_CELLS` allows."""
    most = max(_FEWEST_ROWS, _MOST_CELLS // (width(columns) * max(1, classes - 1)))
    return rows[:: math.ceil(len(rows) / most)]


def _lightgbm() -> Any:
    """Import LightGBM, which takes a second and needs the system's OpenMP.

    Raises:
        RuntimeError: that is not there.
    """
    try:
        import lightgbm
    except OSError as exc:
        raise RuntimeError(
            f"the trees that teach the network cannot be grown: LightGBM does not load ({exc}); install OpenMP"
            " (`apt-get install libgomp1`), or set `trainer.teacher: none`"
        ) from exc
    return lightgbm


def _parameters(classes: int, rows: int, features: int, seed: int) -> dict[str, Any]:
    objective: dict[str, Any] = {"objective": "regression"}
    if classes:
        objective = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
    return objective | {
        "learning_rate": _RATE_FOR_FEW if rows < _MANY_ROWS else _RATE_FOR_MANY,
        "lambda_l2": 5.0,
        "feature_fraction": min(1.0, max(0.5, _FEWEST_COLUMNS / features)),
        "seed": seed,
        # With these, equal rows, seed and threads give equal trees.
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": _threads(rows),
        "verbose": -1,
    }


def _threads(rows: int) -> int:
    """Return the number of threads: one for few rows, since threads that wait for each other at every node of a
    small tree lose more than they gain."""
    return 1 if rows < _MANY_ROWS else len(os.sched_getaffinity(0))


def _dataset(
    columns: Columns,
    labels: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    parameters: dict[str, Any],
    of_rows: npt.NDArray[Any] | None,
) -> Any:
    codes = columns[CATEGORICAL].shape[1] if CATEGORICAL in columns else 0
    categories = list(range(width(columns)))[width(columns) - codes :]
    inputs = matrix(columns, rows)
    return _lightgbm().Dataset(inputs, labels[rows], weight=of_rows, categorical_feature=categories, params=parameters)


def _told(what: str, planned: int | None = None) -> Callable[[Any], None]:
    """Return a callback that tells how far the trees have grown, now and then."""
    last = time.monotonic()

    def tell(at: Any) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY_SECONDS:
            last = time.monotonic()
            found = f", validation {at.evaluation_result_list[0][2]:.4f}" if at.evaluation_result_list else ""
            progress.info("%s: round %d%s%s", what, at.iteration + 1, f" of {planned}" if planned else "", found)

    return tell
