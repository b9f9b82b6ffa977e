"""What the guard's tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.data.table_statistics import table_statistics
from pipeline.guard.validation import Statistics


@pytest.fixture(scope="session")
def statistics() -> Callable[..., Statistics]:
    """`statistics(column=[values], ...)`: TFDV's statistics of a table; a fraction is stored as float32."""

    def of(**columns: list[Any]) -> Statistics:
        return table_statistics([batch(**columns)])

    return of


def batch(**columns: list[Any]) -> pa.RecordBatch:
    """Rows in their stored types; a column without a value is text, as ingestion takes it."""
    to = {pa.float64(): pa.float32(), pa.null(): pa.string()}
    arrays = [pa.array(values) for values in columns.values()]
    return pa.RecordBatch.from_arrays([array.cast(to.get(array.type, array.type)) for array in arrays], list(columns))


def schema_of(text: str) -> schema_pb2.Schema:
    schema: schema_pb2.Schema = text_format.Parse(text, schema_pb2.Schema())
    return schema
