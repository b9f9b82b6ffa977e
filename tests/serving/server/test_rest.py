"""`longhaul serve` over HTTP, as a process: TensorFlow Serving's contract, and what goes beyond it."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from tests.serving.server.conftest import BIAS, ROW, ROWS, Server, probability

pytestmark = pytest.mark.slow

PREDICT = "/v1/models/flights:predict"
HALF = {"signature_name": "half_plus_two"}


def near(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.array(found, float), np.array(expected, float), rtol=0, atol=1e-6)


def test_it_says_where_it_listens_and_how_to_ask(server: Server) -> None:
    import shlex
    import subprocess

    curl = next(line for line in server.told if "curl" in line)
    done = subprocess.run([*shlex.split(curl), "-s"], capture_output=True, text=True, check=True)
    near(json.loads(done.stdout)["predictions"], [[probability(ROW)]])


def test_rows_and_columns(server: Server) -> None:
    expected = [[probability(row)] for row in ROWS]
    rows = server.post(PREDICT, {"signature_name": "serving_tensors", "instances": ROWS})
    assert (rows.status_code, rows.headers["content-type"]) == (200, "application/json")
    near(rows.json()["predictions"], expected)
    columns = {name: [row[name] for row in ROWS] for name in ROW}
    near(
        server.post(PREDICT, {"signature_name": "serving_tensors", "inputs": columns}).json()["outputs"],
        expected,
    )
    # The columns' names alone say which signature is meant.
    near(server.post(PREDICT, {"instances": ROWS}).json()["predictions"], expected)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (PREDICT, HALF | {"instances": [[1.0, 2.0], [3.0, 4.0]]}, {"predictions": [[2.5, 3.0], [3.5, 4.0]]}),
        ("/v1/models/flights/versions/1:predict", HALF | {"instances": [1.0, 2.0]}, {"predictions": [2.5, 3.0]}),
        ("/v1/models/flights/labels/stable:predict", HALF | {"instances": [1.0, 2.0]}, {"predictions": [2.5, 3.0]}),
        ("/V1/MODELS/flights:PREDICT", HALF | {"inputs": [3.0, 4.0]}, {"outputs": [3.5, 4.0]}),
        (PREDICT, HALF | {"inputs": {"x": 3}}, {"outputs": 3.5}),
        (PREDICT, {"signature_name": "mean", "inputs": [3.0, 5.0]}, {"outputs": 4.0}),
        (PREDICT, {"signature_name": "every_kind", "instances": [
            {"whole": [1, 2], "text_bytes": "a", "flag": True, "long": 2**60},
            {"whole": [3, 4], "text_bytes": {"b64": "Yg=="}, "flag": False, "long": -1}]},
         {"predictions": [
             {"whole": [1, 2], "text_bytes": {"b64": "YQ=="}, "text": "a!", "flag": False, "long": 2**60},
             {"whole": [3, 4], "text_bytes": {"b64": "Yg=="}, "text": "b!", "flag": True, "long": -1}]}),
    ],
)  # fmt: skip
def test_answers(server: Server, path: str, body: Any, expected: Any) -> None:
    found = server.post(path, body)
    assert (found.status_code, found.json()) == (200, expected)


EXAMPLES = {"examples": [{"carrier": "UA", "miles": 900.0, "seats": 150}, {"seats": [50]}]}
SCORES = [probability({"carrier": "UA", "miles": 900, "seats": 150}), probability({"seats": 50})]


def test_classify_and_regress(server: Server) -> None:
    named = EXAMPLES | {"signature_name": "classification"}
    for body in (named, EXAMPLES):
        results = server.post("/v1/models/flights:classify", body).json()["results"]
        assert [[label for label, _ in row] for row in results] == [["on time", "late"]] * 2
        near([row[1][1] for row in results], SCORES)
    for body in (EXAMPLES | {"signature_name": "regression"}, EXAMPLES):
        near(server.post("/v1/models/flights/versions/1:regress", body).json()["results"], SCORES)
    strict = server.post("/v1/models/flights:regress?strict=1", EXAMPLES)
    assert (strict.status_code, strict.json()["error"]) == (
        400, "No regression inputs found in SignatureDef: serving_default",
    )  # fmt: skip
    context = {"context": {"seats": 50}, "examples": [{"carrier": "UA"}, {"seats": 150, "miles": 900.0}]}
    near(
        server.post("/v1/models/flights:regress", context).json()["results"],
        [probability({"carrier": "UA", "seats": 50}), probability({"seats": 150, "miles": 900})],
    )


def test_status_and_metadata(server: Server) -> None:
    status = {
        "version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""},
    }  # fmt: skip
    for path in ("", "/versions/1", "/labels/stable"):
        assert server.get(f"/v1/models/flights{path}").json() == {"model_version_status": [status]}
    told = server.get("/v1/models/flights/metadata").json()
    assert told["model_spec"] == {"name": "flights", "signature_name": "", "version": "1"}
    defs = told["metadata"]["signature_def"]["signature_def"]
    assert set(defs) == {
        "serving_default", "serving_tensors", "classification", "regression", "half_plus_two", "every_kind", "mean",
        "transform_features", "gradients", "odd_kinds", "brain",
    }  # fmt: skip
    given = defs["serving_tensors"]["inputs"]["carrier"]
    assert (given["dtype"], given["tensor_shape"]) == (
        "DT_STRING", {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
    )  # fmt: skip
    assert defs["regression"]["method_name"] == "tensorflow/serving/predict"


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "told"),
    [
        ("POST", "/v1/models/foo:predict", '{"instances": [1]}', 404,
         "Servable not found for request: Latest(foo)"),
        ("POST", "/v1/models/foo/versions/50:predict", '{"instances": [1]}', 404,
         "Servable not found for request: Specific(foo, 50)"),
        ("POST", "/v1/models/flights/versions/99:predict", '{"instances": [1]}', 404,
         "Servable not found for request: Specific(flights, 99)"),
        ("POST", "/v1/models/flights/labels/nope:predict", '{"instances": [1]}', 400,
         "Unrecognized servable version label: nope"),
        ("POST", PREDICT, "", 400, "JSON Parse error: The document is empty"),
        ("POST", PREDICT, "instances = [1, 2]", 400, "JSON Parse error: Invalid value"),
        ("POST", PREDICT, '{"signature_name": 100}', 400, "'signature_name' key must be a string value."),
        ("POST", PREDICT, '{"signature_name": "no", "instances": [1]}', 400,
         'Serving signature name: "no" not found in signature def'),
        ("POST", PREDICT, '{"signature_name": "half_plus_two", "instances": ["x", "y"]}', 400,
         "not of expected type: float"),
        ("POST", PREDICT, '{"signature_name": "half_plus_two"}', 400, "Missing 'inputs' or 'instances' key"),
        ("POST", PREDICT, '{"inputs": 1, "instances": [1]}', 400, "expecting only one of 'inputs' or 'instances' keys"),
        ("POST", PREDICT, '{"instances": 1}', 400, "Expecting 'instances' to be an list/array"),
        ("POST", PREDICT, '{"instances": []}', 400, "No values in 'instances' array"),
        ("POST", PREDICT, '{"signature_name": "mean", "instances": [1]}', 400, "has no shape information"),
        ("POST", PREDICT, '{"instances": ["no example"]}', 400, "Could not parse example input"),
        ("GET", "/v1/models", "", 400, "Missing model name in request."),
        ("GET", "/v1/models/foo", "", 404, "Could not find any versions of model foo"),
        ("GET", "/v1/models/flights/versions/9", "", 404, "Could not find version 9 of model flights"),
        ("PUT", "/v1/models/flights", "", 400, "Malformed request: PUT /v1/models/flights"),
        ("POST", "/v1/models/flights:regress", '{"signature_name": "no", "examples": [{}]}', 400,
         "No signature was found with the name: no"),
        ("POST", "/v1/models/flights:classify", '{"signature_name": "mean", "examples": [{}]}', 400,
         "No classification inputs found in SignatureDef"),
    ],
)  # fmt: skip
def test_refusals(server: Server, method: str, path: str, body: str, code: int, told: str) -> None:
    found = server.client.request(method, path, content=body)
    assert (found.status_code, found.headers["content-type"]) == (code, "application/json")
    assert told in found.json()["error"]
    assert found.text.startswith('{\n    "error": "')


def test_options_and_other_paths(server: Server) -> None:
    asked = server.client.options(PREDICT, headers={"Origin": "https://example.org"})
    assert (asked.status_code, "access-control-allow-origin" in asked.headers) == (200, False)
    assert server.client.options(PREDICT).status_code == 400
    elsewhere = server.get("/statuspage")
    assert (elsewhere.status_code, elsewhere.content) == (404, b"")


# Beyond the contract


def test_values_may_be_null_or_absent_where_the_schema_allows(server: Server) -> None:
    rows: list[dict[str, Any]] = [
        {"carrier": None, "miles": None, "seats": 50}, {"seats": 50.0}, {"carrier": "", "seats": 50},
    ]  # fmt: skip
    near(server.post(PREDICT, {"instances": rows}).json()["predictions"], [[probability({"seats": 50})]] * 3)
    columns = {"inputs": {"seats": [50, 60], "miles": [None, 10]}}
    near(
        server.post(PREDICT, columns | {"signature_name": "serving_tensors"}).json()["outputs"],
        [[probability({"seats": 50})], [probability({"seats": 60, "miles": 10})]],
    )
    for row, told in ((rows[0], "Type: Null is not of expected type"), (rows[1], "keys must be equal to")):
        strict = server.post(f"{PREDICT}?strict=1", {"signature_name": "serving_tensors", "instances": [row]})
        assert strict.status_code == 400
        assert told in strict.json()["error"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seats": None}, "column seats, row 1: a value is required; it is missing"),
        ({"seats": 1.5}, "column seats, row 1: it has to be a whole number; it is 1.5"),
        ({"carrier": "XX"}, 'column carrier, row 1: it has to be one of "B6", "DL", "UA"; it is "XX"'),
        ({"miles": 5001}, "column miles, row 1: it has to be 0 to 5000; it is 5001"),
        ({"miles": -1e-9}, "column miles, row 1: it has to be 0 to 5000; it is -1e-09"),
        ({"miles": "far"}, 'column miles, row 1: it has to be a number; it is "far"'),
        ({"miles": True}, "column miles, row 1: it has to be a number; it is true"),
        ({"miles": [1]}, "column miles, row 1: it has to be a number; it is [1]"),
        ({"carrier": 5}, "column carrier, row 1: it has to be text; it is 5"),
        ({"wings": 2}, "column wings, row 1: the model has no such input; it is 2"),
    ],
)
@pytest.mark.parametrize("more", [0, 40])
def test_what_breaks_the_schema_is_named(server: Server, change: dict[str, Any], told: str, more: int) -> None:
    found = server.post(PREDICT, {"instances": [ROW, ROW | change, *[ROW] * more]})
    assert (found.status_code, found.json()["error"]) == (400, told)
    strict = {"signature_name": "serving_tensors", "instances": [ROW | {"carrier": "XX", "miles": -5}]}
    assert server.post(f"{PREDICT}?strict=1", strict).status_code == 200


def test_health_and_metrics(server: Server) -> None:
    assert server.get("/healthz").text == "ok\n"
    assert server.get("/readyz").text == "ready\n"

    def count(status: str) -> float:
        text = server.get("/monitoring/prometheus/metrics").text
        found = re.search(
            rf'^:tensorflow:serving:request_count{{model_name="flights",status="{status}"}} (\S+)$', text, re.M
        )
        return float(found[1]) if found else 0.0

    before = count("OK"), count("INVALID_ARGUMENT")
    server.post(PREDICT, {"instances": ROWS})
    server.post(PREDICT, "x")
    assert (count("OK"), count("INVALID_ARGUMENT")) == (before[0] + 1, before[1] + 1)
    page = server.get("/metrics").text
    assert ':tensorflow:serving:request_latency_bucket{API="predict",entrypoint="REST",le="10.0",' in page
    assert 'longhaul_serving_version{model="flights"} 1.0' in page
    assert "_created" not in page


def test_only_what_serves_is_imported(server: Server) -> None:
    """Neither Python's TensorFlow, TFX, Beam, Keras nor what trains: the libraries that the process has mapped."""
    mapped = f"/proc/{server.process.pid}/maps"
    with open(mapped) as file:  # noqa: PTH123
        text = file.read()
    assert "libtensorflow_cc" in text
    for package in ("_pywrap_tensorflow_internal", "tfx_bsl", "apache_beam", "ml_metadata", "pandas", "sklearn"):
        assert package not in text, package
    assert BIAS["first"] == 0
