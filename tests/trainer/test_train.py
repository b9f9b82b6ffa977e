"""run_fn: what a training leaves behind, as the configuration asks for it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from pipeline.serving.cpp_session import CppSession
from trainer import litert
from trainer.train import run_fn

pytestmark = pytest.mark.slow

MILES = [150.0, 900.0, 2500.0, float("nan")]
CARRIERS = ["UA", "OO", "OO", "elsewhere"]
TAIL_NUMBERS = ["N1", "N299", "N7", ""]


@pytest.fixture(scope="module")
def plain(fn_args: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model as it comes without any request."""
    folder = tmp_path_factory.mktemp("plain")
    run_fn(fn_args(folder))
    return folder


def predict(folder: Path) -> npt.NDArray[Any]:
    """Of four rows, as plain TensorFlow loads and serves the model."""
    signature = tf.saved_model.load(str(folder / "Format-Serving")).signatures["serving_tensors"]
    predictions: npt.NDArray[Any] = signature(
        miles=tf.constant(MILES, tf.float64), carrier=tf.constant(CARRIERS), tail_number=tf.constant(TAIL_NUMBERS)
    )["prediction"].numpy()
    return predictions


def variables_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "Format-Serving" / "variables").glob("*.data-*"))


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / "run" / name).read_text())


def test_without_a_request_there_is_nothing_more(plain: Path) -> None:
    assert not (plain / "run" / "rewriting.json").exists()
    beside = {path.name for path in (plain / "Format-Serving" / "assets.extra").iterdir()}
    assert beside == {"signatures.json", "tf_serving_warmup_requests"}
    used = read(plain, "hyperparameters.json")
    assert (used["hidden_units"], used["epochs"], used["quantize"]) == ([64, 32], 2, "none")


def test_the_trees_lie_beside_the_model_and_are_not_served(plain: Path) -> None:
    assert {path.name for path in plain.glob("Format-*")} == {"Format-Serving", "Format-Weights", "Format-Baselines"}
    names = {path.name for path in (plain / "Format-Baselines").iterdir()}
    assert names == {"guess.json", "trees-0.txt.gz", "trees-1.txt.gz"}
    assert not list((plain / "Format-Serving").rglob("*trees*"))


def test_it_is_told_who_taught_the_network(plain: Path, fn_args: Callable[..., Any], tmp_path: Path) -> None:
    trees = read(plain, "history.json")["trees"]
    assert [forest["leaves"] for forest in trees["forests"]] == [15, 127]
    assert all(1 <= forest["rounds"] <= 1000 for forest in trees["forests"])
    assert 0.3 < trees["validation_loss"] < 0.6
    run_fn(fn_args(tmp_path, teacher="none"))
    assert "trees" not in read(tmp_path, "history.json")
    assert (predict(tmp_path) != predict(plain)).any()


@pytest.mark.parametrize(
    ("how", "share", "tolerance"), [pytest.param("float16", 0.55, 2e-4, marks=pytest.mark.long), ("int8", 0.35, 1e-2)]
)
def test_quantized_weights_are_small_and_serve_nearly_the_same(
    plain: Path, fn_args: Callable[..., Any], tmp_path: Path, how: str, share: float, tolerance: float
) -> None:
    run_fn(fn_args(tmp_path, quantize=how, litert=True))
    costs = read(tmp_path, "rewriting.json")
    small = costs["rewritten"][f"weights as {how}"]
    assert small["bytes"] < share * costs["bytes"]
    assert variables_bytes(tmp_path) < (share + 0.1) * variables_bytes(plain)
    assert costs["loss"] == pytest.approx(min(read(tmp_path, "history.json")["val_loss"]), abs=1e-5)
    assert small["loss"] == pytest.approx(costs["loss"], abs=1e-3)
    assert 0 < small["largest_difference"] < tolerance
    assert predict(tmp_path) == pytest.approx(predict(plain), abs=tolerance)
    assert (predict(tmp_path) != predict(plain)).any()
    tensors = {"miles": MILES, "carrier": CARRIERS, "tail_number": TAIL_NUMBERS}
    with CppSession(str(tmp_path / "Format-Serving")) as session:  # as model servers load it
        assert session.ask("serving_tensors", tensors)["prediction"] == pytest.approx(predict(tmp_path), abs=1e-6)

    file = tmp_path / "Format-Serving" / litert.LITERT_FILE
    assert costs["rewritten"]["LiteRT file"]["bytes"] == file.stat().st_size < share * costs["bytes"] + 12_000
    assert costs["rewritten"]["LiteRT file"]["largest_difference"] < tolerance


