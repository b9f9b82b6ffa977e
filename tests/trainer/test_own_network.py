"""A network of the user's: fitted and served as Longhaul's is, or refused in one message with their line first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.lineage.own_code import find_function
from pipeline.serving.cpp_session import CppSession
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.own_fit import _labels as labels_of
from trainer.own_network import OwnNetwork
from trainer.train import run_fn
from trainer.user_code import UserCodeError

BUILD = """
import keras

def build_model(features):
    parts = [features.inputs["numeric"], features.inputs["flags"]]
    sizes = list(features.vocabulary_sizes.values())
    for place, size in enumerate(sizes):
        parts.append(keras.layers.Embedding(size, 4)(features.inputs["categorical"][:, place]))
    hidden = keras.layers.Dense(16, activation="relu")(keras.layers.Concatenate()(parts))
    hidden = keras.layers.BatchNormalization()(hidden)
    return keras.Model(features.inputs, keras.layers.Dense(features.outputs, activation="sigmoid")(hidden))
"""
COLUMNS = {"numeric": np.linspace(0, 1, 40, dtype=np.float32).reshape(20, 2)}


def code_of(folder: Path, text: str) -> dict[str, str]:
    (folder / "my_network.py").write_text(text)
    return find_function("trainer.build_model", "my_network.py:build_model", folder).to_plain()


def table_of(task: str, classes: tuple[str, ...] = ("0", "1")) -> FeatureTable:
    features = tuple(Feature(name, Kind.NUMERIC, Storage.FLOAT, optional=False) for name in ("age", "spent"))
    return FeatureTable(Label("again", task, Storage.INT, classes), features, 10, 8)


@pytest.mark.slow
@pytest.mark.parametrize("teacher", ["trees", pytest.param("none", marks=pytest.mark.long)])
def test_it_learns_and_is_served_with_every_signature(
    fn_args: Callable[..., Any], tmp_path: Path, teacher: str
) -> None:
    arguments = fn_args(tmp_path, teacher=teacher)
    arguments.custom_config["build_model"] = code_of(tmp_path, BUILD)
    run_fn(arguments)
    model = str(tmp_path / "Format-Serving")
    signatures = tf.saved_model.load(model).signatures
    assert {"serving_default", "serving_tensors", "gradients", "transform_features"} <= set(signatures)
    rows = {"miles": [150.0, 2500.0], "carrier": ["UA", "OO"], "tail_number": ["N1", "N7"]}
    tensors = {name: tf.constant(values, tf.float64 if name == "miles" else tf.string) for name, values in rows.items()}
    found = signatures["serving_tensors"](**tensors)["prediction"].numpy()
    assert found[0, 0] < found[1, 0], "it has learnt that OO is late over long ways"
    with CppSession(model) as session:  # as model servers load it
        in_cpp = session.ask("serving_tensors", rows)
    np.testing.assert_allclose(in_cpp["prediction"], found, atol=1e-6)
    run = tmp_path / "run"
    assert json.loads((run / "history.json").read_text())["network_of"] == "my_network.py:build_model"
    assert "hidden_units" not in json.loads((run / "hyperparameters.json").read_text())


@pytest.mark.parametrize(
    ("body", "line", "problem"),
    [
        ("raise RuntimeError('no luck')", "my_network.py:4, in build_model: raise RuntimeError('no luck')", "no luck"),
        ("return features.inputs['zzz']", "my_network.py:4, in build_model", "KeyError: zzz"),
        ("return 7", "my_network.py:build_model returned an int", "not a keras.Model"),
        ("return keras.Model(features.inputs, keras.layers.Dense(3)(x))", "gives (rows, 3)", "wants (rows, 1)"),
        ("return keras.Model(features.inputs, [x, x])", "gives 2 outputs, (rows, 2) and (rows, 2)", "wants (rows, 1)"),
        ("return keras.Model(features.inputs, {'p': keras.layers.Dense(1)(x)})", "gives a dict with its output", ""),
        ("return keras.Model(features.inputs, [keras.layers.Dense(1)(x)])", "gives a list with its output", ""),
        (
            "import tensorflow as tf\n    called = keras.layers.Lambda(lambda v: tf.ensure_shape(tf.py_function("
            "lambda z: z, [v], tf.float32), v.shape))(x)\n"
            "    return keras.Model(features.inputs, keras.layers.Dense(1, activation='sigmoid')(called))",
            "calls Python in its graph",
            "TensorFlow's operations alone",
        ),
        ("return keras.Model(features.inputs, keras.layers.Dense(1, bias_initializer='ones')(x) + 5)", "gives", "prob"),
        (
            "return keras.Model(features.inputs, keras.layers.Dense(1)(keras.ops.log(x * 0 - 1)))",
            "gives NaN or infinity for 20 of 20 training rows before training",
            "",
        ),
        ("z = keras.Input((2,))\n    return keras.Model(z, keras.layers.Dense(1)(z))", "a model with the input", ""),
    ],
)  # fmt: skip
def test_what_no_network_of_the_task_is_is_refused(tmp_path: Path, body: str, line: str, problem: str) -> None:
    text = f"import keras\ndef build_model(features):\n    x = features.inputs['numeric']\n    {body}\n"
    with pytest.raises(UserCodeError) as caught:
        OwnNetwork(code_of(tmp_path, text), table_of("binary"), [], COLUMNS)
    assert line in caught.value.what
    assert problem in caught.value.what
    assert "site-packages" not in caught.value.what
    assert caught.value.remedy


def test_inputs_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    code = code_of(
        tmp_path,
        "import keras\ndef build_model(features):\n"
        "    together = keras.layers.Concatenate()(list(features.inputs.values()))\n"
        "    return keras.Model(features.inputs, keras.layers.Dense(1, activation='sigmoid')(together))\n",
    )
    columns = COLUMNS | {"more": np.full((20, 1), np.nan, np.float32)}
    with pytest.raises(UserCodeError, match=r"before training, of inputs that are so themselves: more") as caught:
        OwnNetwork(code, table_of("binary"), [], columns, {"numeric": ["age", "spent"], "more": ["more"]})
    assert "transform.preprocessing_fn" in caught.value.remedy


def test_a_model_of_some_inputs_takes_all(tmp_path: Path) -> None:
    """As it may have been written: of inputs of its own, as a class, compiled."""
    text = """
