"""What Python's loader, by which models are evaluated, answers to what `pipeline.serving.probe` asks the C++ loader."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.serving.probe import BY_EXAMPLES, BY_TENSORS, OTHERS, keep, plain_columns


def python_answers(model: str, examples: Sequence[bytes], features: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """Ask each signature of the SavedModel at `model`, in the order in which the probe does.

    Args:
        features: the raw feature behind each plain tensor.

    Returns:
        The arrays, by `SIGNATURE/OUTPUT`, and what went wrong ("" if nothing did).
    """
    arrays: dict[str, Any] = {}
    try:
        _ask(model, np.array(examples, object), features, arrays)
    except Exception as exc:
        logging.getLogger(__name__).exception("Python cannot serve the model")
        return arrays, f"{type(exc).__name__}: {exc}"
    return arrays, ""


def _ask(model: str, records: Any, features: Mapping[str, str], arrays: dict[str, Any]) -> None:
    loaded = tf.saved_model.load(model)  # held here: its signatures do not hold its variables
    for name in (BY_EXAMPLES, BY_TENSORS, *OTHERS):
        if name in OTHERS and name not in loaded.signatures:
            continue
        signature = loaded.signatures[name]
        inputs: dict[str, Any] = {OTHERS.get(name, "examples"): records}
        if name == BY_TENSORS:
            takes = signature.structured_input_signature[1]
            inputs, _ = plain_columns(records, {key: spec.dtype == tf.string for key, spec in takes.items()}, features)
        found = signature(**{key: tf.constant(column) for key, column in inputs.items()})
        keep(arrays, name, {key: tensor.numpy() for key, tensor in found.items()})
