"""Texts over 1,024 bytes stand in statistics each by its own name, and a list of allowed values knows them by it."""

from __future__ import annotations

import pyarrow as pa
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.data.long_texts import in_statistics, is_shortened
from pipeline.data.table_statistics import table_statistics
from pipeline.guard.anomalies import findings_of
from pipeline.guard.column_statistics import columns
from pipeline.guard.validation import validate

LONG = ["a" * 1025, "a" * 1026, "ü" * 600, "short … [sha256 x]."]
ALLOWED = [*LONG, "b", "b" * 1024, ""]


def schema_with(values: list[str], *, shared: bool) -> schema_pb2.Schema:
    schema = schema_pb2.Schema()
    feature = schema.feature.add(name="text", type=schema_pb2.BYTES)
    if shared:
        schema.string_domain.add(name="text", value=values)
        feature.domain = "text"
    else:
        feature.string_domain.value.extend(values)
    return schema


@pytest.mark.parametrize("shared", [True, False])
def test_long_texts_that_are_allowed_pass_and_another_is_counted(shared: bool) -> None:
    rows = pa.table({"text": [*ALLOWED, None] * 3}).combine_chunks().slice(2).to_batches()
    statistics = table_statistics(rows)
    schema = schema_with(ALLOWED, shared=shared)
    assert findings_of(validate(statistics, schema), statistics, schema, "train") == []
    (finding,) = findings_of(
        validate(statistics, few := schema_with(ALLOWED[1:], shared=shared)), statistics, few, "train"
    )
    assert finding.count == 2  # of three, one is before the slice
    assert "__" not in finding.found
    assert "aaaa" in finding.found


def test_every_text_keeps_a_name_of_its_own_and_its_length() -> None:
    (column,) = columns(table_statistics(pa.table({"text": LONG * 2}).to_batches())).values()
    assert column.values == {in_statistics(text): 2 for text in LONG}
    assert len(column.values) == len(LONG)
    assert column.proto.string_stats.avg_length == pytest.approx(sum(len(text.encode()) for text in LONG) / len(LONG))
    assert [is_shortened(in_statistics(text)) for text in LONG] == [True, True, True, False]
