"""A small model with all that Longhaul's have, in two versions, and `longhaul serve` as a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.serving.models import a_manifest
from tests.waiting import eventually
from trainer.artifact_names import KEPT_ROWS_FILE, SIGNATURES_FILE
from trainer.digests import MANIFEST

ROW = {"carrier": "UA", "miles": 500.0, "seats": 150.0}
ROWS = [
    {"carrier": carrier, "miles": float(miles), "seats": float(seats)}
    for carrier in ("UA", "DL", "B6") for miles in (100, 900, 2500) for seats in (50, 180)
]  # fmt: skip
TOLD = {
    "carrier": {"feature": "carrier", "kind": "categorical", "missing": "", "may_be_missing": True,
                "values": ["B6", "DL", "UA"], "dtype": "string", "shape": [None]},
    "miles": {"feature": "miles", "kind": "numeric", "missing": "NaN", "may_be_missing": True, "min": 0, "max": 5000,
              "dtype": "float64", "shape": [None]},
    "seats": {"feature": "seats", "kind": "numeric", "missing": "NaN", "may_be_missing": False, "whole_numbers": True,
              "dtype": "float64", "shape": [None]},
}  # fmt: skip


DESCRIBED = {
    "label": {"name": "late", "task": "binary", "classes": ["on time", "late"]},
    "features_of_examples": {"carrier": "bytes_list", "miles": "float_list", "seats": "int64_list"},
    "columns_of_network": {"carrier": [["categorical", 0]], "miles": [["numeric", 0]], "seats": [["numeric", 1]]},
}
BASE = {"numeric": [500.0, 50.0], "categorical": [2]}
"""The typical row of the report."""


def probability(row: dict[str, Any], bias: float = 0.0) -> float:
    """What the model predicts, in NumPy."""
    miles = row.get("miles")
    logit = 0.001 * (500.0 if miles is None or miles != miles else miles) + 0.01 * row["seats"] + bias
    logit -= len(row.get("carrier") or "missing")
    return float(1 / (1 + np.exp(-logit)))


def export(folder: Path, bias: float = 0.0) -> None:
    """Write the model into the folder; `bias` tells versions apart."""
    import tensorflow as tf

    class Small(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = tf.Variable(np.float32(bias))

        def score(self, carrier: tf.Tensor, miles: tf.Tensor, seats: tf.Tensor) -> tf.Tensor:
            carrier = tf.where(carrier == "", "missing", carrier)
            miles = tf.where(tf.math.is_nan(miles), 500.0, miles)
            logit = 0.001 * miles + 0.01 * seats + self.bias - tf.cast(tf.strings.length(carrier), tf.float32)
            return tf.sigmoid(logit)[:, tf.newaxis]

        def raw(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
            spec = {
                "carrier": tf.io.FixedLenFeature([], tf.string, ""),
                "miles": tf.io.FixedLenFeature([], tf.float32, np.nan),
                "seats": tf.io.FixedLenFeature([], tf.int64),
            }
            found: dict[str, tf.Tensor] = tf.io.parse_example(examples, spec)
            return found

        def parsed(self, examples: tf.Tensor) -> tf.Tensor:
            found = self.raw(examples)
            return self.score(found["carrier"], found["miles"], tf.cast(found["seats"], tf.float32))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
        def by_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"prediction": self.parsed(examples)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
        def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            scores = self.parsed(inputs)
            classes = tf.repeat([["on time", "late"]], tf.shape(scores)[0], axis=0)
            return {"classes": classes, "scores": tf.concat([1 - scores, scores], 1)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
        def regress(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"outputs": self.parsed(inputs)[:, 0]}

        @tf.function(input_signature=[
            tf.TensorSpec([None], tf.string, "carrier"), tf.TensorSpec([None], tf.float64, "miles"),
            tf.TensorSpec([None], tf.float64, "seats"),
        ])  # fmt: skip
        def by_tensors(self, carrier: tf.Tensor, miles: tf.Tensor, seats: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"prediction": self.score(carrier, tf.cast(miles, tf.float32), tf.cast(seats, tf.float32))}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
        def transform(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
            found = self.raw(examples)
            miles = tf.where(tf.math.is_nan(found["miles"]), 500.0, found["miles"])
            carrier = tf.where(found["carrier"] == "", "missing", found["carrier"])
            return {
                "numeric": tf.stack([miles, tf.cast(found["seats"], tf.float32)], 1),
                "categorical": tf.cast(tf.strings.length(carrier), tf.int64)[:, tf.newaxis],
            }

        @tf.function(input_signature=[
            tf.TensorSpec([None, 2], tf.float32, "numeric"), tf.TensorSpec([None, 1], tf.int64, "categorical"),
            tf.TensorSpec([None], tf.int64, "output"),
        ])  # fmt: skip
        def gradients(self, numeric: tf.Tensor, categorical: tf.Tensor, output: tf.Tensor) -> dict[str, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(numeric)
                logit = 0.001 * numeric[:, 0] + 0.01 * numeric[:, 1] + self.bias
                score = tf.sigmoid(logit - tf.cast(categorical[:, 0] + output, tf.float32))
            return {"prediction": score, "numeric": tape.gradient(score, numeric)}

        @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
        def half_plus_two(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"y": x / 2 + 2}

        @tf.function(input_signature=[
            tf.TensorSpec([None, 2], tf.int32, "whole"), tf.TensorSpec([None], tf.string, "text_bytes"),
            tf.TensorSpec([None], tf.bool, "flag"), tf.TensorSpec([None], tf.int64, "long"),
        ])  # fmt: skip
        def every_kind(self, whole: tf.Tensor, text_bytes: tf.Tensor, flag: tf.Tensor, long: tf.Tensor) -> Any:
            return {
                "whole": whole + 0, "text_bytes": tf.identity(text_bytes), "text": tf.strings.join([text_bytes, "!"]),
                "flag": ~flag, "long": long + 0,
            }  # fmt: skip

        @tf.function(input_signature=[
            tf.TensorSpec([None], tf.float16, "half"), tf.TensorSpec([None], tf.uint16, "word"),
        ])  # fmt: skip
        def odd_kinds(self, half: tf.Tensor, word: tf.Tensor) -> dict[str, tf.Tensor]:
            pair = tf.complex(tf.cast(half, tf.float32), 1.0)
            return {"half": half * 2, "word": tf.identity(word), "pair": pair, "wide": tf.cast(pair, tf.complex128)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
        def brain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"y": tf.cast(x, tf.bfloat16)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
        def mean(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"mean": tf.reduce_mean(x)}

    small = Small()
    signatures = {
        "odd_kinds": small.odd_kinds, "brain": small.brain,
        "serving_default": small.by_examples, "serving_tensors": small.by_tensors, "classification": small.classify,
        "regression": small.regress, "half_plus_two": small.half_plus_two, "every_kind": small.every_kind,
        "mean": small.mean, "transform_features": small.transform, "gradients": small.gradients,
    }  # fmt: skip
    tf.saved_model.save(small, str(folder), signatures=signatures)
    instance = {"signature_name": "serving_tensors", "instances": [ROW]}
    (folder / SIGNATURES_FILE).parent.mkdir()
    (folder / SIGNATURES_FILE).write_text(
        json.dumps(DESCRIBED | {"signatures": {"serving_tensors": {"inputs": TOLD, "rest": {"body": instance}}}})
    )
    keep_rows(folder, bias)
    seal(folder)


def keep_rows(folder: Path, bias: float) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    kept = prediction_log_pb2.PredictionLog()
    asked, answered = kept.predict_log.request, kept.predict_log.response
    asked.model_spec.signature_name = "serving_tensors"
    for name in ROW:
        asked.inputs[name].CopyFrom(
            tf.make_tensor_proto([row[name] for row in ROWS], dtype=tf.string if name == "carrier" else tf.float64)
        )
    expected = np.array([[probability(row, bias)] for row in ROWS], np.float32)
    answered.outputs["prediction"].CopyFrom(tf.make_tensor_proto(expected))
    with tf.io.TFRecordWriter(str(folder / KEPT_ROWS_FILE)) as writer:
        writer.write(kept.SerializeToString())


THRESHOLD = 0.45
"""From which probability on a flight is called late: between those of two of ROWS, both below a half."""


def seal(folder: Path, version: int = 1) -> None:
    """Write the manifest, as a push does."""
    manifest = replace(a_manifest(folder), version=version, typical=BASE, threshold=THRESHOLD)
    (folder / MANIFEST).write_text(json.dumps(manifest.to_json()))


BIAS = {"first": 0.0, "second": 1.0}


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models by name, see `BIAS`: to be copied only."""
    folder = tmp_path_factory.mktemp("exported")
    for name, bias in BIAS.items():
        export(folder / name, bias)
    return {name: folder / name for name in BIAS}


