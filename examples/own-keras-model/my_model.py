"""A Keras model by hand, trained on what my_features makes of the rows."""

import keras
import tensorflow as tf
import tensorflow_transform as tft
from my_features import MEASURES
from tfx_bsl.public import tfxio

FEATURES = [*MEASURES, "bill"]


def run_fn(fn_args):
    """Train, and export a model that takes tf.Examples."""
    transformed = tft.TFTransformOutput(fn_args.transform_output)
    rows = fn_args.data_accessor.tf_dataset_factory(
        fn_args.train_files,
        tfxio.TensorFlowDatasetOptions(batch_size=32, label_key="species"),
        transformed.transformed_metadata.schema,
    ).repeat()
    inputs = {name: keras.Input((1,), name=name) for name in FEATURES}
    hidden = keras.layers.Dense(16, activation="relu")(keras.layers.Concatenate()(list(inputs.values())))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(hidden))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate = 0.02
    model.fit(
        rows.map(lambda features, label: ({name: features[name] for name in FEATURES}, label)),
        steps_per_epoch=fn_args.train_steps,
        verbose=0,
    )
    model.transform = transformed.transform_features_layer()  # the model must hold what it serves with

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        columns = transformed.raw_feature_spec()
        del columns["species"]  # no request has the label
        features = model.transform(tf.io.parse_example(examples, columns))
        return {"prediction": model({name: features[name] for name in FEATURES})}

    tf.saved_model.save(model, fn_args.serving_model_dir, signatures={"serving_default": serve})
