"""Each edit changes its one rule; what cannot be meant is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.contract import edits
from pipeline.errors import ConfigError

TEXT = """
feature { name: "carrier" type: BYTES domain: "airlines" }
feature { name: "word" type: BYTES string_domain { value: "b" value: "a" } }
feature { name: "free" type: BYTES }
feature { name: "miles" type: INT int_domain { min: 1 max: 9 } }
feature { name: "temp" type: FLOAT drift_comparator { infinity_norm { threshold: 0.5 } } }
feature { name: "late" type: INT bool_domain {} }
string_domain { name: "airlines" value: "AA" value: "UA" }
"""
Schema = schema_pb2.Schema
Edit = Callable[[Schema], None]


def edited(edit: Edit) -> str:
    """The lines that differ, as one schema each before and after would print them."""
    schema = text_format.Parse(TEXT, Schema())
    copy = edits.copy_of(schema)
    edit(copy)
    assert text_format.Parse(TEXT, Schema()) == schema, "the original changed"
    changed: list[Any] = [f for f, was in zip(copy.feature, schema.feature, strict=True) if f != was]
    changed += [d for d, was in zip(copy.string_domain, schema.string_domain, strict=True) if d != was]
    return "; ".join(text_format.MessageToString(found, as_one_line=True).strip() for found in changed)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (
            lambda s: edits.allow_values(s, "carrier", "DL", "UA"),
            'name: "airlines" value: "AA" value: "DL" value: "UA"',
        ),
        (
            lambda s: edits.allow_values(s, "word", "0"),
            'name: "word" type: BYTES string_domain { value: "b" value: "a" value: "0" }',
        ),
        (lambda s: edits.set_range(s, "miles", at_most=20), 'name: "miles" type: INT int_domain { min: 1 max: 20 }'),
        (lambda s: edits.set_presence(s, "free", 0.25), 'name: "free" type: BYTES presence { min_fraction: 0.25 }'),
        (lambda s: edits.set_valency(s, "free", 1, 2), 'name: "free" value_count { min: 1 max: 2 } type: BYTES'),
        (
            lambda s: edits.set_drift_threshold(s, "carrier", 0.25),
            'name: "carrier" type: BYTES domain: "airlines" drift_comparator { infinity_norm { threshold: 0.25 } }',
        ),
        (
            lambda s: edits.set_drift_threshold(s, "temp", 0.25),
            'name: "temp" type: FLOAT drift_comparator { jensen_shannon_divergence { threshold: 0.25 } }',
        ),
    ],
)
def test_one_rule_changes(edit: Edit, expected: str) -> None:
    assert edited(edit) == expected


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: edits.allow_values(s, "carier", "DL"), "no column 'carier'"),
        (lambda s: edits.allow_values(s, "free", "DL"), "lists no values of 'free'"),
        (lambda s: edits.set_range(s, "carrier", at_most=1), "'carrier' is no number"),
        (lambda s: edits.set_range(s, "late", at_most=2), "'late' is no number"),
        (lambda s: edits.set_range(s, "miles", at_least=10), "at least 10 and at most 9"),
        (lambda s: edits.set_presence(s, "free", 50), "50 is no share"),
        (lambda s: edits.set_valency(s, "free", 2, 1), "2 to 1 values"),
        (lambda s: edits.set_drift_threshold(s, "temp", 1.5), "1.5 is no distance"),
    ],
)
def test_what_cannot_be_meant(edit: Edit, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        edited(edit)
