"""The exported model, asked through both of TensorFlow's loaders: Python's, and the one in C++ under model servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from keras import ops
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_serving.apis import prediction_log_pb2

from bench.small_training import analyse, trainer_arguments
from pipeline.serving.cpp_session import CppSession, LoaderError
from tests.trainer.conftest import TABLE
from trainer.artifact_names import KEPT_ROWS_FILE, SIGNATURES_FILE
from trainer.description import describe
from trainer.digests import file_digests
from trainer.features import derive
from trainer.preprocessing import CATEGORICAL, FLAGS, NUMERIC
from trainer.signatures import ServedModel
from trainer.train import run_fn

pytestmark = pytest.mark.slow

TENSORS = {
    "miles": np.array([150.0, 900.0, 2500.0, np.nan]),
    "carrier": np.array(["UA", "OO", "", "elsewhere"], object),
    "tail_number": np.array(["N1", "N299", "N7", ""], object),
}
EXAMPLES = [
    tf.train.Example(
        features=tf.train.Features(
            feature={
                "miles": tf.train.Feature(float_list=tf.train.FloatList(value=[miles])),
                "carrier": tf.train.Feature(bytes_list=tf.train.BytesList(value=[carrier])),
                "tail number": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"N7"])),
                "late": tf.train.Feature(int64_list=tf.train.Int64List(value=[late])),
            }
        )
    ).SerializeToString()
    for miles, carrier, late in [(150.0, b"UA", 0), (900.0, b"OO", 1), (1e9, b"", 1)]
]
REQUESTS: dict[str, dict[str, Any]] = {
    "serving_default": {"examples": np.array(EXAMPLES, object)},
    "serving_tensors": TENSORS,
    "transform_features": {"examples": np.array(EXAMPLES, object)},
    "transform_labels": {"examples": np.array(EXAMPLES, object)},
    "classification": {"inputs": np.array(EXAMPLES, object)},
    "regression": {"inputs": np.array(EXAMPLES, object)},
}
Answers = dict[str, dict[str, npt.NDArray[Any]]]


def by_python(folder: Path) -> Answers:
    signatures = tf.saved_model.load(str(folder)).signatures
    return {
        name: {
            key: value.numpy()
            for key, value in signatures[name](**{key: tf.constant(value) for key, value in inputs.items()}).items()
        }
        for name, inputs in REQUESTS.items()
    }


def by_cpp(folder: Path) -> Answers:
    with CppSession(str(folder)) as session:
        return {name: session.ask(name, inputs) for name, inputs in REQUESTS.items()}


def export(model: keras.Model, transform_output: tft.TFTransformOutput, folder: Path) -> None:
    served = ServedModel(model, transform_output, TABLE)
    tf.saved_model.save(served, str(folder), signatures=served.signatures())


def assert_same(one: Answers, other: Answers) -> None:
    assert one.keys() == other.keys()
    for signature, answer in one.items():
        assert answer.keys() == other[signature].keys()
        for key, values in answer.items():
            if values.dtype == object:
                assert values.tolist() == other[signature][key].tolist(), signature
                continue
            np.testing.assert_allclose(values, other[signature][key], rtol=0, atol=1e-6, err_msg=f"{signature} {key}")


@pytest.fixture(scope="module")
def transform_output(fn_args: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> tft.TFTransformOutput:
    return tft.TFTransformOutput(fn_args(tmp_path_factory.mktemp("none")).transform_output)


def inputs() -> dict[str, keras.KerasTensor]:
    return {
        NUMERIC: keras.Input((1,), name=NUMERIC),
        FLAGS: keras.Input((1,), name=FLAGS),
        CATEGORICAL: keras.Input((2,), dtype="int64", name=CATEGORICAL),
    }


def plain() -> keras.Model:
    given = inputs()
    units = keras.layers.Concatenate()([given[NUMERIC], given[FLAGS], ops.cast(given[CATEGORICAL], "float32") / 300])
    return keras.Model(given, keras.layers.Dense(1, "sigmoid")(units))


def normalized() -> keras.Model:
    """With averages that are no weights, and layers that were adapted to data."""
    given = inputs()
    scaled = keras.layers.Normalization()
    scaled.adapt(np.random.default_rng(2).normal(3, 5, (100, 1)).astype("float32"))
    cut = keras.layers.Discretization(bin_boundaries=[0.2, 0.4, 0.9], output_mode="one_hot")
    hidden = keras.layers.Concatenate()([scaled(given[NUMERIC]), cut(given[NUMERIC])])
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(8)(hidden))
    hidden = keras.layers.SpectralNormalization(keras.layers.Dense(4))(hidden)
    return keras.Model(given, keras.layers.Dense(1, "sigmoid")(hidden))


class Noisy(keras.layers.Layer):
    """Has a generator of random numbers, and a count of its own calls."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seeds = keras.random.SeedGenerator(3)
        self.calls = self.add_weight(name="calls", shape=(), dtype="int64", trainable=False, initializer="ones")

    def call(self, units: Any) -> Any:
        noise = keras.random.uniform(ops.shape(units), seed=self.seeds)  # draws on the state of the generator
        return units + 0.0 * noise + 0.1 * ops.cast(self.calls, "float32")


