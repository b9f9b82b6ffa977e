"""Sees whether a SavedModel takes a configuration's features and predicts its label."""

from __future__ import annotations

import json
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from pipeline.errors import ConfigError
from trainer.artifact_names import SIGNATURES_FILE
from trainer.features import FeatureTable


def check_signature(model: str, table: FeatureTable) -> dict[str, str]:
    """Check that the SavedModel takes these features and predicts this label.

    Returns:
        By feature, the name of its plain tensor in this model: names of odd columns hang on their order, which may
        have changed since in the schema.

    Raises:
        ConfigError: it does not, or is no SavedModel.
    """
    file = Path(model, "saved_model.pb")
    remedy = "name the configuration that it was trained with, or another --model"
    try:
        signatures = saved_model_pb2.SavedModel.FromString(file.read_bytes()).meta_graphs[0].signature_def
        signature = signatures["serving_tensors"]
        outputs = signature.outputs["prediction"].tensor_shape.dim[1].size
    except (OSError, DecodeError, IndexError) as exc:
        raise ConfigError(f"{file} is not a model that Longhaul exported", "name another --model") from exc
    names = _recorded_names(model) or table.tensor_names
    columns = {tensor: column for column, tensor in names.items()}
    expected, taken = (
        {feature.name for feature in table.features},
        {columns.get(name, name) for name in signature.inputs},
    )
    if expected != taken:
        parts = [f"lacks {', '.join(map(repr, missing))}"] if (missing := sorted(expected - taken)[:5]) else []
        parts += [f"takes {', '.join(map(repr, extra))} besides"] if (extra := sorted(taken - expected)[:5]) else []
        raise ConfigError(
            f"the model {model} has other features than the configuration: it {' and '.join(parts)}", remedy
        )
    if ("predicted_class" in signature.outputs) != (table.label.task == "multiclass") or outputs != (
        len(table.label.classes) if table.label.task == "multiclass" else 1
    ):
        raise ConfigError(
            f"the model {model} gives {outputs} numbers a row, "
            f"which does not fit data.task {table.label.task} and data.classes",
            remedy,
        )
    return names


def _recorded_names(model: str) -> dict[str, str]:
    """Return what trainer.description wrote beside the model; nothing beside one of an earlier version."""
    try:
        told = json.loads(Path(model, SIGNATURES_FILE).read_bytes())
    except FileNotFoundError:
        return {}
    return {one["feature"]: tensor for tensor, one in told["signatures"]["serving_tensors"]["inputs"].items()}
