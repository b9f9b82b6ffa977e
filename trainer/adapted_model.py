"""A SavedModel of the user's as one that all of Longhaul can ask: the signatures of trainer.signatures around its own.

The user's has a `serving_default` that takes serialized tf.Examples. What it gives is read as probabilities where it
can be that, and else as logits; see `meaning_of`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer import stacks
from trainer.artifact_names import LABEL, PREDICTION
from trainer.features import Feature, FeatureTable, Label, Storage
from trainer.graded_signatures import graded_signatures
from trainer.plain_examples import examples_of
from trainer.python_calls import refuse_python_calls
from trainer.signatures import PREDICTED_CLASS
from trainer.user_code import UserCodeError

Array = npt.NDArray[Any]

_LIKELY = (PREDICTION, "predictions", "probabilities", "scores", "outputs", "output_0", "logits")
"""Names of the output that is the prediction where there are several, the first that is there."""
AS_THEY_ARE, SIGMOID, SOFTMAX, SECOND = "as they are", "sigmoid", "softmax", "the second of two"
"""How the user's outputs become predictions."""
_REMEDY = "docs/extend/own-model.md shows a serving_default that serves"


def asked(model: Any, said: str) -> tuple[Any, str, str]:
    """Find how to ask a loaded SavedModel.

    Returns:
        Its signature, and the names of the input and of the output.

    Raises:
        UserCodeError: it has no `serving_default` of tf.Examples, or none of its outputs is the prediction.
    """
    if "serving_default" not in model.signatures:
        others = ", ".join(model.signatures) or "none at all"
        raise UserCodeError(f"{said} exported a model without the signature serving_default; it has {others}", _REMEDY)
    signature = model.signatures["serving_default"]
    refuse_python_calls(signature.graph, f"the model of {said}")
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1 or next(iter(inputs.values())).dtype != tf.string:
        takes = ", ".join(f"{name} ({spec.dtype.name})" for name, spec in sorted(inputs.items())[:6])
        raise UserCodeError(
            f"{said} exported a model whose serving_default takes {takes}, not one tensor of serialized tf.Examples",
            _REMEDY,
        )
    outputs = signature.structured_outputs
    numbers = [name for name, spec in outputs.items() if spec.dtype.is_floating]
    output = next((name for name in _LIKELY if name in numbers), numbers[0] if len(numbers) == 1 else None)
    if output is None:
        gives = ", ".join(f"{name} ({spec.dtype.name})" for name, spec in sorted(outputs.items())[:6])
        raise UserCodeError(
            f"{said} exported a model whose serving_default gives {gives}: none of them is the prediction for sure",
            f"name the output of the prediction {PREDICTION!r}, and make it float32",
        )
    return signature, next(iter(inputs)), output


def meaning_of(outputs: Array, label: Label, said: str) -> str:
    """Tell how a model's outputs for some training rows become predictions.

    Args:
        outputs: (rows, …).

    Raises:
        UserCodeError: they have another shape than the task has, or are no numbers.
    """
    wanted = {"binary": (1, 2), "multiclass": (len(label.classes),), "regression": (1,)}[label.task]
    found = outputs.reshape(len(outputs), -1)
    if found.shape[1] not in wanted:
        numbers = " or ".join(map(str, wanted))
        raise UserCodeError(
            f"{said} exported a model that gives {found.shape[1]} numbers a row; "
            f"data.task {label.task} of {label.name} wants {numbers}",
            "make the last layer as wide as that, or correct data.task and data.classes",
        )
    bad = ~np.isfinite(found).all(axis=1)
    if bad.any():
        raise UserCodeError(
            f"{said} exported a model that gives NaN or infinity for {bad.sum()} of {len(bad)} training rows",
            "see that missing values are filled before the first layer, and that the training loss is a number",
        )
    if label.task == "regression":
        return AS_THEY_ARE
    are_shares = bool((found >= 0).all() and (found <= 1).all())
    if found.shape[1] == 1:
        return AS_THEY_ARE if are_shares else SIGMOID
    sum_to_one = are_shares and bool(np.allclose(found.sum(axis=1), 1, atol=1e-3))
    if label.task == "binary":
        return SECOND if sum_to_one else SOFTMAX
    return AS_THEY_ARE if sum_to_one else SOFTMAX


