"""Record batches as CSV text, a whole column at a time.

Arrow's own writer puts every text in quotes or none; here only what needs them has them.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.convert import is_categories, joined

_TEXT = pa.large_string()


def csv_lines(columns: Iterable[pa.Array]) -> memoryview:
    """Return equally long columns of flat types, and lists of categories, as CSV lines (UTF-8, each ended by a line
    feed); a null is empty.

    There must be two columns at least: a blank line would be no row.
    """
    flat = (joined(column) if is_categories(column.type) else column for column in columns)
    fields = [_quoted(column.cast(_TEXT)) for column in flat]
    lines = pc.binary_join_element_wise(*fields, pa.scalar(",", _TEXT))
    ended = pc.binary_join_element_wise(lines, pa.scalar("", _TEXT), pa.scalar("\n", _TEXT))
    return memoryview(ended.buffers()[2])  # Arrow keeps all texts of a column in one piece


def csv_header(names: Iterable[str]) -> memoryview:
    """Return the first line."""
    return csv_lines([pa.array([name]) for name in names])


def _quoted(text: pa.Array) -> pa.Array:
    text = pc.fill_null(text, "")
    special = pc.match_substring_regex(text, '[",\\r\\n]')
    if not pc.any(special).as_py():
        return text
    doubled = pc.replace_substring(text, '"', '""')
    quote = pa.scalar('"', _TEXT)
    return pc.if_else(special, pc.binary_join_element_wise(quote, doubled, quote, pa.scalar("", _TEXT)), text)
