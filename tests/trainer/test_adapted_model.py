"""Models of the user's: made askable, or refused in one message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trainer.adapted_model import AS_THEY_ARE, SECOND, SIGMOID, SOFTMAX, meaning_of
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.own_model import _export as export  # the part that needs no function of the user's
from trainer.plain_examples import examples_of
from trainer.user_code import UserCodeError

TABLE = FeatureTable(
    Label("again", "binary", Storage.BYTES, ("no", "yes")),
    (
        Feature("age", Kind.NUMERIC, Storage.INT, optional=False),
        Feature("spent (€)", Kind.NUMERIC, Storage.FLOAT, optional=True),
        Feature("city", Kind.CATEGORICAL, Storage.BYTES, optional=True),
    ),
    10, 0,
)  # fmt: skip
SCHEMA = text_format.Parse(
    """
    feature { name: "age" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
    feature { name: "spent (€)" type: FLOAT }
    feature { name: "city" type: BYTES }
    feature { name: "again" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
    """,
    schema_pb2.Schema(),
)
ROWS = {
    "age": [20, 30, 40, 50],
    "spent (€)": [1.5, None, 2.5, 0.0],
    "city": ["Köln", None, "Paris", ""],
    "again": ["no", "yes", "no", "yes"],
}


class Exported(tf.Module):
    """A model with one variable: what `answer` makes of the age, (batch, 1), and of it."""

    def __init__(self, answer: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.weight = tf.Variable(0.01)
        self._answer = answer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples: Any) -> Any:
        parsed = tf.io.parse_example(examples, {"age": tf.io.FixedLenFeature([1], tf.int64)})
        return self._answer(tf.cast(parsed["age"], tf.float32), self.weight)

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="age")])
    def of_numbers(self, age: Any) -> Any:
        return {"prediction": age * self.weight}


def exported(folder: Path, answer: Callable[[Any, Any], Any], signature: str = "serving_default") -> Any:
    """Exports such a model, and has it made askable; the loaded result."""
    rows, schema = folder / "rows.parquet", folder / "schema.pbtxt"
    pq.write_table(pa.table(ROWS), rows)
    schema.write_text(text_format.MessageToString(SCHEMA))
    model = Exported(answer)
    served = model.of_numbers if signature == "numbers" else model.serve
    named = "serving_default" if signature == "numbers" else signature
    tf.saved_model.save(model, str(folder / "own"), signatures={named: served})
    arguments = SimpleNamespace(schema_path=str(schema), model_run_dir=str(folder / "run"))
    (folder / "run").mkdir()
    export(str(folder / "own"), str(folder / "served"), arguments, TABLE, "my.py:run_fn", [str(rows)])
    return tf.saved_model.load(str(folder / "served"))


def test_plain_tensors_become_the_examples_that_they_stand_for() -> None:
    tensors = {
        "age": tf.constant([20.0, np.nan], tf.float64),
        "spent (€)": tf.constant([np.nan, 2.5], tf.float64),
        "city": tf.constant(["Köln", ""]),
    }
    first, second = (tf.train.Example.FromString(one).features.feature for one in examples_of(tensors, TABLE).numpy())
    assert first["age"].int64_list.value == [20]
    assert first["city"].bytes_list.value == ["Köln".encode()]
    assert second["spent (€)"].float_list.value == [2.5]
    for missing in (first["spent (€)"], second["age"], second["city"]):
        assert missing.WhichOneof("kind") is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda age, weight: {"prediction": age * weight}, lambda age: age * 0.01),
        (lambda age, weight: {"outputs": tf.reshape(age * weight, [-1])}, lambda age: age * 0.01),
        (lambda age, weight: {"any name": age - 35 + 0 * weight}, lambda age: 1 / (1 + np.exp(35 - age))),
        (lambda age, weight: {"p": tf.concat([1 - age * weight, age * weight], 1)}, lambda age: age * 0.01),
        (lambda age, weight: {"x": tf.zeros_like(age) + weight, "scores": age * weight}, lambda age: age * 0.01),
    ],
)
def test_every_signature_answers_alike(answer: Any, expected: Any, tmp_path: Path) -> None:
    model = exported(tmp_path, answer)
    ages = np.array(ROWS["age"], float)
    plain = {"age": tf.constant(ages), "spent____": tf.constant([0.0] * 4, tf.float64), "city": tf.constant([""] * 4)}
    names = model.signatures["serving_tensors"].structured_input_signature[1]
    by_tensors = model.signatures["serving_tensors"](
        **dict(zip(sorted(names), (plain["age"], plain["city"], plain["spent____"]), strict=True))
    )
    found = by_tensors["prediction"].numpy()
    assert found[:, 0] == pytest.approx(expected(ages), rel=1e-5)
    examples = examples_of({"age": plain["age"], "spent (€)": plain["spent____"], "city": plain["city"]}, TABLE)
    assert np.array_equal(model.signatures["serving_default"](examples=examples)["prediction"].numpy(), found)
    assert np.array_equal(model.signatures["regression"](inputs=examples)["outputs"].numpy(), found[:, 0])


@pytest.mark.parametrize(
    ("answer", "signature", "told"),
    [
        (
            lambda age, weight: {"prediction": age * weight},
            "other",
            "without the signature serving_default; it has other",
        ),
        (lambda age, weight: {"prediction": age * weight}, "numbers", "serving_default takes age (float32)"),
        (lambda age, weight: {"a": age * weight, "b": age}, "serving_default", "gives a (float32), b (float32)"),
        (lambda age, weight: {"a": tf.as_string(age)}, "serving_default", "gives a (string)"),
        (lambda age, weight: {"a": tf.tile(age, [1, 3])}, "serving_default", "gives 3 numbers a row"),
        (lambda age, weight: {"a": age / 0 * weight}, "serving_default", "NaN or infinity for 4 of 4 training rows"),
        (lambda age, weight: {"a": tf.reduce_mean(age)[None]}, "serving_default", "gives 1 predictions for 4 rows"),
        (lambda age, weight: {"a": tf.ensure_shape(age, [3, 1])}, "serving_default", "fails on 4 training rows"),
    ],
)
def test_a_model_that_cannot_be_asked_is_refused_in_a_sentence(
    answer: Any, signature: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(UserCodeError) as caught:
        exported(tmp_path, answer, signature)
    assert told in caught.value.what
    assert "my.py:run_fn" in caught.value.what
    assert caught.value.remedy
    assert not (tmp_path / "served").exists()


@pytest.mark.parametrize(
    ("task", "outputs", "meaning"),
    [
        ("binary", [[0.1], [0.9]], AS_THEY_ARE),
        ("binary", [[-0.1], [0.9]], SIGMOID),
        ("binary", [[0.3, 0.7], [0.5, 0.5]], SECOND),
        ("binary", [[0.3, 0.2], [0.5, 0.5]], SOFTMAX),
        ("multiclass", [[0.2, 0.3, 0.5]], AS_THEY_ARE),
        ("multiclass", [[2.0, 0.3, 0.5]], SOFTMAX),
        ("regression", [[-5.0], [100.0]], AS_THEY_ARE),
    ],
)
def test_outputs_are_probabilities_if_they_can_be(task: str, outputs: list[list[float]], meaning: str) -> None:
    classes = {"binary": ("a", "b"), "multiclass": ("a", "b", "c"), "regression": ()}[task]
    assert meaning_of(np.array(outputs), Label("y", task, Storage.BYTES, classes), "f") == meaning
