"""scikit-learn learns; what it learnt serves as a graph of TensorFlow."""

import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.utils import io_utils
from tfx_bsl.public import tfxio


def run_fn(fn_args):
    """Fit to the raw rows of the training split, and export a model that takes tf.Examples."""
    label, features = fn_args.custom_config["label"], fn_args.custom_config["features"]
    batches = fn_args.data_accessor.record_batch_factory(
        fn_args.train_files,
        tfxio.RecordBatchesOptions(batch_size=1000, num_epochs=1),
        io_utils.parse_pbtxt_file(fn_args.schema_path, schema_pb2.Schema()),
    )
    columns = {name: [] for name in [*features, label]}
    for batch in batches:
        for name, values in columns.items():
            values.append(batch.column(batch.schema.names.index(name)).flatten().to_numpy())
    table = {name: np.concatenate(values) for name, values in columns.items()}

    scaler = StandardScaler()
    rows = scaler.fit_transform(np.stack([table[name] for name in features], axis=1))
    learnt = LogisticRegression(max_iter=1000).fit(rows, table[label])
    tf.saved_model.save(served := Served(scaler, learnt, features), fn_args.serving_model_dir,
                        signatures={"serving_default": served.serve})  # fmt: skip


class Served(tf.Module):
    """What was learnt, as TensorFlow computes it."""

    def __init__(self, scaler, learnt, features):
        super().__init__()
        self.features = features
        self.mean, self.scale = tf.Variable(scaler.mean_, dtype="float32"), tf.Variable(scaler.scale_, dtype="float32")
        self.weights = tf.Variable(learnt.coef_.T, dtype="float32")
        self.bias = tf.Variable(learnt.intercept_, dtype="float32")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        """Give the probability of each class."""
        found = tf.io.parse_example(examples, {name: tf.io.FixedLenFeature([], tf.float32) for name in self.features})
        rows = (tf.stack([found[name] for name in self.features], axis=1) - self.mean) / self.scale
        return {"prediction": tf.nn.softmax(rows @ self.weights + self.bias)}
