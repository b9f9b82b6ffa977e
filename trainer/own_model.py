"""Training by the user's `run_fn`, and all that must lie beside a model, whoever trained it."""

from __future__ import annotations

import functools
import json
import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils

from trainer import adapted_model, description, own_fit
from trainer.artifact_names import HISTORY_FILE, HYPERPARAMETERS_FILE
from trainer.features import FeatureTable
from trainer.probe_rows import MOST_ROWS, save_scored
from trainer.reading import first_raw_rows
from trainer.rows import to_examples
from trainer.settings.fitting import OF_ITS_NETWORK
from trainer.settings.own_model import OwnModelRequest
from trainer.train import history
from trainer.trained_ranges import trained_ranges
from trainer.user_code import UserCodeError, blamed, load

progress = logging.getLogger("longhaul.progress")

_SAID = {
    adapted_model.SIGMOID: "its outputs are taken for logits, and made probabilities by a sigmoid",
    adapted_model.SOFTMAX: "its outputs are taken for logits, and made probabilities by a softmax",
    adapted_model.SECOND: "the second of its two outputs is the prediction",
}


def train(fn_args: Any, request: OwnModelRequest, raw_files: Sequence[str]) -> None:
    """Have the user's function train, and export its model with all signatures to `fn_args.serving_model_dir`.

    Args:
        fn_args: as stock TFX gives them; the function sees `custom_config` with `label`, `task`, `classes`, `features`
            and, where rows have weights, `weight`, and exports to a folder that is then read.
        raw_files: globs of the training rows as they are stored.

    Raises:
        UserCodeError: the function failed, or its model cannot be asked.
    """
    code, table = request.code, request.table
    run_fn: Callable[..., Any] = load(code)
    if request.fitting:
        run_fn = functools.partial(own_fit.run_fn, request=request, settings=request.fitting)
    final_folder, label = fn_args.serving_model_dir, table.label
    with tempfile.TemporaryDirectory(prefix="longhaul-model-") as folder:
        fn_args.serving_model_dir = f"{folder}/model"
        fn_args.custom_config = {
            "label": label.name,
            "task": label.task,
            "classes": list(label.classes),
            "features": [feature.name for feature in table.features],
            **({"weight": request.weight} if request.weight else {}),
        }
        progress.info("training by %s", code["said"])
        with blamed(code):
            fitted = run_fn(fn_args)
        if not Path(fn_args.serving_model_dir, "saved_model.pb").is_file():
            there = ", ".join(sorted(path.name for path in Path(folder, "model").glob("*"))[:6]) or "nothing"
            raise UserCodeError(
                f"{code['said']} exported no SavedModel to fn_args.serving_model_dir; there is {there}",
                "call tf.saved_model.save(model, fn_args.serving_model_dir, signatures=…); docs/extend/own-model.md",
            )
        progress.info("exporting the model")
        told = _export(fn_args.serving_model_dir, final_folder, fn_args, table, code["said"], raw_files)
    used = request.fitting.model_dump(mode="json", exclude={*OF_ITS_NETWORK, "teacher"}) if request.fitting else {}
    _write_json(f"{fn_args.model_run_dir}/{HYPERPARAMETERS_FILE}", used)
    if request.weight and not request.fitting:
        told["notes"].append(
            f"the rows have weights, {request.weight!r}: whether they count in training is up to {told['by']}; "
            "Evaluator's metrics are weighted"
        )
    losses = history(fitted) if request.fitting else {}
    _write_json(f"{fn_args.model_run_dir}/{HISTORY_FILE}", {**losses, "own_model": told})
    fn_args.serving_model_dir = final_folder


def _export(
    found: str, folder: str, fn_args: Any, table: FeatureTable, said: str, raw_files: Sequence[str]
) -> dict[str, Any]:
    """Export what the user's function exported, with all signatures, and tell what was made of it."""
    try:
        model = tf.saved_model.load(found)
    except (OSError, ValueError, tf.errors.OpError) as exc:
        raise UserCodeError(f"{said} exported a SavedModel that cannot be loaded: {exc}", "export it anew") from exc
    rows = first_raw_rows(raw_files, table, MOST_ROWS)
    records = to_examples(rows)
    outputs = adapted_model.predictions_of(model, said, records)
    meaning = adapted_model.meaning_of(outputs, table.label, said)
    schema = _schema(fn_args.schema_path)
    served = adapted_model.AdaptedModel(
        model, said, meaning, table, schema_utils.schema_as_feature_spec(schema).feature_spec
    )
    signatures = served.signatures()
    tf.saved_model.save(served, folder, signatures=signatures)
    description.write(folder, signatures, table, schema, trained_ranges(raw_files, table))
    predictions = signatures["serving_default"](examples=tf.constant(records))["prediction"].numpy()
    save_scored(fn_args.model_run_dir, folder, rows, predictions, table)
    notes = [_SAID[meaning]] if meaning in _SAID else []
    notes.append(
        "single predictions are not taken apart, and it can be neither tuned nor started from: that needs "
        "Longhaul's network"
    )
    return {"by": said, "notes": notes}


def _schema(path: str) -> schema_pb2.Schema:
    with tf.io.gfile.GFile(path) as file:
        return text_format.Parse(file.read(), schema_pb2.Schema())


def _write_json(path: str, document: Any) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        json.dump(document, file, indent=1)