def with_random_state() -> keras.Model:
    given = inputs()
    hidden = Noisy()(keras.layers.Dropout(0.5)(keras.layers.GaussianNoise(0.3)(given[NUMERIC])))
    return keras.Model(given, keras.layers.Dense(1, "sigmoid")(hidden))


def nested() -> keras.Model:
    """Models within a model; recurrence and attention."""
    given = inputs()
    units = keras.Input((4,))
    block = keras.Model(units, keras.layers.LayerNormalization()(keras.layers.Dense(4, "relu")(units)))
    inner = keras.Sequential([keras.layers.Dense(4), keras.layers.BatchNormalization(), block])
    words = keras.layers.Embedding(400, 4)(given[CATEGORICAL])
    words = keras.layers.GRU(5)(keras.layers.MultiHeadAttention(2, 3)(words, words))
    return keras.Model(
        given, keras.layers.Dense(1, "sigmoid")(inner(keras.layers.Concatenate()([words, given[FLAGS]])))
    )


def with_lookup_table() -> keras.Model:
    given = inputs()
    ids = keras.layers.IntegerLookup(vocabulary=[0, 2, 1, 7], output_mode="multi_hot")(given[CATEGORICAL])
    return keras.Model(given, keras.layers.Dense(1, "sigmoid")(ids))


