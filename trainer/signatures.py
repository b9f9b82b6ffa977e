"""The exported model: raw rows in, predictions out, the transform graph inside.

serving_default     examples: (batch,) serialized tf.Examples      -> prediction
serving_tensors     one plain tensor per raw feature, (batch,)     -> prediction
classification, regression: see trainer.graded_signatures
transform_features  examples                                       -> the model's inputs
transform_labels    examples with a label                          -> label_xf (TFMA grades with it)
gradients           the model's inputs, and which output           -> that output, and its gradient by each float input
derived_features    examples                                       -> a tensor a derived feature, if there are any

`transform_features` and `gradients` are for those who explain a prediction. Python finds the latter as a function of
the loaded model, too: `differentiate`.

A plain tensor has its feature's name wherever TensorFlow allows it; see `trainer.features.tensor_names`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

from trainer import stacks
from trainer.artifact_names import DERIVED_FEATURES, GRADIENTS, LABEL, OUTPUT, PREDICTION
from trainer.features import Feature, FeatureTable, Storage
from trainer.graded_signatures import graded_signatures
from trainer.inlined_transform import InlinedTransform
from trainer.preprocessing import DERIVED_NUMBERS, DERIVED_TEXTS, units_of

PREDICTED_CLASS = "predicted_class"
"""Their other output, of more than two classes: the most probable, as text."""
_as_written = tf.autograph.experimental.do_not_convert
"""For what has no `if` or `for` over tensors, as `autograph=False`: AutoGraph's search for them costs a tenth of a
small run. A network of the user's may have some, so what calls it is not marked."""


