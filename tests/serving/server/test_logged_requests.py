"""What a server writes down of requests, by every protocol."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_service_pb2_grpc

from pipeline.serving.request_files import tables
from tests.serving.server.conftest import ROW, THRESHOLD, Server, probability, push
from tests.serving.server.test_grpc import asking
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def test_every_protocol_is_logged_alike(
    exported: dict[str, Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    push(exported["first"], tmp_path / "flights", 1)
    server = serve("--model", tmp_path / "flights", "--log", tmp_path / "log")
    began = datetime.now(UTC)
    names = {"x-caller": "shop"}
    predict, infer = "/v1/models/flights:predict", "/v2/models/flights/infer"
    tensors = {"inputs": [
        {"name": key, "shape": [1], "datatype": "BYTES" if key == "carrier" else "FP64", "data": [value]}
        for key, value in ROW.items()]}  # fmt: skip
    for request_id, path, body in (
        ("rows", predict, {"instances": [ROW, ROW | {"carrier": None}]}),
        ("columns", predict, {"inputs": {key: [value] for key, value in ROW.items()}}),
        ("graded", "/v1/models/flights:classify", {"examples": [ROW | {"seats": 150}]}),
        ("v2", infer, tensors),
    ):
        found = server.post(path, body, headers=names | {"x-request-id": request_id})
        assert (found.status_code, found.headers["x-request-id"]) == (200, request_id), found.text
    own = server.post(infer, tensors | {"id": "by its body"})
    assert (own.headers["x-request-id"], own.json()["id"]) == ("by its body", "by its body")
    both = server.post(infer, tensors | {"id": "mine"}, headers={"x-request-id": "by header"})
    assert (both.headers["x-request-id"], both.json()["id"]) == ("by header", "mine")
    made = server.post(predict, {"instances": [ROW]}).headers["x-request-id"]
    wrong = server.post(predict, {"instances": [ROW | {"miles": 9999}]}, headers={"x-request-id": "wrong"})
    assert wrong.status_code == 400
    server.post("/v1/models/nobody:predict", {"instances": [ROW]}, headers={"x-request-id": "stranger"})
    with grpc.insecure_channel(server.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer, call = stub.Predict.with_call(asking([ROW]), metadata=(("x-request-id", "by grpc"),), timeout=60)
        assert dict(call.trailing_metadata())["x-request-id"] == "by grpc"
    assert tf.make_ndarray(answer.outputs["prediction"]).shape == (1, 1)

    def rows() -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for table in tables(tmp_path / "log" / "flights", since=began - timedelta(seconds=1)):
            for row in table.to_pylist():
                found.setdefault(row["request_id"], []).append(row)
        return found

    eventually(lambda: len(rows()) == 9)
    found = rows()
    assert found.keys() == {"rows", "columns", "graded", "v2", made, "wrong", "by grpc", "by its body", "by header"}
    features = {"carrier": "UA", "miles": 500.0, "seats": 150}
    for name, (first, *_) in found.items():
        if name != "wrong":
            assert (first["features"], first["row"], first["version"]) == (features, 0, "1"), name
            assert first["scores"] == [pytest.approx(probability(ROW), abs=1e-6)], name
            assert first["label"] == ("late" if probability(ROW) >= THRESHOLD else "on time"), name
            assert first["error"] is None
    assert [row["features"]["carrier"] for row in found["rows"]] == ["UA", None]
    assert found["rows"][1]["caller"] == "shop"
    assert found["wrong"][0]["error"] == (
        "INVALID_ARGUMENT: column miles, row 0: it has to be 0 to 5000; it is 9999"
    )  # fmt: skip
    assert 'longhaul_request_log_rows_total{model="flights"} 10.0' in server.get("/metrics").text
    assert server.end() == 0
    assert rows() == found
    (file,) = (tmp_path / "log").glob("flights/*/*")
    assert file.suffix == ".parquet"
