"""Columns of many numbers, looked at together, are taken and refused as each by itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pipeline.serving.cpp_session import text_views
from pipeline.serving.server import rules
from pipeline.serving.server.refusal import Refusal
from pipeline.serving.server.rules import Rule
from pipeline.serving.server.tensors import DOUBLE, STRING

ROWS = 20
RULES = {
    name: Rule(name, text, optional, whole, values, least, most, "" if text else math.nan)
    for name, text, optional, whole, values, least, most in (
        ("miles", False, False, False, frozenset(), 0.0, 5000.0),
        ("gust", False, True, False, frozenset(), -math.inf, math.inf),
        ("day", False, True, True, frozenset(), 1.0, 31.0),
        ("night", False, True, False, frozenset({0.0, 1.0}), -math.inf, math.inf),
        ("carrier", True, True, False, frozenset(), -math.inf, math.inf),
    )
}
INPUTS = {name: STRING if rule.is_text else DOUBLE for name, rule in RULES.items()}
ODD = [
    True,
    False,
    None,
    math.nan,
    math.inf,
    -math.inf,
    "1",
    "",
    [1.0],
    {},
    2.5,
    0,
    1,
    1.0,
    -1,
    5000,
    5001,
    2**63,
    1e308,
]


def told(ask: Any) -> Any:
    try:
        return {name: list(values) for name, values in ask().items()}
    except Refusal as refusal:
        return refusal.message


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("column", RULES)
def test_together_as_by_itself(column: str, odd: Any) -> None:
    given: dict[str, list[Any]] = {name: ["UA" if rule.is_text else 1.0] * ROWS for name, rule in RULES.items()}
    given[column][7] = odd
    rows = [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]
    apart = told(lambda: {name: rules._checked(name, given[name], INPUTS[name], RULES[name]) for name in INPUTS})
    for found in (
        told(lambda: rules.from_columns(given, INPUTS, RULES)),
        told(lambda: rules.from_rows(rows, INPUTS, RULES)),
        told(
            lambda: rules.from_rows(
                [dict(reversed(row.items())) if row is rows[3] else row for row in rows], INPUTS, RULES
            )
        ),
    ):
        np.testing.assert_equal(found, apart)


@pytest.mark.parametrize(
    "texts", [[], ["a", "", "bc"], [b"a", b"\xff\x00"], ["a", b"b"], ["ä", "b"], ["ä", b"b"]], ids=repr
)
def test_tensorflow_is_pointed_to_the_bytes_of_each_text(texts: list[Any]) -> None:
    views, content = text_views(texts)
    encoded = [text.encode() if isinstance(text, str) else text for text in texts]
    assert [int(size) // 4 for size in views[:, 0]] == list(map(len, encoded))
    starts = [int(start - views[0, 1]) for start in views[:, 1]]
    assert [content[start : start + len(text) + 1] for start, text in zip(starts, encoded, strict=True)] == [
        text + b"\0" for text in encoded
    ]


def test_what_is_no_text_is_said_to_be_none() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        text_views(["a", None])
