"""Columns of lists that are written as text, such as `red|blue` or `["red", "blue"]`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_SAMPLE, _FEWEST_ROWS = 20_000, 100
_DELIMITERS = ("|", ";", ",", "/")
_MOST_ITEMS, _LONGEST_ITEM = 1000, 40
_ROWS_EACH = 10
"""Rows that an item is in, on average."""
_VARIES = 0.05
"""Of the lists, how many at least have another length than the commonest."""
_DAY = r"(^|\D)(0?[1-9]|[12]\d|3[01])/(0?[1-9]|[12]\d|3[01])/(19|20)?\d\d(\D|$)|(^|\D)(19|20)\d\d/\d\d?/\d\d?(\D|$)"
"""1/20/17, which is no list, though other texts of its column have no day or two."""
_AROUND = r"^[\s\[\]()'\"]+|[\s\[\]()'\"]+$"


def list_delimiter(values: pa.ChunkedArray) -> str | None:
    """Return what stands between the items, if the texts of a column are lists of few different items of any number."""
    some = values.drop_null().slice(0, _SAMPLE)
    if len(some) < _FEWEST_ROWS:
        return None
    for delimiter in _DELIMITERS:
        lists = pc.split_pattern(some, delimiter)
        lengths = pc.value_counts(pc.list_value_length(lists)).field("counts").to_numpy()
        if len(lengths) < 2 or lengths.max() > (1 - _VARIES) * len(some):
            continue
        items = pc.replace_substring_regex(pc.list_flatten(lists), _AROUND, "")
        if delimiter == "/" and pc.mean(pc.match_substring_regex(some, _DAY)).as_py() > 0.5:
            continue
        distinct = pc.count_distinct(items).as_py()
        fits = distinct <= min(_MOST_ITEMS, len(items) / _ROWS_EACH) and 2 * distinct <= pc.count_distinct(some).as_py()
        if fits and pc.max(pc.utf8_length(items)).as_py() <= _LONGEST_ITEM:
            return delimiter
    return None