@keras.saving.register_keras_serializable("longhaul-tests")
class Subclassed(keras.Model):
    """Written as a class, with a Keras variable and one of TensorFlow's own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = keras.layers.Dense(4, "relu"), keras.layers.Dense(1, "sigmoid")
        self.scale = keras.Variable(np.float32(1.7), name="scale")
        self.shift = tf.Variable(0.3)

    def call(self, units: Any, training: bool = False) -> Any:
        return self.last(self.first(units) * self.scale + self.shift)


def subclassed() -> keras.Model:
    given = inputs()
    return keras.Model(given, Subclassed()(keras.layers.Concatenate()([given[NUMERIC], given[FLAGS]])))


def test_asking_calls_no_function_within_the_graph(transform_output: tft.TFTransformOutput, tmp_path: Path) -> None:
    export(plain(), transform_output, tmp_path)
    signatures = tf.saved_model.load(str(tmp_path)).signatures
    for name in ("serving_default", "serving_tensors"):
        functions = signatures[name].graph.as_graph_def().library.function
        operations = [node.op for function in functions for node in function.node_def]
        assert "LookupTableFindV2" in operations
        assert "StatefulPartitionedCall" not in operations, name


FOREIGN = [normalized, with_random_state, nested, with_lookup_table, subclassed]


@pytest.mark.parametrize(
    "build",
    [pytest.param(build, id=build.__name__, marks=[] if build is nested else [pytest.mark.long]) for build in FOREIGN],
)
def test_any_keras_model_answers_through_the_cpp_loader_as_in_python(
    build: Callable[[], keras.Model], transform_output: tft.TFTransformOutput, tmp_path: Path
) -> None:
    model = build()
    model.compile(keras.optimizers.SGD(momentum=0.9), "binary_crossentropy", metrics=["auc"])
    rows = {tensor.name: np.ones((8, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs}
    model.fit(rows, np.arange(8) % 2, verbose=0)
    export(model, transform_output, tmp_path)
    python = by_python(tmp_path)
    assert_same(by_cpp(tmp_path), python)
    network = np.asarray(model(python["transform_features"], training=False))
    np.testing.assert_allclose(python["serving_default"]["prediction"], network, rtol=0, atol=1e-6)
    # No twins, no momenta; `subclassed` has a number of which Keras does not know.
    assert saved_numbers(tmp_path) <= 1 + sum(variable.value.shape.num_elements() for variable in model.variables)


def saved_numbers(folder: Path) -> int:
    """How many numbers the checkpoint within a SavedModel holds."""
    shapes = tf.train.load_checkpoint(str(folder / "variables" / "variables")).get_variable_to_shape_map()
    return sum(int(np.prod(shape)) for name, shape in shapes.items() if name != "_CHECKPOINTABLE_OBJECT_GRAPH")


MULTIPLIED_OUT = ("PiecewiseLinear/0/2_mean", "PiecewiseLinear/0/3_scale", "Members/0/0_scale")


def test_a_trained_model_answers_through_the_cpp_loader_as_in_python(
    fn_args: Callable[..., Any], tmp_path: Path
) -> None:
    run_fn(fn_args(tmp_path))
    served = tmp_path / "Format-Serving"
    answers = by_cpp(served)
    assert_same(answers, by_python(served))
    scores = answers["serving_default"]["prediction"]
    assert answers["classification"]["classes"].tolist() == [[b"0", b"1"]] * 3
    np.testing.assert_allclose(answers["classification"]["scores"], np.hstack([1 - scores, scores]), atol=1e-6)
    np.testing.assert_allclose(answers["regression"]["outputs"], scores[:, 0], atol=1e-6)
    assert_rows_are_kept(served)
    assert_gradients(served, answers["transform_features"])
    weights = np.load(tmp_path / "Format-Weights" / "weights.npz")
    # Each weight once: neither a twin nor the optimizer's momenta. What is the same for every row is multiplied out:
    # the bins' scaling is in the first layer, that of the two members in a kernel of each. Their last layers are one
    # matrix, half of it zeros.
    kernels = sum(weights[name].size for name in ("hidden_1/0_kernel", "probability/0_kernel"))
    multiplied = sum(weights[name].size for name in MULTIPLIED_OUT)
    assert saved_numbers(served) == kernels + sum(weights[name].size for name in weights) - multiplied
    assert_described(served)


def assert_gradients(served: Path, inputs: dict[str, npt.NDArray[Any]]) -> None:
    """The signature says through the C++ loader what the function for Python says."""
    which = np.zeros(len(EXAMPLES), np.int64)
    python = tf.saved_model.load(str(served))
    expected = python.differentiate({name: tf.constant(values) for name, values in inputs.items()}, tf.constant(which))
    with CppSession(str(served)) as session:
        found = session.ask("gradients", inputs | {"output": which})
    assert found.keys() == {"prediction", NUMERIC, FLAGS}
    assert np.abs(found[NUMERIC]).max() > 0
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name].numpy(), rtol=0, atol=1e-6)


def assert_rows_are_kept(served: Path) -> None:
    """In TensorFlow Serving's file of requests to warm up with, and the model answers what stands there."""
    assert KEPT_ROWS_FILE in file_digests(served)
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log
        for record in tf.data.TFRecordDataset(str(served / KEPT_ROWS_FILE))
    ]
    with CppSession(str(served)) as session:
        for log in logs:
            inputs = {name: tf.make_ndarray(tensor) for name, tensor in log.request.inputs.items()}
            answer = session.ask(log.request.model_spec.signature_name, inputs)["prediction"]
            np.testing.assert_allclose(answer, tf.make_ndarray(log.response.outputs["prediction"]), rtol=0, atol=1e-5)
    assert [log.request.inputs["miles"].tensor_shape.dim[0].size for log in logs] == [1, 31]