def push(model: Path, base: Path, version: int) -> None:
    """Copy it as a version that appears whole."""
    base.mkdir(parents=True, exist_ok=True)
    hidden = base / f".incoming-{version}"
    shutil.copytree(model, hidden)
    seal(hidden, version)
    hidden.rename(base / str(version))


@dataclass
class Server:
    """A process that serves."""

    process: subprocess.Popen[bytes]
    rest: str
    grpc: str
    told: list[str]
    log: Path
    folder: tempfile.TemporaryDirectory[str]
    """Of its log; gone with this object."""

    def errors(self) -> str:
        """What it said on stderr so far."""
        return self.log.read_text()

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.rest, timeout=60, trust_env=False)

    def post(self, path: str, body: Any, **kwargs: Any) -> httpx.Response:
        content = body if isinstance(body, (str, bytes)) else json.dumps(body)
        return httpx.post(self.rest + path, content=content, timeout=60, trust_env=False, **kwargs)

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return httpx.get(self.rest + path, timeout=60, trust_env=False, **kwargs)

    def version(self, name: str = "flights") -> int:
        """Which one answers, by what it answers."""
        found = self.post(f"/v1/models/{name}:predict", {"instances": [ROW]})
        assert found.status_code == 200, found.text
        (answer,) = found.json()["predictions"][0]
        return min((1, 2), key=lambda number: abs(probability(ROW, list(BIAS.values())[number - 1]) - answer))

    def end(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(60)


def start(*arguments: str | Path, environment: dict[str, str] | None = None) -> Server:
    """Start `longhaul serve` on free ports, and wait until it says how to ask."""
    folder = tempfile.TemporaryDirectory()
    out, errors = Path(folder.name, "out.txt"), Path(folder.name, "errors.txt")
    with out.open("w") as file, errors.open("w") as other:
        command = [sys.executable, "-m", "pipeline.cli", "serve", "--port", "0", "--grpc-port", "0"]
        process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=file, stderr=other, env=os.environ | (environment or {}),
        )  # fmt: skip

    def told() -> bool:
        assert process.poll() is None, errors.read_text()
        return "curl" in out.read_text()

    eventually(told, 120)
    text = out.read_text()
    rest, grpc = (re.search(rf"{name}: (\S+)", text) for name in ("REST", "gRPC"))
    assert rest
    return Server(process, rest[1], grpc[1] if grpc else "", text.splitlines(), errors, folder)


@pytest.fixture(scope="session")
def server(exported: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of version 1 of `flights`, which nobody changes."""
    base = tmp_path_factory.mktemp("served") / "flights"
    push(exported["first"], base, 1)
    found = start("--model", base)
    yield found
    assert found.end() == 0


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """`start`, and the end of what it started."""
    started: list[Server] = []

    def begin(*arguments: str | Path, **kwargs: Any) -> Server:
        started.append(start(*arguments, **kwargs))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
