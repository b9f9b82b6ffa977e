"""The column types a table may have, and how each is stored.

One small vocabulary serves sources, schema and features. Everything downstream of ingestion sees
the three types of a tf.Example: int64, float32 and bytes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING
from unicodedata import normalize

if TYPE_CHECKING:
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
        import pyarrow as pa  # which `longhaul rollback` would wait for, and needs no table

        if self is ColumnType.STRING:
            return pa.string()
        return pa.float32() if self is ColumnType.FLOAT else pa.int64()


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the names most like `name`, else the first few, for 'did you mean'."""
    known = list(names)
    if twins := [one for one in known if normalize("NFC", one) == normalize("NFC", name)]:  # é as one character or two
        return f"{twins[0]!a} looks the same and has other characters than {name!a}"
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return "the nearest names are " + ", ".join(map(repr, near))
    more = ", …" if len(known) > 10 else ""
    return "the columns are " + ", ".join(map(repr, known[:10])) + more