def assert_described(served: Path) -> None:
    """The file beside the model says what its signatures are, and what they answer."""
    told = json.loads((served / SIGNATURES_FILE).read_text())
    assert "assets.extra/signatures.json" in file_digests(served)  # so InfraCheck and Pusher know it
    assert told["label"] == {"name": "late", "task": "binary", "classes": ["0", "1"]}
    with CppSession(str(served)) as session:
        assert set(told["signatures"]) == set(REQUESTS) | {"gradients"}
        for name, signature in told["signatures"].items():
            real = session.signature(name)
            for ours, theirs in ((signature["inputs"], real.inputs), (signature["outputs"], real.outputs)):
                assert ours.keys() == theirs.keys()
                for key, info in theirs.items():
                    shape = [None if dim.size == -1 else dim.size for dim in info.tensor_shape.dim]
                    assert (ours[key]["dtype"], ours[key]["shape"]) == (tf.dtypes.as_dtype(info.dtype).name, shape)
        tensors = told["signatures"]["serving_tensors"]
        assert tensors["inputs"]["tail_number"] == {
            "feature": "tail number", "kind": "categorical", "missing": "", "may_be_missing": False,
            "dtype": "string", "shape": [None],
        }  # fmt: skip
        assert tensors["inputs"]["miles"]["missing"] == "NaN"
        prediction = tensors["outputs"]["prediction"]
        assert (prediction["probability_of"], prediction["classes"]) == ("1", ["0", "1"])
        # The example is answered; carrier OO is late more often than others, so it is indeed the probability of "1".
        (instance,) = tensors["rest"]["body"]["instances"]
        rows = [instance, instance | {"carrier": "OO", "miles": 2500.0}, instance | {"carrier": "UA", "miles": 300.0}]
        columns = {key: [row[key] for row in rows] for key in instance}
        _, often, seldom = session.ask("serving_tensors", columns)["prediction"][:, 0]
        assert often > seldom + 0.1


NASTY = {
    "Sepal.Length": pa.float32(), "1stFloor": pa.string(), "class": pa.string(), "größe": pa.string(),
    "Größe": pa.float32(), "self": pa.float32(), "None": pa.int64(), "a b": pa.string(), "a-b": pa.string(),
    "年": pa.string(), "_x": pa.float32(), "0": pa.float32(), "from": pa.int64(), "x" * 300: pa.string(),
    # Parameters of our functions, outputs and inputs of the network.
    "tensors": pa.float32(), "examples": pa.string(), "inputs": pa.float32(), "prediction": pa.string(),
    "numeric": pa.float32(), "label_xf": pa.string(),
}  # fmt: skip


