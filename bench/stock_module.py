"""What a tutorial would put into the module of a stock pipeline on the flights: z-scores, vocabularies, a network."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public import tfxio

LABEL = "late"
NUMBERS = (
    "weekday", "sched_dep_minute", "sched_arr_minute", "distance_miles", "temp_f", "dewpoint_f", "humidity_pct",
    "wind_dir_deg", "wind_speed_mph", "wind_gust_mph", "precip_in", "pressure_mb", "visibility_miles",
    "plane_known", "plane_year", "engines", "seats",
)  # fmt: skip
CATEGORIES = ("carrier", "origin", "dest", "plane_type", "manufacturer", "plane_model", "engine")


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
    """See tft; every output is (batch, 1)."""
    outputs = {f"{LABEL}_xf": _fill_in(inputs[LABEL])}
    for name in NUMBERS:
        outputs[f"{name}_xf"] = tft.scale_to_z_score(tf.cast(_fill_in(inputs[name]), tf.float32))
    for name in CATEGORIES:
        outputs[f"{name}_xf"] = tft.compute_and_apply_vocabulary(
            _fill_in(inputs[name]), top_k=1000, num_oov_buckets=1, vocab_filename=name
        )
    return outputs


def _fill_in(column: Any) -> tf.Tensor:
    """A missing value becomes 0 or the empty string."""
    if not isinstance(column, tf.SparseTensor):
        return column
    sparse = tf.SparseTensor(column.indices, column.values, [column.dense_shape[0], 1])
    return tf.sparse.to_dense(sparse, default_value="" if column.dtype == tf.string else 0)


def run_fn(fn_args: Any) -> None:
    """See tfx.components.Trainer; `custom_config` holds `hidden_units` and `batch_size`."""
    transform_output = tft.TFTransformOutput(fn_args.transform_output)

    def batches(files: list[str]) -> tf.data.Dataset:
        options = tfxio.TensorFlowDatasetOptions(fn_args.custom_config["batch_size"], label_key=f"{LABEL}_xf")
        schema = transform_output.transformed_metadata.schema
        return fn_args.data_accessor.tf_dataset_factory(files, options, schema).repeat()

    model = build_model(fn_args.custom_config["hidden_units"], transform_output)
    model.fit(
        batches(fn_args.train_files),
        steps_per_epoch=fn_args.train_steps,
        validation_data=batches(fn_args.eval_files),
        validation_steps=fn_args.eval_steps,
        verbose=2,
    )
    model.transform = transform_output.transform_features_layer()
    raw_spec = transform_output.raw_feature_spec()
    examples_spec = tf.TensorSpec([None], tf.string, name="examples")

    @tf.function(input_signature=[examples_spec])
    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        raw = tf.io.parse_example(examples, {name: spec for name, spec in raw_spec.items() if name != LABEL})
        return {"outputs": model(model.transform(raw))}

    @tf.function(input_signature=[examples_spec])
    def transform_features(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return model.transform(tf.io.parse_example(examples, raw_spec))

    signatures = {"serving_default": serve, "transform_features": transform_features}
    tf.saved_model.save(model, fn_args.serving_model_dir, signatures=signatures)


def build_model(hidden_units: list[int], transform_output: tft.TFTransformOutput) -> keras.Model:
    """z-scores and embedded categories through dense layers to one probability."""
    inputs = {f"{name}_xf": keras.Input((1,), name=f"{name}_xf") for name in NUMBERS}
    parts = list(inputs.values())
    for name in CATEGORIES:
        ids = inputs[f"{name}_xf"] = keras.Input((1,), dtype="int64", name=f"{name}_xf")
        size = transform_output.vocabulary_size_by_name(name) + 1
        parts.append(keras.layers.Flatten()(keras.layers.Embedding(size, 16)(ids)))
    hidden = keras.layers.Concatenate()(parts)
    for units in hidden_units:
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    return model