def test_the_litert_file_predicts_as_the_model_does(plain: Path, fn_args: Callable[..., Any], tmp_path: Path) -> None:
    run_fn(fn_args(tmp_path, litert=True))
    assert predict(tmp_path) == pytest.approx(predict(plain), abs=1e-7)  # the SavedModel is as ever
    served = tf.saved_model.load(str(tmp_path / "Format-Serving"))
    examples = tf.constant(
        [
            tf.train.Example(
                features=tf.train.Features(
                    feature={
                        "miles": tf.train.Feature(float_list=tf.train.FloatList(value=[miles])),
                        "carrier": tf.train.Feature(bytes_list=tf.train.BytesList(value=[carrier.encode()])),
                        "tail number": tf.train.Feature(bytes_list=tf.train.BytesList(value=[tail.encode()])),
                    }
                )
            ).SerializeToString()
            for miles, carrier, tail in zip(MILES[:3], CARRIERS, TAIL_NUMBERS, strict=False)
        ]
    )
    inputs = {name: tensor.numpy() for name, tensor in served.signatures["transform_features"](examples).items()}
    content = (tmp_path / "Format-Serving" / litert.LITERT_FILE).read_bytes()
    assert litert.run(content, inputs) == pytest.approx(predict(plain)[:3], abs=1e-5)
    assert litert.run(content, {name: values[:1] for name, values in inputs.items()}).shape == (1, 1)


def test_what_the_tuner_found_is_used_and_recorded(fn_args: Callable[..., Any], tmp_path: Path) -> None:
    found = {"space": [], "values": {"hidden_units": "[8]", "dropout": 0.25, "tuner/epochs": 1}}
    run_fn(fn_args(tmp_path, hyperparameters=found))
    used = read(tmp_path, "hyperparameters.json")
    assert (used["hidden_units"], used["dropout"], used["epochs"]) == ([8], 0.25, 2)
    weights = np.load(tmp_path / "Format-Weights" / "weights.npz")
    widths = {weights[name].shape[-1] for name in weights}
    assert 8 in widths
    assert widths.isdisjoint({64, 32})  # the configuration's
    assert len(read(tmp_path, "history.json")["loss"]) == 2


def test_a_group_stops_the_training_whole_or_not_at_all(fn_args: Callable[..., Any], tmp_path: Path) -> None:
    args = fn_args(tmp_path, epochs=1)
    args.custom_config["group_by"] = "carrier"
    run_fn(args)
    groups = pq.read_table(args.train_files[0], columns=["carrier"])["carrier"].value_counts().to_pylist()
    assert read(tmp_path, "history.json")["rows"] in [3000 - group["counts"] for group in groups]


def test_a_warm_start_begins_where_the_earlier_model_ended(
    plain: Path, fn_args: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "longhaul.progress"):
        run_fn(fn_args(tmp_path, base_model=plain, warm_start=True, epochs=1))
    (said,) = [line for line in caplog.messages if "starts from" in line]
    taken, arrays = said.removeprefix("training starts from the champion's weights: ").split(" arrays")[0].split(" of ")
    assert taken == arrays
    cold, warm = read(plain, "history.json"), read(tmp_path, "history.json")
    assert warm["val_loss"][0] < cold["val_loss"][0]
    assert warm["loss"][0] < cold["loss"][0]


def test_a_warm_start_without_an_earlier_model_says_so(
    plain: Path, fn_args: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "longhaul.progress"):
        run_fn(fn_args(tmp_path, warm_start=True))
    assert "there is no blessed model of other data to start from: training starts from scratch" in caplog.messages
    assert read(tmp_path, "history.json") == read(plain, "history.json")
    assert np.array_equal(predict(tmp_path), predict(plain))
