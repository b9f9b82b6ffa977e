"""The Open Inference Protocol, version 2, over REST."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.serving.server.conftest import ROW, ROWS, Server, probability

pytestmark = pytest.mark.slow

INFER = "/v2/models/flights/infer"


def tensor(name: str, datatype: str, data: Any, shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def request(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "42",
        "inputs": [tensor(name, "BYTES" if name == "carrier" else "FP64", [row[name] for row in rows]) for name in ROW],
    }


def test_inference(server: Server) -> None:
    found = server.post(INFER, request(ROWS)).json()
    assert (found["model_name"], found["model_version"], found["id"]) == ("flights", "1", "42")
    (output,) = found["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("prediction", "FP32", [len(ROWS), 1])
    np.testing.assert_allclose(output["data"], [probability(row) for row in ROWS], atol=1e-6)
    # Columns of one value a row, as some clients send them; nested or flat; of another type of number; null; left out.
    rows = [
        tensor("seats", "INT64", [[50], [60]], [2, 1]),
        tensor("carrier", "BYTES", ["UA", None], [2, 1]),
    ]
    answer = server.post("/v2/models/flights/versions/1/infer", {"inputs": rows}).json()["outputs"][0]["data"]
    expected = [probability({"seats": 50, "carrier": "UA"}), probability({"seats": 60})]
    np.testing.assert_allclose(answer, expected, atol=1e-6)


def test_other_signatures_and_some_outputs(server: Server) -> None:
    kinds = {
        "parameters": {"signature_name": "every_kind"},
        "inputs": [
            tensor("whole", "INT32", [1, 2], [1, 2]), tensor("text_bytes", "BYTES", ["é"]),
            tensor("flag", "BOOL", [True]), tensor("long", "INT64", [2**60]),
        ],
        "outputs": [{"name": "text"}, {"name": "long"}],
    }  # fmt: skip
    assert server.post(INFER, kinds).json()["outputs"] == [
        tensor("text", "BYTES", ["é!"]), tensor("long", "INT64", [2**60]),
    ]  # fmt: skip


def test_every_type_that_a_model_may_answer_with(server: Server) -> None:
    odd = {
        "parameters": {"signature_name": "odd_kinds"},
        "inputs": [tensor("half", "FP16", [0.5, 3]), tensor("word", "UINT16", [1, 65535])],
    }
    some = server.post(INFER, odd | {"outputs": [{"name": "half"}, {"name": "word"}]}).json()["outputs"]
    assert some == [tensor("half", "FP16", [1, 6]), tensor("word", "UINT16", [1, 65535])]
    refused = server.post(INFER, odd)
    assert (refused.status_code, "'pair' is of type complex64" in refused.json()["error"]) == (501, True)
    brain = {"parameters": {"signature_name": "brain"}, "inputs": [tensor("x", "FP32", [1])]}
    refused = server.post(INFER, brain)
    assert (refused.status_code, "type 14" in refused.json()["error"]) == (501, True)


def test_what_is_told_of_server_and_model(server: Server) -> None:
    assert server.get("/v2").json()["name"] == "longhaul"
    assert server.get("/v2/health/live").json() == {"live": True}
    assert server.get("/v2/health/ready").json() == {"ready": True}
    assert server.get("/v2/models/flights/ready").json() == {"name": "flights", "ready": True}
    told = server.get("/v2/models/flights").json()
    assert (told["platform"], told["versions"]) == ("tensorflow_savedmodel", ["1"])
    assert told["inputs"][0] == {"name": "carrier", "datatype": "BYTES", "shape": [-1]}
    assert told["outputs"] == [{"name": "prediction", "datatype": "FP32", "shape": [-1, 1]}]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"inputs": 3}, "'inputs' has to be a list of tensors; it is 3"),
        ({"inputs": [3]}, "has to be an object with a name"),
        ({"inputs": [tensor("x", "FP64", [1])]}, "there is no input 'x'"),
        ({"inputs": [tensor("seats", "FP64", [1])] * 2}, "twice"),
        ({"inputs": [tensor("seats", "BYTES", [1])]}, "takes FP64; its datatype is \"BYTES\""),
        ({"inputs": [tensor("seats", "FP64", [1], [2])]}, "has 1 values, its shape [2] needs 2"),
        ({"inputs": [tensor("seats", "FP64", [1], [-1])]}, "needs a shape"),
        ({"inputs": [tensor("seats", "FP64", 3, [1])]}, "needs data"),
        ({"inputs": [tensor("seats", "FP64", [1.5])]}, "column seats, row 0: it has to be a whole number; it is 1.5"),
        ({"outputs": [{"name": "y"}]}, "there is no output 'y'"),
        ({"parameters": {"signature_name": "no"}}, "the model has no signature \"no\""),
        ({"parameters": 3}, "'parameters' has to be an object"),
    ],
)  # fmt: skip
def test_refusals(server: Server, change: dict[str, Any], told: str) -> None:
    found = server.post(INFER, request(ROWS) | change)
    assert found.status_code == 400
    assert told in found.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v2/nothing", 404), ("GET", "/v2/models/none", 404), ("POST", "/v2/models/none/infer", 404),
        ("GET", INFER, 405), ("POST", "/v2/models/flights", 405), ("GET", "/v2/models/flights/versions/9/ready", 404),
    ],
)  # fmt: skip
def test_paths(server: Server, method: str, path: str, code: int) -> None:
    found = server.client.request(method, path, content=b"{}")
    assert (found.status_code, list(found.json())) == (code, ["error"])


def test_tensors_as_bytes_behind_the_json(server: Server) -> None:
    texts = [row["carrier"].encode() for row in ROWS]
    parts = {
        "carrier": ("BYTES", b"".join(len(text).to_bytes(4, "little") + text for text in texts)),
        "miles": ("FP64", np.array([row["miles"] for row in ROWS]).tobytes()),
        "seats": ("INT16", np.array([row["seats"] for row in ROWS], np.int16).tobytes()),
    }

    def asked(sizes: dict[str, Any], json_size: int | None = None, cut: int = 0) -> Any:
        inputs = [
            {"name": name, "shape": [len(ROWS)], "datatype": kind,
             "parameters": {"binary_data_size": sizes.get(name, len(content))}}
            for name, (kind, content) in parts.items()
        ]  # fmt: skip
        head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        body = head + b"".join(content for _, content in parts.values())
        size = str(len(head) if json_size is None else json_size)
        return server.post(INFER, body[: len(body) - cut], headers={"Inference-Header-Content-Length": size})

    answer = asked({})
    size = int(answer.headers["inference-header-content-length"])
    (output,) = json.loads(answer.content[:size])["outputs"]
    assert output == {
        "name": "prediction", "datatype": "FP32", "shape": [len(ROWS), 1],
        "parameters": {"binary_data_size": 4 * len(ROWS)},
    }  # fmt: skip
    found = np.frombuffer(answer.content[size:], "<f4")
    np.testing.assert_allclose(found, [probability(row) for row in ROWS], atol=1e-6)
    for wrong, told in (
        (asked({}, json_size=10**6), "inference-header-content-length has to be 0 to"),
        (asked({"seats": 1}), "bytes, which are no INT16"),
        (asked({"seats": -1}), "says binary_data_size -1"),
        (asked({}, cut=2), "bytes are left"),
        (asked({"seats": 0}), "belong to no input"),
        (asked({"carrier": 5}), "ends within a text"),
    ):
        assert (wrong.status_code, told in wrong.text) == (400, True), wrong.text
