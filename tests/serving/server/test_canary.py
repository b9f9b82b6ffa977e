"""A rollout under requests: who meets which version, by every protocol, and what the log says of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_service_pb2_grpc

from pipeline.serving.request_files import tables
from pipeline.serving.rollout import Rollout, end, write
from tests.serving.server.conftest import BIAS, ROW, Server, probability, push
from tests.serving.server.test_grpc import asking
from tests.serving.server.test_versions import PREDICT, Stream
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.long]

KEYS = [float(miles) for miles in range(0, 1000, 20)]
ROWS = [ROW | {"miles": miles} for miles in KEYS]


def versions_of(answers: list[float]) -> list[int]:
    """Which version answered each row."""
    found = []
    for row, answer in zip(ROWS, answers, strict=True):
        (version,) = [
            number for number, bias in enumerate(BIAS.values(), 1) if abs(probability(row, bias) - answer) < 1e-6
        ]
        found.append(version)
    return found


def test_one_key_meets_one_version_by_every_protocol(
    exported: dict[str, Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    base = tmp_path / "flights"
    push(exported["first"], base, 1)
    push(exported["second"], base, 2)
    server = serve("--model", base, "--log", tmp_path / "log")
    rollout = Rollout(2, 1, 2, "canary", 30, "miles", "Ann", "2026-01-01T00:00:00+00:00")
    expected = [2 if rollout.meets(miles) else 1 for miles in KEYS]
    assert {1, 2} == set(expected)

    def one(body: Any) -> float:
        return float(server.post(PREDICT, body).json()["predictions"][0][0])

    with Stream(server) as stream:
        write(base, rollout)
        by_rows = {"instances": ROWS}
        eventually(lambda: server.post("/v1/models/flights/labels/canary:predict", by_rows).status_code == 200)
        assert versions_of([answer[0] for answer in server.post(PREDICT, by_rows).json()["predictions"]]) == expected
        assert versions_of([one({"instances": [row]}) for row in ROWS]) == expected
        by_v2 = {"inputs": [
            {"name": key, "shape": [len(ROWS)], "datatype": "BYTES" if key == "carrier" else "FP64",
             "data": [row[key] for row in ROWS]} for key in ROW]}  # fmt: skip
        assert versions_of(server.post("/v2/models/flights/infer", by_v2).json()["outputs"][0]["data"]) == expected
        single = by_v2 | {"inputs": [one | {"shape": [1], "data": one["data"][-1:]} for one in by_v2["inputs"]]}
        assert server.post("/v2/models/flights/infer", single).json()["model_version"] == str(expected[-1])
        graded = {"examples": [{"carrier": "UA", "miles": row["miles"], "seats": 150} for row in ROWS]}
        classes = server.post("/v1/models/flights:classify", graded).json()["results"]
        assert versions_of([dict(found)["late"] for found in classes]) == expected
        with grpc.insecure_channel(server.grpc) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            answer = stub.Predict(asking(ROWS), timeout=60)
            assert versions_of(tf.make_ndarray(answer.outputs["prediction"])[:, 0].tolist()) == expected
            answer = stub.Predict(asking(ROWS[-1:]), timeout=60)
            assert answer.model_spec.version.value == expected[-1]
        pinned = server.post("/v1/models/flights/versions/1:predict", by_rows).json()["predictions"]
        assert set(versions_of([answer[0] for answer in pinned])) == {1}
        server.post(PREDICT, by_rows, headers={"x-request-id": "mixed"})
        end(base)  # promoted: the highest version answers
        eventually(lambda: server.version() == 2)
    assert stream.problems == []
    assert stream.answers[200, 0] == 0

    def logged() -> dict[int, tuple[str, str]]:
        rows = [row for table in tables(tmp_path / "log" / "flights") for row in table.to_pylist()]
        return {row["row"]: (row["version"], row["route"]) for row in rows if row["request_id"] == "mixed"}

    eventually(lambda: len(logged()) == len(ROWS))
    assert logged() == {
        place: (str(version), "stable" if version == 1 else "canary") for place, version in enumerate(expected)
    }


def test_one_id_of_a_request_meets_one_version(
    exported: dict[str, Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    base = tmp_path / "flights"
    push(exported["first"], base, 1)
    push(exported["second"], base, 2)
    rollout = Rollout(2, 1, 2, "canary", 50, by="Ann", time="2026-01-01T00:00:00+00:00")
    write(base, rollout)
    server = serve("--model", base, "--log", tmp_path / "log")
    eventually(lambda: server.get("/v1/models/flights/labels/canary").status_code == 200)
    names = [f"order {number}" for number in range(40)]
    expected = [str(2 if rollout.meets(name) else 1) for name in names]
    assert {"1", "2"} == set(expected)
    tensors = [
        {"name": key, "shape": [1], "datatype": "BYTES" if key == "carrier" else "FP64", "data": [value]}
        for key, value in ROW.items()
    ]
    for _ in range(2):
        answers = [server.post("/v2/models/flights/infer", {"id": name, "inputs": tensors}).json() for name in names]
        assert [(one["id"], one["model_version"]) for one in answers] == list(zip(names, expected, strict=True))
    with grpc.insecure_channel(server.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        found = [stub.Predict(asking([ROW]), metadata=(("x-request-id", name),), timeout=60) for name in names]
        assert [str(one.model_spec.version.value) for one in found] == expected


def test_a_shadow_answers_to_the_log_and_a_rollback_ends_it(
    exported: dict[str, Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    base = tmp_path / "flights"
    push(exported["first"], base, 1)
    push(exported["second"], base, 2)
    write(base, Rollout(2, 1, 2, "shadow", by="Ann", time="2026-01-01T00:00:00+00:00"))
    server = serve("--model", base, "--log", tmp_path / "log")
    assert server.version() == 1
    server.post(PREDICT, {"instances": ROWS}, headers={"x-request-id": "both"})

    def logged() -> list[dict[str, Any]]:
        rows = [row for table in tables(tmp_path / "log" / "flights") for row in table.to_pylist()]
        return [row for row in rows if row["request_id"] == "both"]

    eventually(lambda: len(logged()) == 2 * len(ROWS))
    for route, version in (("stable", 1), ("shadow", 2)):
        mine = sorted((row["row"], row["scores"][0]) for row in logged() if row["route"] == route)
        assert versions_of([score for _, score in mine]) == [version] * len(ROWS)
    began = time.monotonic()
    push(exported["first"], base, 3)  # as a rollback does
    eventually(lambda: server.get("/v1/models/flights/versions/3").status_code == 200)
    assert server.version() == 1
    assert time.monotonic() - began < 60
    server.post(PREDICT, {"instances": [ROW]}, headers={"x-request-id": "later"})
    assert server.end() == 0
    rows = [row for table in tables(tmp_path / "log" / "flights") for row in table.to_pylist()]
    assert {row["route"] for row in rows if row["request_id"] == "later"} == {"stable"}
