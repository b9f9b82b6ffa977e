"""run_fn of TFX's Trainer: read, fit, export."""

from __future__ import annotations

import json
import logging
import tempfile
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

from trainer import description, words_file
from trainer.artifact_names import HISTORY_FILE, HYPERPARAMETERS_FILE
from trainer.baselines import save_baselines, width
from trainer.compression import Rewriting, asks
from trainer.copying import copy
from trainer.distribution import is_chief, train_in_workers, wait_for_all
from trainer.features import FeatureTable, Kind
from trainer.fitting import BY_CHANCE, LOSSES, Fitted, class_count, find_teacher, fit, hold_out
from trainer.hyperparameters import TUNED_FILE, Found, merge
from trainer.own_network import OwnNetwork
from trainer.patches import make_fit_work
from trainer.preprocessing import WORDS
from trainer.probe_rows import save_probe_rows
from trainer.served_network import ServedNetwork
from trainer.settings.fitting import OF_ITS_NETWORK, FittingSettings
from trainer.settings.trainer import TrainerRequest
from trainer.signatures import ServedModel
from trainer.teacher import Trees
from trainer.trained_ranges import trained_ranges
from trainer.training_split import TrainingSplit, read_training_split, vocabulary_sizes
from trainer.warm_start import save_weights, start_from

progress = logging.getLogger("longhaul.progress")
"""Whoever runs the step may show these lines while it works."""


def run_fn(fn_args: Any) -> None:
    """Train on the train split and export to `fn_args.serving_model_dir`, in this process or in several.

    `fn_args.custom_config` is a TrainerRequest as plain data.
    """
    request = TrainerRequest.model_validate(fn_args.custom_config)
    if request.trainer.distribute == "none":
        train(fn_args, request)
    else:
        train_in_workers(fn_args, request.trainer)


def train(fn_args: Any, request: TrainerRequest, strategy: tf.distribute.Strategy | None = None) -> None:
    """Train in this process; of the processes of one strategy the chief exports."""
    # Beside the outputs, if those are on this machine: nothing of a run lies elsewhere.
    beside = fn_args.model_run_dir if "://" not in fn_args.model_run_dir else None
    if beside:
        Path(beside).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".rows-", dir=beside) as folder:
        _fit_and_export(fn_args, request, Path(folder), strategy)
    if strategy:
        wait_for_all(strategy)  # TFX looks for the model in every process


