"""A network of the user's on features of the user's: `build_model` fitted to what their `preprocessing_fn` gives.

It is a `run_fn`: trainer.own_model calls it in the place of one of the user's, and puts Longhaul's signatures around
what it exports.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from trainer.adapted_model import label_of
from trainer.artifact_names import PREDICTION
from trainer.features import FeatureTable, Label, Storage
from trainer.fitting import Fitted, fit
from trainer.own_network import OwnNetwork
from trainer.reading import Columns
from trainer.settings.fitting import FittingSettings
from trainer.settings.own_model import OwnModelRequest
from trainer.signatures import lookup_tables, variables_read_by
from trainer.user_code import UserCodeError

_BATCH_ROWS = 4096


def run_fn(fn_args: Any, request: OwnModelRequest, settings: FittingSettings) -> Fitted:
    """Fit the network that the user's function builds, and export it with their transform graph inside.

    Raises:
        UserCodeError: their features cannot be fitted to, or their network cannot be.
    """
    table, transform_output = request.table, tft.TFTransformOutput(fn_args.transform_output)
    columns, labels, weights = read(fn_args, table, transform_output, request.weight)
    own = OwnNetwork(request.code, table, [], columns, {name: [name] for name in columns})
    with own.blamed():
        taught = settings.model_copy(update={"teacher": "none"})
        fitted = fit(table, [], columns, labels, None, taught, own=own, weights=weights)
    own.check(fitted.model, "after training")
    served = _Served(fitted.model, transform_output, {table.label.name, request.weight})
    tf.saved_model.save(served, fn_args.serving_model_dir, signatures={"serving_default": served.signature()})
    return fitted


def read(
    fn_args: Any, table: FeatureTable, transform_output: tft.TFTransformOutput, weight: str | None = None
) -> tuple[Columns, Any, Any]:
    """Return the transformed training rows: features by name, (rows, …), labels (rows,) and weights (rows,).

    A row of weight 0 is left out; without the column `weight` the weights are None.

    Raises:
        UserCodeError: a feature is text or has not one shape in all rows, or label or weights are not among them.
    """
    from tfx_bsl.public import tfxio

    label = table.label
    spec = transform_output.transformed_feature_spec()
    for name, what in ((label.name, "the label"), *([(weight, "the weight of a row (data.weight)")] if weight else [])):
        if name not in spec:
            raise UserCodeError(
                f"transform.preprocessing_fn gives no {name!r}, {what}; it gives {', '.join(list(spec)[:12])}",
                f"let it return inputs[{name!r}] under its name",
            )
    for name, one in spec.items():
        if not isinstance(one, tf.io.FixedLenFeature):
            raise UserCodeError(
                f"transform.preprocessing_fn gives {name!r} with as many values as a row happens to have",
                "fill it: tft.sparse_tensor_to_dense_with_shape(inputs[name], [None, 1], default_value)",
            )
        if "/" in name:
            raise UserCodeError(
                f"transform.preprocessing_fn gives {name!r}: no input of a Keras model has a / in its name",
                f"call it {name.replace('/', '_')!r}",
            )
        if one.dtype == tf.string and name != label.name:
            raise UserCodeError(
                f"transform.preprocessing_fn gives {name!r} as text, which no network reads",
                "give it as ids: tft.compute_and_apply_vocabulary(inputs[name], num_oov_buckets=1)",
            )
    rows = fn_args.data_accessor.tf_dataset_factory(
        fn_args.train_files,
        tfxio.TensorFlowDatasetOptions(batch_size=_BATCH_ROWS, num_epochs=1, shuffle=False, drop_final_batch=False),
        transform_output.transformed_metadata.schema,
    )
    batches = list(rows.as_numpy_iterator())
    columns = {name: np.concatenate([batch[name] for batch in batches]) for name in spec}
    columns = {name: values if values.ndim > 1 else values[:, np.newaxis] for name, values in columns.items()}
    weights = columns.pop(weight).ravel().astype(np.float64) if weight else None
    if weights is not None:
        if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
            raise UserCodeError(
                f"transform.preprocessing_fn gives weights {weight!r} that are negative, no numbers, or all 0",
                f"let it return inputs[{weight!r}] as it is",
            )
        columns = {name: values[weights > 0] for name, values in columns.items()}
        weights = weights[weights > 0]
    labels = _labels(columns.pop(label.name), label)
    if not columns:
        raise UserCodeError("transform.preprocessing_fn gives the label only", "let it return features beside it")
    return columns, labels, weights


def _labels(values: npt.NDArray[Any], label: Label) -> npt.NDArray[Any]:
    """Return the label as it is graded, of what the user's function made of it: itself, or the class's place."""
    if label.task == "regression" or (label.storage is Storage.BYTES) == (values.dtype.kind in "SO"):
        known = [word.encode() if values.dtype.kind in "SO" else word for word in label.classes]
        found = values.ravel() if values.dtype.kind in "SO" else values.ravel().astype(int).astype(str)
        if label.task == "regression" or np.isin(found, known).all():
            graded: npt.NDArray[Any] = label_of(tf.constant(values), label).numpy()
            return graded
    elif np.isin(values, np.arange(len(label.classes))).all():
        return values.ravel().astype(np.int64)
    raise UserCodeError(
        f"transform.preprocessing_fn makes of the label {label.name!r} values that are no classes: "
        f"{json.dumps([str(one) for one in np.unique(values)[:4]])}",
        f"let it return inputs[{label.name!r}] as it is",
    )


class _Served(tf.Module):
    """Network and the user's transform graph, asked by tf.Examples; see trainer.signatures.ServedModel for why the
    network is no part of it."""

    def __init__(
        self, model: keras.Model, transform_output: tft.TFTransformOutput, not_served: Collection[str | None]
    ) -> None:
        super().__init__()
        self._network = functools.partial(model, training=False)
        self._names = tuple(tensor.name for tensor in model.inputs)
        self._tables = lookup_tables(model)
        self._variables: list[tf.Variable] = []
        self._transform = transform_output.transform_features_layer()
        self._spec = {name: one for name, one in transform_output.raw_feature_spec().items() if name not in not_served}

    def signature(self) -> Any:
        """Return the concrete function; from then on the variables that it reads are tracked."""
        function = self.serve.get_concrete_function(tf.TensorSpec([None], tf.string, name="examples"))
        self._variables = variables_read_by([function])
        return function

    @tf.function
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predict from serialized tf.Examples of raw features."""
        features = self._transform(tf.io.parse_example(examples, dict(self._spec)))
        inputs = {name: features[name] for name in self._names}
        inputs = {name: one if one.shape.rank > 1 else one[:, tf.newaxis] for name, one in inputs.items()}
        return {PREDICTION: self._network(inputs)}
