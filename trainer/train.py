"""run_fn of TFX's Trainer: read, fit, export."""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from trainer.batches import Batches
from trainer.features import FeatureTable, Kind
from trainer.model import build_model
from trainer.preprocessing import LABEL, vocabulary_name
from trainer.reading import memory_for_rows, read_transformed
from trainer.signatures import ServedModel

progress = logging.getLogger("longhaul.progress")
"""Whoever runs the step may show these lines while it works."""

HISTORY_FILE = "history.json"
"""In the ModelRun artifact: loss per epoch, and which epoch was kept."""


def run_fn(fn_args: Any) -> None:
    """Trains on the train split and exports to `fn_args.serving_model_dir`.

    `fn_args.custom_config` holds `features` (a FeatureTable), `trainer` (the configuration's section) and
    `order_by` (the column of a time split, or None).
    """
    # Beside the outputs, if those are on this machine: nothing of a run lies elsewhere.
    beside = fn_args.model_run_dir if "://" not in fn_args.model_run_dir else None
    if beside:
        Path(beside).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".rows-", dir=beside) as folder:
        _fit_and_export(fn_args, Path(folder))


def _fit_and_export(fn_args: Any, spill_to: Path) -> None:
    settings = fn_args.custom_config["trainer"]
    order_by = fn_args.custom_config["order_by"]
    table = FeatureTable.from_dict(fn_args.custom_config["features"])
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    keras.utils.set_random_seed(settings["seed"])

    progress.info("reading the training split")
    rows = read_transformed(
        fn_args.train_files,
        table,
        transform_output.transform_features_layer(),
        [order_by] if order_by else [],
        spill_to=spill_to,
        memory_bytes=memory_for_rows(),
    )
    labels = rows.pop(LABEL)
    fit_rows, stop_rows = hold_out(
        rows.pop(order_by) if order_by else None, len(labels), settings["validation_share"], settings["seed"]
    )
    model = build_model(
        table,
        # one more id than TFT counts (known and unknown): the missing value's
        [
            transform_output.vocabulary_size_by_name(vocabulary_name(feature)) + 2
            for feature in table.of(Kind.CATEGORICAL)
        ],
        hidden_units=settings["hidden_units"],
        dropout=settings["dropout"],
        **_label_moments(labels[fit_rows], table),
    )
    model.compile(
        keras.optimizers.AdamW(settings["learning_rate"], weight_decay=settings["weight_decay"]),
        {
            "binary": "binary_crossentropy",
            "multiclass": "sparse_categorical_crossentropy",
            "regression": "mse",
        }[table.label.task],
    )
    stop = keras.callbacks.EarlyStopping("val_loss", patience=settings["patience"], restore_best_weights=True)
    history = model.fit(
        Batches(rows, labels, fit_rows, settings["batch_size"], shuffle_seed=settings["seed"]),
        validation_data=Batches(rows, labels, stop_rows, 8 * settings["batch_size"]),
        epochs=settings["epochs"],
        callbacks=[
            stop,
            keras.callbacks.TensorBoard(fn_args.model_run_dir, write_graph=False),
            _Progress(settings["epochs"], max(1, len(fit_rows) // settings["batch_size"])),
        ],
        verbose=0,
    ).history
    progress.info("exporting the model")
    served = ServedModel(model, transform_output, table)
    tf.saved_model.save(served, fn_args.serving_model_dir, signatures=served.signatures())
    with tf.io.gfile.GFile(f"{fn_args.model_run_dir}/{HISTORY_FILE}", "w") as file:
        json.dump(
            {"kept_epoch": int(np.argmin(history["val_loss"])) + 1, "rows": len(fit_rows), **history},
            file,
            indent=1,
        )


def hold_out(
    order: npt.NDArray[Any] | None, rows: int, share: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row numbers to fit on and row numbers that decide when to stop.

    With an `order` (rows,) the latest share decides, because the model will be judged on later rows too;
    else a random share.
    """
    sorted_rows = (
        np.argsort(order, kind="stable") if order is not None else np.random.default_rng(seed).permutation(rows)
    )
    bound = rows - max(1, round(rows * share))
    return sorted_rows[:bound], sorted_rows[bound:]


def _label_moments(labels: npt.NDArray[Any], table: FeatureTable) -> dict[str, float]:
    if table.label.task != "regression":
        return {}
    return {"label_mean": float(labels.mean()), "label_scale": float(labels.std()) or 1.0}


class _Progress(keras.callbacks.Callback):
    """Tells how far training is, about four times an epoch."""

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._steps = steps
        self._epoch = 0
        self._last = ""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if batch % max(1, self._steps // 4) == 0:
            progress.info(
                "epoch %d of %d, %.0f %%%s",
                self._epoch + 1,
                self._epochs,
                100 * batch / self._steps,
                self._last,
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        self._last = f", last loss {logs['loss']:.4f}, validation {logs['val_loss']:.4f}"
        progress.info("epoch %d of %d done%s", epoch + 1, self._epochs, self._last)
