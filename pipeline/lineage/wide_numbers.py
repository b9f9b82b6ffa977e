"""Whole numbers beyond 32 bits on PostgreSQL, where ML Metadata's column for them is an INT ("integer out of range"):
bytes of memory or of a large table. See ExecutionProperty in
https://github.com/google/ml-metadata/blob/master/ml_metadata/util/metadata_source_query_config.cc.

They are kept as doubles, which hold every whole number up to 2^53. To be removed when a plain MetadataStore on
PostgreSQL can put the number 2^31.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from pipeline.lineage.long_strings import owners

_MOST = (1 << 31) - 1


def as_doubles(message: Message) -> None:
    """Have wide numbers of custom properties be doubles, in place."""
    for value in _values(message):
        if value.WhichOneof("value") == "int_value" and abs(value.int_value) > _MOST:
            value.double_value = float(value.int_value)


def as_numbers(message: Message) -> None:
    """Undo `as_doubles`."""
    for value in _values(message):
        if value.WhichOneof("value") == "double_value" and _MOST < abs(value.double_value) <= 1 << 53:
            number = int(value.double_value)
            if number == value.double_value:
                value.int_value = number


def _values(message: Message) -> Iterator[Any]:
    for owner in owners(message):
        yield from owner.custom_properties.values()