import keras
class Mine(keras.Model):
    def __init__(self):
        super().__init__()
        self.last = keras.layers.Dense(1, activation="sigmoid")
    def call(self, inputs):
        return self.last(inputs["numeric"])
def build_model(features):
    model = Mine()
    model.compile("sgd", "binary_crossentropy")
    return model
"""
    more = COLUMNS | {"flags": np.zeros((20, 1), np.float16)}
    own = OwnNetwork(code_of(tmp_path, text), table_of("binary"), [], more)
    assert own.compiles
    model = own.build()
    assert {tensor.name for tensor in model.inputs} == {"numeric", "flags"}
    assert type(model.optimizer).__name__ == "SGD"


@pytest.mark.parametrize(
    ("classes", "storage", "given", "graded"),
    [
        (("no", "yes"), Storage.BYTES, [b"yes", b"no"], [1, 0]),
        (("no", "yes"), Storage.BYTES, [1, 0], [1, 0]),
        (("3", "7"), Storage.INT, [7, 3], [1, 0]),
    ],
)
def test_the_label_is_taken_as_it_was_or_as_places_of_classes(
    classes: tuple[str, ...], storage: Storage, given: list[Any], graded: list[int]
) -> None:
    label = Label("again", "binary", storage, classes)
    found = labels_of(np.array(given, object if isinstance(given[0], bytes) else None), label)
    assert found.tolist() == graded
    with pytest.raises(UserCodeError, match="no classes"):
        labels_of(np.array([5, 6]), label)
