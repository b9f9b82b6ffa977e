"""Columns that came as bytes: taken and refused as the same numbers in JSON are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.serving.server import rules, tensors
from pipeline.serving.server.refusal import Refusal
from pipeline.serving.server.v2_binary import values_of
from pipeline.watch.profiles import _rules
from tests.serving.server.conftest import TOLD

COLUMNS = [
    np.arange(40, dtype=np.float64) / 8, np.arange(40, dtype=np.float16), np.arange(-20, 20, dtype=np.int8),
    np.full(40, 2**31, np.int64), np.full(40, 2**63, np.uint64), np.full(40, -1, np.int64),
    np.array([True, False] * 20), np.full(40, 1e300), np.full(40, np.nan), np.zeros(0, np.int32),
]  # fmt: skip


@pytest.mark.parametrize("dtype", sorted(tensors.KINDS))
@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: str(column.dtype))
def test_an_array_is_taken_as_the_list_of_its_values_is(column: Any, dtype: int) -> None:
    expected = tensors.plain_column(column.tolist(), dtype)
    found = tensors.plain_column(column, dtype)
    if expected is None or not len(column):
        assert found is None or not len(column)
        return
    assert found is not None
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def asked(columns: dict[str, Any], told: dict[str, Any] = TOLD) -> Any:
    inputs = {name: tensors.STRING if one["dtype"] == "string" else tensors.DOUBLE for name, one in told.items()}
    try:
        found = rules.from_columns(columns, inputs, rules.rules_of(told))
    except Refusal as refusal:
        return refusal.message
    return {name: np.array(column).tolist() for name, column in found.items()}


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("miles", np.linspace(0, 5000, 40)), ("miles", np.array([1.5] * 39 + [5001])), ("miles", np.full(40, np.inf)),
        ("seats", np.arange(40, dtype=np.uint8)), ("seats", np.array([1] * 39 + [1.5])),
        ("seats", np.array([1] * 39 + [np.nan])), ("miles", np.array([True, False] * 20)),
    ],
)  # fmt: skip
def test_the_schema_says_the_same_of_it(name: str, column: Any) -> None:
    rest = {"carrier": ["UA"] * 40, "miles": [1.0] * 40, "seats": [1.0] * 40}
    expected = asked(rest | {name: column.tolist()})
    assert asked(rest | {name: column}) == expected


def test_the_schema_says_the_same_of_missing_numbers_and_of_a_domain_of_numbers() -> None:
    miles = [float("nan"), 1.0] * 20
    found = asked({"miles": np.array(miles), "seats": np.ones(40)})
    np.testing.assert_array_equal(found["miles"], miles)
    told = {"stars": TOLD["miles"] | {"values": [1, 2, 3]}}
    for stars in ([1, 2, 3] * 10, [1, 2, 4] * 10):
        assert asked({"stars": np.array(stars)}, told) == asked({"stars": stars}, told)


@pytest.mark.parametrize(
    "texts",
    [["", "a", "Zürich", "a\0b"] * 10, ["JFK", "LGA"] * 20, ["a\0", "bc"], ["\0"], [""] * 3, ["abcd", "", ""]],
)
def test_texts(texts: list[str]) -> None:
    content = b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)
    assert values_of("city", "BYTES", content) == texts
    for cut in (1, 2, 3):
        with pytest.raises(Refusal, match="ends within a text"):
            values_of("city", "BYTES", content[: len(content) - cut])
    for tail in (b"\0", b"\xff\xff\xff\xff"):
        with pytest.raises(Refusal, match="ends within a text"):
            values_of("city", "BYTES", content + tail)
    with pytest.raises(Refusal, match="no UTF-8"):
        values_of("city", "BYTES", b"\1\0\0\0\xff")


@pytest.mark.parametrize("kind", [float, np.float32, np.float64])
def test_a_bound_is_allowed_itself_however_many_bytes_it_has(kind: Any) -> None:
    """Seen failing: the schema says at least 0.1 and at most 0.7, and 0.1 and 0.7 were refused."""
    low, high = (schema_pb2.FloatDomain(min=value).min for value in (0.1, 0.7))
    told = {"x": {"feature": "x", "dtype": "double", "may_be_missing": False, "min": low, "max": high}}
    for value in (0.1, 0.7):
        assert asked({"x": [float(kind(value))]}, told) == {"x": [float(kind(value))]}
    assert "0.1 to 0.7" in asked({"x": [0.099]}, told)
    feature = schema_pb2.Feature(float_domain=schema_pb2.FloatDomain(min=low, max=high))
    rule = _rules(feature, {})
    assert rule["least"] <= 0.1 < 0.7 <= rule["greatest"]
