"""What is beyond the contract in an answer: `:explain`, and `?detail=1`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.serving.server.conftest import ROW, ROWS, THRESHOLD, Server, probability

pytestmark = pytest.mark.slow

EXPLAIN, PREDICT = "/v1/models/flights:explain", "/v1/models/flights:predict"
TYPICAL = {"carrier": "UA", "miles": 500.0, "seats": 50.0}


def test_the_parts_of_a_row_add_up_to_its_difference_from_the_typical_one(server: Server) -> None:
    rows = [ROW, {"carrier": None, "seats": 180}, TYPICAL]
    answer = server.post(EXPLAIN, {"instances": rows})
    assert answer.status_code == 200, answer.text
    found = answer.json()["explanations"]
    for row, one in zip(rows, found, strict=True):
        assert one["output"] == "late"
        assert one["typical"] == pytest.approx(probability(TYPICAL), abs=1e-6)
        assert one["prediction"] == pytest.approx(probability(row), abs=1e-6)
        parts = {part["feature"]: part for part in one["parts"]}
        assert {name: part["value"] for name, part in parts.items()} == {
            name: row.get(name) for name in ("carrier", "miles", "seats")
        }
        whole = one["prediction"] - one["typical"]
        assert sum(part["part"] for part in one["parts"]) + one["gap"] == pytest.approx(whole, abs=1e-6)
        assert abs(one["gap"]) < 1e-4
        sizes = [abs(part["part"]) for part in one["parts"]]
        assert sizes == sorted(sizes, reverse=True)
    # Only seats differ from the typical row in the first, so all of the difference is theirs; nothing in the last.
    assert found[0]["parts"][0]["feature"] == "seats"
    assert [part["part"] for part in found[0]["parts"][1:]] == pytest.approx([0, 0], abs=1e-6)
    assert [part["part"] for part in found[2]["parts"]] == pytest.approx([0, 0, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "'instances' has to be a list of rows"),
        ({"instances": [ROW] * 17}, "17 rows are too many to explain at once: 16 are allowed"),
        ({"instances": [ROW | {"seats": 1.5}]}, "column seats, row 0: it has to be a whole number; it is 1.5"),
        ({"instances": [ROW, ROW | {"seats": 2**63}]}, "column seats, row 1: it has to be a whole number of 64 bits"),
        ({"instances": [ROW], "output": "late"}, "'output' chooses one of several classes"),
    ],
)
def test_a_wrong_request_for_an_explanation(server: Server, body: dict[str, Any], told: str) -> None:
    answer = server.post(EXPLAIN, body)
    assert (answer.status_code, told in answer.json()["error"]) == (400, True), answer.text


def test_tensorflow_serving_to_the_letter_has_no_explanations(server: Server) -> None:
    answer = server.post(f"{EXPLAIN}?strict=1", {"instances": [ROW]})
    assert (answer.status_code, answer.json()["error"]) == (400, f"Malformed request: POST {EXPLAIN}")


def test_names_and_probabilities_of_classes_and_the_decision(server: Server) -> None:
    rows = server.post(f"{PREDICT}?detail=1", {"instances": ROWS}).json()["predictions"]
    by_column = {name: [row[name] for row in ROWS] for name in ROW}
    assert server.post(f"{PREDICT}?detail=1", {"inputs": by_column}).json() == {"outputs": rows}
    for row, told in zip(ROWS, rows, strict=True):
        expected = probability(row)
        assert told["prediction"] == pytest.approx([expected], abs=1e-6)
        assert told["probabilities"] == pytest.approx({"on time": 1 - expected, "late": expected}, abs=1e-6)
        assert told["label"] == ("late" if expected >= 0.5 else "on time")
        assert told["decision"] == ("late" if expected >= THRESHOLD else "on time")
        assert told["threshold"] == THRESHOLD
    assert {told["label"] for told in rows} == {"on time", "late"}
    assert any(told["label"] != told["decision"] for told in rows)
    plain = server.post(f"{PREDICT}?detail=1&strict=1", {"signature_name": "serving_tensors", "instances": [ROW]})
    np.testing.assert_allclose(plain.json()["predictions"], [[probability(ROW)]], atol=1e-6)
    other = server.post(f"{PREDICT}?detail=1", {"signature_name": "half_plus_two", "instances": [1.0]})
    assert other.status_code == 400
    assert "detail=1 is for predictions" in other.json()["error"]


def test_what_the_model_took_is_timed_besides_the_request(server: Server) -> None:
    server.post(PREDICT, {"instances": [ROW]})
    text = server.get("/metrics").text
    assert ':tensorflow:serving:runtime_latency_count{API="Predict",model_name="flights",runtime="TF1"}' in text
