"""Columns in memory to a fitted network. Knows neither TFX nor files."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from trainer.balance import class_weights, restore_network
from trainer.batches import Batches
from trainer.bins import ENOUGH_ROWS
from trainer.features import FeatureTable
from trainer.fit_progress import FitProgress
from trainer.member_loss import member_loss
from trainer.model import build_model
from trainer.own_network import OwnNetwork
from trainer.preprocessing import NUMERIC, WORDS
from trainer.reading import Columns
from trainer.settings.fitting import FittingSettings
from trainer.teacher import Trees, affordable, can_teach, choose_trees, grow_again
from trainer.word_embeddings import ENOUGH_TEXTS

progress = logging.getLogger("longhaul.progress")
"""Whoever runs the step may show these lines while it works."""

BY_CHANCE = 0.01
"""Losses that differ by less are alike. Of epochs that are, a refit takes the latest: its learning rate falls to
nothing over all of them, so that one more does little harm, and one less is one less to learn from."""

LOSSES = {"binary": "binary_crossentropy", "multiclass": "sparse_categorical_crossentropy", "regression": "mse"}
_TAUGHT_LOSSES = LOSSES | {"multiclass": "categorical_crossentropy"}
"""Of answers: a probability for each class."""


@dataclass(frozen=True)
class Fitted:
    """A network and how it came about.

    Attributes:
        history: loss and val_loss per epoch, of the fit that found the best epoch. Without such a fit there is no
            val_loss: the network has seen every row.
        best_epoch: that with the least validation loss, counted from 1; 0 without any.
        kept_epoch: the epoch whose weights are kept, or the number of epochs of the fit to all rows; counted from 1.
        validation_loss: of the epoch `kept_epoch` of that fit; None without any.
        refit_losses: the training loss per epoch of a second network, fitted on all rows; None without one.
        rows: rows that the weights were fitted on at last.
        held_out: rows that told the best epoch, or how many trees to grow.
        planned_epochs: as many as there would have been without stopping early.
        trees: that taught it; None where the labels did.
    """

    model: keras.Model
    history: dict[str, list[float]]
    best_epoch: int
    kept_epoch: int
    validation_loss: float | None
    refit_losses: list[float] | None
    rows: int
    held_out: int
    planned_epochs: int
    trees: Trees | None


def fit(
    table: FeatureTable,
    vocabulary_sizes: Sequence[int],
    columns: Columns,
    labels: npt.NDArray[Any],
    order: npt.NDArray[Any] | None,
    settings: FittingSettings,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext,
    prepare: Callable[[keras.Model], None] = lambda model: None,
    trees: Trees | None = None,
    own: OwnNetwork | None = None,
    weights: npt.NDArray[Any] | None = None,
) -> Fitted:
    """Fit the network for `table`; the same arguments give the same weights.

    Unless `teacher` is "none" it is taught the answers of boosted trees, see trainer.teacher; what it is judged by
    are the labels.

    With `refit` it is fitted on all the rows, also those that `hold_out` sets aside: these are the latest, and where
    the world drifts they count for most. Taught by trees it is fitted once, for all `epochs`: the rows set aside have
    told how many trees to grow, and what trees say can be learnt by heart without harm. Taught by the labels, a first
    network tells the best number of epochs by the rows set aside, and a second one is fitted for as many (or the most
    that were as good).

    Args:
        vocabulary_sizes: ids per categorical feature, those for unknown and missing included.
        columns: the network's inputs, (rows, ...) each; see trainer.preprocessing.
        labels: (rows,).
        order: (rows,) of a time or group split, see `hold_out`.
        callbacks: told of the epochs of the first fit, beside the ones that stop early and show progress.
        scope: makes the context in which the network's variables are made: that of a tf.distribute strategy.
        prepare: called with the compiled network before it is fitted.
        trees: of an earlier fit to the same columns and labels, with the same seed and share set aside.
        weights: (rows,), how much each row counts, above 0; None where all count alike.
        own: the network is the user's. One that they compiled learns from the labels, by its own loss.
    """
    weights = None if weights is None else weights / weights.mean()
    if own and own.compiles:
        settings = settings.model_copy(update={"teacher": "none"})
    fit_rows, stop_rows = hold_out(order, len(labels), settings.validation_share, settings.seed)
    every = np.arange(len(labels))
    if trees is None:
        trees = find_teacher(table, columns, labels, order, settings, weights)
    truth = _targets(labels, table) if trees else labels
    balanced = _class_weights(table, labels, settings, weights, trees)

    def fit_once(
        what: str,
        rows: npt.NDArray[np.int64],
        epochs: int,
        teacher: Trees | None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        **more: Any,
    ) -> tuple[keras.Model, dict[str, list[float]]]:
        taught = truth
        if teacher:
            progress.info("what the trees say of %s rows", f"{len(rows):,}")
            taught = np.array(truth, np.float32)
            taught[rows] = teacher.predict(columns, rows)
        steps = math.ceil(len(rows) / settings.batch_size)
        keras.utils.set_random_seed(settings.seed)
        moments = _label_moments(labels[rows], table, None if weights is None else weights[rows])
        with scope():
            model = own.build(**moments) if own else _network(table, vocabulary_sizes, settings, moments)
            if not model.compiled:
                model.compile(
                    keras.optimizers.AdamW(
                        _one_cycle(settings.learning_rate, epochs * steps), weight_decay=settings.weight_decay
                    ),
                    member_loss(
                        (_TAUGHT_LOSSES if teacher else LOSSES)[table.label.task],
                        _unit(moments.get("label_scale", 1.0)),
                        balanced,
                    ),
                )
                model.optimizer.build(model.trainable_variables)  # made while a step is traced, it is traced twice
        if NUMERIC in columns and not own:
            some = rows[:: math.ceil(len(rows) / ENOUGH_ROWS)]
            model.get_layer("piecewise_linear").adapt(columns[NUMERIC][some], _targets(labels[some], table))
        if WORDS in columns and not own:
            some = rows[:: math.ceil(len(rows) / ENOUGH_TEXTS)]
            model.get_layer("word_embeddings").adapt(columns[WORDS][some])
        prepare(model)
        batches = Batches(columns, taught, rows, settings.batch_size, shuffle_seed=settings.seed, weights=weights)
        told = [*callbacks, FitProgress(what, epochs, steps)]
        losses = model.fit(batches, epochs=epochs, callbacks=told, verbose=0, **more).history
        restore_network(model, balanced)
        return model, losses

    if trees and settings.refit:
        trees = grow_again(trees, columns, labels, settings.seed, weights)
        model, history = fit_once("network", every, settings.epochs, trees, callbacks)
        best, kept, validation_loss, refit_losses = 0, settings.epochs, None, None
    else:
        model, history = fit_once(
            "network",
            fit_rows,
            settings.epochs,
            trees,
            validation_data=Batches(columns, truth, stop_rows, 8 * settings.batch_size, weights=weights),
            callbacks=[
                keras.callbacks.EarlyStopping("val_loss", patience=settings.patience, restore_best_weights=True),
                *callbacks,
            ],
        )
        best, kept = _best_and_latest(history["val_loss"], settings.refit)
        validation_loss, refit_losses = float(history["val_loss"][kept - 1]), None
        if settings.refit:
            model, of_all = fit_once("network on all rows", every, kept, None)
            refit_losses = of_all["loss"]
    return Fitted(
        model,
        history,
        best_epoch=best,
        kept_epoch=kept,
        validation_loss=validation_loss,
        refit_losses=refit_losses,
        rows=len(labels if settings.refit else fit_rows),
        held_out=len(stop_rows),
        planned_epochs=settings.epochs,
        trees=trees,
    )


def _network(
    table: FeatureTable, vocabulary_sizes: Sequence[int], settings: FittingSettings, moments: dict[str, float]
) -> keras.Model:
    return build_model(
        table,
        vocabulary_sizes,
        hidden_units=settings.hidden_units,
        dropout=settings.dropout,
        members=settings.members,
        **moments,
    )


def _best_and_latest(validation_losses: Sequence[float], refit: bool) -> tuple[int, int]:
    """Return the epoch with the least loss, and of a refit the latest that is alike; both counted from 1."""
    losses = np.array(validation_losses)
    losses[np.isnan(losses)] = np.inf  # which Keras' EarlyStopping never keeps
    best = kept = int(losses.argmin())
    if refit and np.isfinite(losses[best]):
        kept = int(np.flatnonzero(losses <= (1 + BY_CHANCE) * losses[best]).max())
    return best + 1, kept + 1


def find_teacher(
    table: FeatureTable,
    columns: Columns,
    labels: npt.NDArray[Any],
    order: npt.NDArray[Any] | None,
    settings: FittingSettings,
    weights: npt.NDArray[Any] | None = None,
) -> Trees | None:
    """Return the trees that teach, or None where there is nothing to learn from them; arguments as of `fit`."""
    fit_rows, stop_rows = hold_out(order, len(labels), settings.validation_share, settings.seed)
    classes = class_count(table)
    if WORDS in columns:  # which trees do not see: what they say would lack it
        return None
    if settings.teacher == "none" or not can_teach(classes, labels[affordable(fit_rows, columns, classes)]):
        return None
    of_rows = None if weights is None else weights / weights.mean()
    of_classes = _class_weights(table, labels, settings, weights)
    return choose_trees(classes, columns, labels, fit_rows, stop_rows, settings.seed, of_classes, of_rows)


def _class_weights(
    table: FeatureTable, labels: npt.NDArray[Any], settings: FittingSettings, weights: Any, trees: Trees | None = None
) -> npt.NDArray[Any] | None:
    """Return what to weigh classes by, (classes,); None of a network that trees teach: they weighed them already."""
    return class_weights(labels, class_count(table), weights) if settings.balance == "classes" and not trees else None


def class_count(table: FeatureTable) -> int:
    """Return how many classes the label has; 0 of a regression."""
    return len(table.label.classes) if table.label.task != "regression" else 0


def _one_cycle(highest: float, steps: int) -> keras.optimizers.schedules.CosineDecay:
    """Return the learning rate: up during the first tenth of the steps, then down to nothing along a cosine."""
    rise = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(0.0, max(1, steps - rise), warmup_target=highest, warmup_steps=rise)


def hold_out(
    order: npt.NDArray[Any] | None, rows: int, share: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return row numbers to fit on and row numbers that decide when to stop.

    With an `order` (rows,) the latest share decides, because the model will be judged on later rows too;
    else a random share. Unsigned numbers are hashes of groups (trainer.reading): the model will be judged on others,
    so a group decides whole or not at all, and the share is kept as nearly as that allows.
    """
    sorted_rows = (
        np.argsort(order, kind="stable") if order is not None else np.random.default_rng(seed).permutation(rows)
    )
    bound = rows - max(1, round(rows * share))
    if order is not None and order.dtype == np.uint64:
        edges = np.flatnonzero(np.diff(order[sorted_rows])) + 1
        bound = int(edges[np.abs(edges - bound).argmin()]) if len(edges) else bound
    return sorted_rows[:bound], sorted_rows[bound:]


def _label_moments(labels: npt.NDArray[Any], table: FeatureTable, weights: Any) -> dict[str, float]:
    if table.label.task != "regression":
        return {}
    exact = labels.astype(np.float64)  # squares of large amounts are no float32
    mean = np.average(exact, weights=weights)
    variance = np.average((exact - mean) ** 2, weights=weights)
    return {"label_mean": float(mean), "label_scale": float(np.sqrt(variance)) or 1.0}


def _unit(spread: float) -> float:
    """Return the unit of the loss: 1, or the label's spread where squares of gradients would be no float32."""
    return 1.0 if 1e-3 <= spread <= 1e6 else spread


def _targets(labels: npt.NDArray[Any], table: FeatureTable) -> npt.NDArray[Any]:
    """Return (rows,), or of several classes (rows, classes): what bins are cut by, and answers take the place of."""
    if table.label.task != "multiclass":
        return labels
    return np.eye(len(table.label.classes), dtype=np.float32)[labels]
