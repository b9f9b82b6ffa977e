"""The column types a table may have, and how each is stored.

One small vocabulary serves sources, schema and features. Everything downstream of ingestion sees
the three types of a tf.Example: int64, float32 and bytes.
"""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa


class ColumnType(StrEnum):
    """What a column holds, as a person would say it."""

    INT = "int"
    FLOAT = "float"
    STRING = "string"
    BOOL = "bool"
    TIMESTAMP = "timestamp"

    @property
    def stored(self) -> pa.DataType:
        """The Arrow type in Longhaul's Parquet files: booleans as 0/1, timestamps as Unix seconds (UTC)."""
        if self is ColumnType.STRING:
            return pa.string()
        return pa.float32() if self is ColumnType.FLOAT else pa.int64()