class AdaptedModel(tf.Module):
    """The user's SavedModel behind the signatures that Longhaul asks."""

    def __init__(self, model: Any, said: str, meaning: str, table: FeatureTable, raw_spec: Mapping[str, Any]) -> None:
        super().__init__()
        self._model = model
        signature, self._input, self._output = asked(model, said)
        self._signature = functools.partial(signature)  # which a SavedModel does not follow
        self._meaning, self._table = meaning, table
        self._label_spec = {table.label.name: stacks.parse_spec(raw_spec)[table.label.name]}
        self._variables: list[tf.Variable] = []

    def signatures(self) -> dict[str, Any]:
        """Return concrete functions by signature name."""
        examples = tf.TensorSpec([None], tf.string, name="examples")
        names = self._table.tensor_names
        tensors = {
            names[feature.name]: tf.TensorSpec([None], _plain_dtype(feature), name=names[feature.name])
            for feature in self._table.features
        }
        return {
            "serving_default": self.predict_examples.get_concrete_function(examples),
            "serving_tensors": self.predict_tensors.get_concrete_function(tensors),
            **graded_signatures(self.predict_examples, self._table.label),
            "transform_labels": self.transform_labels.get_concrete_function(examples),
        }

    @tf.function
    def predict_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predict from serialized tf.Examples of raw features."""
        found = tf.cast(self._signature(**{self._input: examples})[self._output], tf.float32)
        label = self._table.label
        width = {"binary": 2 if self._meaning in (SECOND, SOFTMAX) else 1, "regression": 1}
        found = tf.reshape(found, [-1, width.get(label.task, len(label.classes))])
        if self._meaning == SIGMOID:
            found = tf.sigmoid(found)
        elif self._meaning == SOFTMAX:
            found = tf.nn.softmax(found)
        if label.task == "binary" and width["binary"] == 2:
            found = found[:, 1:]
        if label.task != "multiclass":
            return {PREDICTION: found}
        return {PREDICTION: found, PREDICTED_CLASS: tf.gather(tf.constant(label.classes), tf.argmax(found, axis=1))}

    @tf.function
    def predict_tensors(self, tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Predict from plain tensors, as a JSON client sends them: NaN or "" stands for a missing value."""
        names = self._table.tensor_names
        return self.predict_examples(examples_of({name: tensors[names[name]] for name in names}, self._table))

    @tf.function
    def transform_labels(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the label as it is graded: a class index, or a number."""
        raw = tf.io.parse_example(examples, self._label_spec)
        return {LABEL: label_of(raw[self._table.label.name], self._table.label)}


def label_of(raw: Any, label: Label) -> tf.Tensor:
    """Return (batch,): the class's place among the classes, or the number itself."""
    if isinstance(raw, tf.RaggedTensor):
        raw = raw.to_tensor(shape=[None, 1])
    value = tf.reshape(raw, [-1])
    if label.task == "regression":
        return tf.cast(value, tf.float32)
    text = value if label.storage is Storage.BYTES else tf.strings.as_string(value)
    return tf.argmax(text[:, tf.newaxis] == tf.constant(label.classes), axis=1)


def predictions_of(model: Any, said: str, records: Sequence[bytes]) -> Array:
    """Ask a loaded SavedModel of the user's.

    Raises:
        UserCodeError: it has no such signature, or does not answer.
    """
    signature, name, output = asked(model, said)
    try:
        found: Array = signature(**{name: tf.constant(records)})[output].numpy()
    except tf.errors.OpError as exc:
        problem = " ".join((exc.message or str(exc)).split())[:400]
        raise UserCodeError(
            f"the serving_default of the model that {said} exported fails on {len(records)} training rows: {problem}",
            "see that it parses the columns as the schema has them, and takes rows whose values are missing",
        ) from exc
    if len(found) != len(records):
        raise UserCodeError(
            f"{said} exported a model that gives {len(found)} predictions for {len(records)} rows",
            "keep the first dimension: it is the rows of a batch",
        )
    return found


def _plain_dtype(feature: Feature) -> tf.DType:
    return tf.string if feature.storage is Storage.BYTES else tf.float64