class ServedModel(tf.Module):
    """Network and transform graph as one SavedModel.

    The network itself is not part of the SavedModel, only what its signatures read of it: the variables and the lookup
    tables. Two things go wrong when Keras 3 writes a network as part of one. Each variable gets a twin: the weights
    are restored into the twin, while the signatures read the first, which stays empty wherever TensorFlow's C++ loader
    loads the model, as in TensorFlow Serving (https://github.com/keras-team/keras/issues/20095). And the optimizer
    comes along, with two more arrays for each weight.
    """

    def __init__(self, model: keras.Model, transform_output: tft.TFTransformOutput, table: FeatureTable) -> None:
        super().__init__()
        self._table = table
        # A partial and a tuple of specs, which a SavedModel does not follow.
        self._network = functools.partial(model, training=False)
        self._inputs = tuple((tensor.name, tensor.shape, tensor.dtype) for tensor in model.inputs)
        self._tables = lookup_tables(model)
        self._variables: list[tf.Variable] = []
        self._transform = InlinedTransform(transform_output)
        raw_spec = stacks.parse_spec(transform_output.raw_feature_spec())
        self._feature_spec = {feature.name: raw_spec[feature.name] for feature in table.features}
        self._label_spec = {table.label.name: raw_spec[table.label.name]}

    def signatures(self) -> dict[str, Any]:
        """Return concrete functions by signature name; from then on the variables that they read are tracked."""
        examples = tf.TensorSpec([None], tf.string, name="examples")
        names = self._table.tensor_names
        tensors = {
            names[feature.name]: tf.TensorSpec([None], _plain_dtype(feature), name=names[feature.name])
            for feature in self._table.features
        }
        inputs = {name: tf.TensorSpec([None, *shape[1:]], dtype, name=name) for name, shape, dtype in self._inputs}
        differentiate = self.differentiate.get_concrete_function(inputs, tf.TensorSpec([None], tf.int64))
        signatures = {
            "serving_default": self.predict_examples.get_concrete_function(examples),
            "serving_tensors": self.predict_tensors.get_concrete_function(tensors),
            **graded_signatures(self.predict_examples, self._table.label),
            "transform_features": self.transform_features.get_concrete_function(examples),
            "transform_labels": self.transform_labels.get_concrete_function(examples),
            GRADIENTS: self.gradients.get_concrete_function(
                inputs | {OUTPUT: tf.TensorSpec([None], tf.int64, name=OUTPUT)}
            ),
        }
        if any(units_of(self._table, output) for output in (DERIVED_NUMBERS, DERIVED_TEXTS)):
            signatures[DERIVED_FEATURES] = self.derived_features.get_concrete_function(examples)
        self._variables = variables_read_by([*signatures.values(), differentiate])
        return signatures

    @tf.function
    def predict_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predict from serialized tf.Examples of raw features."""
        return self._predict(self._parsed(examples))

    @tf.function
    def predict_tensors(self, tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Predict from plain tensors, as a JSON client sends them: NaN or "" stands for a missing value."""
        return self._predict(self._stacked(tensors))

    @tf.function(autograph=False)
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the network's inputs."""
        return self._network_inputs(self._parsed(examples))

    @tf.function(autograph=False)
    def transform_labels(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the label as the network was taught it."""
        raw = tf.io.parse_example(examples, self._feature_spec | self._label_spec)
        return {LABEL: self._transform(stacks.of_parsed(raw, self._table))[LABEL]}

    @tf.function(autograph=False)
    def derived_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return what the derived features are, in their own units: NaN or "" where one is missing."""
        transformed, names = self._transform(self._parsed(examples)), self._table.tensor_names
        return {
            names[name]: transformed[output][:, place]
            for output in (DERIVED_NUMBERS, DERIVED_TEXTS)
            for place, name in enumerate(units_of(self._table, output))
        }

    @tf.function
    def differentiate(self, inputs: dict[str, tf.Tensor], output: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return one output of the network, and how it changes with the inputs.

        Args:
            inputs: as `transform_features` gives them.
            output: (batch,) which of the network's outputs.

        Returns:
            `prediction` (batch,), and for each input that is a float its gradient, under the input's name.
        """
        floats = {name: value for name, value in inputs.items() if value.dtype.is_floating}
        with tf.GradientTape() as tape:
            tape.watch(floats)
            scores = self._network(inputs)  # (batch, outputs)
            chosen = tf.gather(scores, output, axis=1, batch_dims=1)
        gradients = tape.gradient(chosen, floats, unconnected_gradients="zero")
        return {PREDICTION: chosen, **gradients}

    @tf.function(autograph=False)
    def gradients(self, tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Do the same as `differentiate`, with one tensor by name, as a signature takes them."""
        return self.differentiate({name: tensors[name] for name, _, _ in self._inputs}, tensors[OUTPUT])

    @_as_written
    def _parsed(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return stacks.of_parsed(tf.io.parse_example(examples, self._feature_spec), self._table)

    @_as_written
    def _stacked(self, tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        names = self._table.tensor_names
        return stacks.of_plain({one.name: tensors[names[one.name]] for one in self._table.features}, self._table)

    def _predict(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # A network of the user's may give half precision, and a layer in it may have lost the shape.
        scores, label = tf.cast(self._network(self._network_inputs(raw)), tf.float32), self._table.label
        scores.set_shape([None, len(label.classes) if label.task == "multiclass" else 1])
        if label.task != "multiclass":
            return {PREDICTION: scores}
        return {
            PREDICTION: scores,
            PREDICTED_CLASS: tf.gather(tf.constant(label.classes), tf.argmax(scores, axis=1)),
        }

    @_as_written
    def _network_inputs(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        transformed = self._transform(raw)
        return {name: transformed[name] for name, _, _ in self._inputs}


def variables_read_by(functions: Iterable[Any]) -> list[tf.Variable]:
    """Return TensorFlow's own variables (of a Keras one that is its `value`), each once.

    In the order in which they are read, so that one network is written in one way; TensorFlow keeps them as a set.
    """
    found: dict[int, tf.Variable] = {}
    for function in functions:
        by_handle = {id(variable.handle): variable for variable in function.variables}
        found |= {id(handle): by_handle[id(handle)] for handle in function.captured_inputs if id(handle) in by_handle}
    return list(found.values())


def lookup_tables(model: tf.Module | keras.Model) -> list[Any]:
    """Return tables of words and the like, which a network may hold besides variables."""
    kind = tf.saved_model.experimental.TrackableResource
    return [part for part in tf.train.TrackableView(model).descendants() if isinstance(part, kind)]


def _plain_dtype(feature: Feature) -> tf.DType:
    """Return bytes or float64: JSON knows one kind of number, and float64 holds integers exactly up to 2^53."""
    return tf.string if feature.storage is Storage.BYTES else tf.float64