def _fit_and_export(
    fn_args: Any, request: TrainerRequest, spill_to: Path, strategy: tf.distribute.Strategy | None
) -> None:
    found: Found = (fn_args.hyperparameters or {}).get("values", {})
    settings, table = merge(request.trainer, found), request.features
    transform_output = tft.TFTransformOutput(fn_args.transform_output)

    progress.info("reading the training split")
    split = read_training_split(fn_args.train_files, request, transform_output, spill_to)
    rows, labels, order, weights = split
    words = words_by_tensor(table, transform_output)
    is_exporting = strategy is None or is_chief()

    sizes = vocabulary_sizes(table, transform_output)
    own = OwnNetwork(request.build_model, table, sizes, rows) if request.build_model else None

    def prepare(model: keras.Model) -> None:
        if settings.warm_start:
            start_from(fn_args.base_model, model, words)
        if strategy:
            make_fit_work(model, strategy)

    fit_it = partial(
        fit,
        table,
        sizes,
        rows,
        labels,
        order,
        settings,
        callbacks=[keras.callbacks.TensorBoard(fn_args.model_run_dir, write_graph=False)] if is_exporting else [],
        scope=strategy.scope if strategy else nullcontext,
        prepare=prepare,
        own=own,
        weights=weights,
    )
    with own.blamed() if own else nullcontext():
        fitted = fit_it()
        trees = None if own else better_trees(fitted, table, split, settings)
        fitted = fit_it(trees=trees) if trees else fitted
    if own:
        own.check(fitted.model, "after training")
    if not is_exporting:
        return
    progress.info("exporting the model")
    network = copy(fitted.model) if strategy else fitted.model  # ordinary variables, which can be saved
    save_weights(network, words, fn_args.serving_model_dir)
    boosters = fitted.trees.boosters if fitted.trees else []
    tree_weights = fitted.trees.weights if fitted.trees else None
    save_baselines(boosters, labels, class_count(table), fn_args.serving_model_dir, tree_weights, weights)
    _, stop_rows = hold_out(order, len(labels), settings.validation_share, settings.seed)
    loss = LOSSES[table.label.task]
    rewriting = Rewriting(network, loss, rows, labels, stop_rows, weights) if asks(settings) else None
    to_serve: Any = network if own else ServedNetwork(network)
    if rewriting and settings.quantize != "none":
        to_serve = rewriting.quantized(settings.quantize)
    served = ServedModel(to_serve, transform_output, table)
    signatures = served.signatures()
    tf.saved_model.save(served, fn_args.serving_model_dir, signatures=signatures)
    ranges = trained_ranges(fn_args.train_files, table)
    description.write(fn_args.serving_model_dir, signatures, table, transform_output.raw_metadata.schema, ranges)
    if rewriting and settings.litert:
        rewriting.write_litert(fn_args.serving_model_dir, settings.quantize)
    if rewriting:
        rewriting.write(fn_args.model_run_dir)
    save_probe_rows(
        fn_args.model_run_dir,
        fn_args.serving_model_dir,
        fn_args.train_files,
        table,
        transform_output.transform_features_layer(),
        to_serve,
    )
    with tf.io.gfile.GFile(f"{fn_args.model_run_dir}/{HYPERPARAMETERS_FILE}", "w") as file:
        json.dump(settings.model_dump(mode="json", exclude=set(OF_ITS_NETWORK) if own else None), file, indent=1)
    if found:
        with tf.io.gfile.GFile(f"{fn_args.model_run_dir}/{TUNED_FILE}", "w") as file:
            json.dump({"values": found}, file, indent=1)
    with tf.io.gfile.GFile(f"{fn_args.model_run_dir}/{HISTORY_FILE}", "w") as file:
        json.dump(history(fitted) | ({"network_of": own.said} if own else {}), file, indent=1)


def history(fitted: Fitted) -> dict[str, Any]:
    """Tell in plain data how a network came about; pipeline.reports.training says it in words."""
    told = {
        "best_epoch": fitted.best_epoch,
        "kept_epoch": fitted.kept_epoch,
        "planned_epochs": fitted.planned_epochs,
        "rows": fitted.rows,
        "held_out": fitted.held_out,
        "refit": fitted.refit_losses and {"loss": fitted.refit_losses, "alike_within": BY_CHANCE},
        **fitted.history,
    }
    if trees := fitted.trees:
        told["trees"] = {
            "forests": [{"leaves": forest.leaves, "rounds": forest.rounds} for forest in trees.forests],
            "validation_loss": trees.validation_loss,
        }
    return told


def better_trees(fitted: Fitted, table: FeatureTable, split: TrainingSplit, settings: FittingSettings) -> Trees | None:
    """Return trees that know more of a table with words, without seeing them, than the network that its labels taught:
    those whose loss on the rows set aside is smaller. None where there are none, or where the losses weigh classes."""
    seen = {name: values for name, values in split.rows.items() if name != WORDS}
    if WORDS not in split.rows or not width(seen) or settings.balance == "classes" or fitted.validation_loss is None:
        return None
    trees = find_teacher(table, seen, split.labels, split.order, settings, split.weights)
    return trees if trees and trees.validation_loss < fitted.validation_loss else None


def words_by_tensor(table: FeatureTable, transform_output: tft.TFTransformOutput) -> dict[str, list[str]]:
    """Return the words of each categorical feature, by its tensor name, in the order of their ids."""
    categorical = table.of(Kind.CATEGORICAL)
    known = words_file.read(transform_output, [feature.name for feature in categorical])
    return {
        table.tensor_names[feature.name]: [word.decode(errors="surrogateescape") for word in words]
        for feature, words in zip(categorical, known, strict=True)
    }