def test_columns_of_any_name_are_served_by_both_loaders(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    schema, columns = schema_pb2.Schema(), {"label": pa.array(random.integers(0, 2, 200))}
    for name, kind in NASTY.items():
        values = random.choice(["a", "b"], 200) if kind == pa.string() else random.integers(0, 9, 200)
        columns[name] = pa.array(values.tolist(), kind)
    for name, column in columns.items():
        code = 1 if column.type == pa.string() else 2 if column.type == pa.int64() else 3
        schema.feature.add(name=name, type=code).presence.min_fraction = 1.0
    table = derive(
        schema, label="label", task="binary", classes=["0", "1"], exclude=[], categorical=[], max_vocabulary=5, bins=4
    )
    analyse(pa.table(columns), schema, table, tmp_path)
    run_fn(trainer_arguments(tmp_path, table, tmp_path, hidden_units=[4], epochs=1, teacher="none"))
    tensors = {
        table.tensor_names[name]: columns[name]
        .to_numpy(zero_copy_only=False)
        .astype(object if kind == pa.string() else float)
        for name, kind in NASTY.items()
    }
    served = str(tmp_path / "Format-Serving")
    signature = tf.saved_model.load(served).signatures["serving_tensors"]
    python = signature(**{name: tf.constant(values) for name, values in tensors.items()})["prediction"].numpy()
    with CppSession(served) as session:
        assert set(session.signature("serving_tensors").inputs) == set(tensors)
        answer = session.ask("serving_tensors", tensors)["prediction"]
    np.testing.assert_allclose(answer, python, rtol=0, atol=1e-6)
    assert len(np.unique(python)) > 100


@pytest.mark.parametrize(
    ("task", "classes", "outputs"),
    [
        ("multiclass", ["x", "y", "z"], {
            "prediction": ("the probability of each class of goal, in the order of `classes`", ["x", "y", "z"]),
            "predicted_class": ("the most probable class of goal", None),
        }),
        ("regression", [], {"prediction": ("goal, in the unit of the training data", None)}),
    ],
)  # fmt: skip
def test_inputs_and_outputs_are_told_with_values_units_and_classes(
    task: str, classes: list[str], outputs: dict[str, Any]
) -> None:
    schema = text_format.Parse(
        """
        feature { name: "goal" type: FLOAT }
        feature { name: "night" type: INT bool_domain {} presence { min_fraction: 1 } }
        feature { name: "left at" type: INT time_domain { integer_format: UNIX_SECONDS } }
        feature { name: "zone" type: BYTES domain: "zones" }
        feature { name: "month" type: INT int_domain { min: 1 max: 12 } }
        string_domain { name: "zones" value: ["north", "south"] }
        """,
        schema_pb2.Schema(),
    )
    table = derive(
        schema, label="goal", task=task, classes=classes, exclude=[], categorical=[], max_vocabulary=5, bins=4
    )

    @tf.function
    def serve(tensors: Any) -> Any:
        return {key: tf.zeros([1, 1]) for key in outputs}

    tensors = {
        name: tf.TensorSpec([None], tf.string if name == "zone" else tf.float64, name)
        for name in ("night", "left_at", "zone", "month")
    }
    told = describe({"serving_tensors": serve.get_concrete_function(tensors)}, table, schema, {"month": (2, 11)})
    signature = told["signatures"]["serving_tensors"]
    plain = {"may_be_missing": True, "missing": "NaN", "whole_numbers": True, "dtype": "float64", "shape": [None]}
    assert signature["inputs"] == {
        "night": plain | {"feature": "night", "kind": "boolean", "values": [0, 1], "may_be_missing": False},
        "left_at": plain | {"feature": "left at", "kind": "timestamp", "unit": "seconds since 1970-01-01 00:00 UTC"},
        "zone": {
            "feature": "zone", "kind": "categorical", "missing": "", "may_be_missing": True,
            "values": ["north", "south"], "dtype": "string", "shape": [None],
        },
        "month": plain | {"feature": "month", "kind": "numeric", "min": 1, "max": 12, "trained_on": [2, 11]},
    }  # fmt: skip
    assert signature["rest"]["body"]["instances"] == [
        {"night": 0, "left_at": 1735689600.0, "zone": "north", "month": 1.0}
    ]
    assert {key: (value["meaning"], value.get("classes")) for key, value in signature["outputs"].items()} == outputs


class _AsKerasExports(ServedModel):
    """The export as it was before: the network as Keras tracks it, not what the signatures read."""

    def __init__(self, model: keras.Model, *args: Any) -> None:
        super().__init__(model, *args)
        self._model = model

    def signatures(self) -> dict[str, Any]:
        found = super().signatures()
        self._variables = []
        return found


def test_what_keras_tracks_is_not_what_the_cpp_loader_restores(
    transform_output: tft.TFTransformOutput, tmp_path: Path
) -> None:
    """The reason of it all. When this fails, Keras has repaired its export."""
    served = _AsKerasExports(plain(), transform_output, TABLE)
    tf.saved_model.save(served, str(tmp_path), signatures=served.signatures())
    assert by_python(tmp_path)["serving_default"]["prediction"].shape == (3, 1)
    with pytest.raises(LoaderError, match="Could not find variable"):
        by_cpp(tmp_path)
