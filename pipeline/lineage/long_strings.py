"""Long properties on PostgreSQL, where ML Metadata puts every string property into an index that takes 2,704 bytes at
most ("index row size exceeds btree maximum"; see CREATE INDEX idx_context_property_string and its like in
https://github.com/google/ml-metadata/blob/master/ml_metadata/util/metadata_source_query_config.cc).

They are kept in pieces, the second and later ones as custom properties of their own. To be removed when a plain
MetadataStore on PostgreSQL can put a custom property of 10,000 random characters.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableSequence
from typing import Any

from google.protobuf.message import Message

_PIECE = 600
"""Characters; each takes four bytes at most."""
_MARK = "\ufe69"
"""Between a property's name and the number of a piece of it; a rare character (small dollar sign)."""


def split(message: Message) -> None:
    """Cut long string properties up, in place, wherever in the message they are."""
    for owner in owners(message):
        for properties in _maps(owner):
            for key, value in list(properties.items()):
                text = value.string_value
                if len(text) > _PIECE:
                    value.string_value = text[:_PIECE]
                    for number, start in enumerate(range(_PIECE, len(text), _PIECE), start=1):
                        piece = text[start : start + _PIECE]
                        owner.custom_properties[f"{key}{_MARK}{number}"].string_value = piece


def join(message: Message) -> None:
    """Undo `split`."""
    for owner in owners(message):
        pieces = [(*key.split(_MARK), key) for key in owner.custom_properties if _MARK in key]
        for name, _, key in sorted(pieces, key=lambda piece: int(piece[1])):
            whole = owner.properties if name in owner.properties else owner.custom_properties
            whole[name].string_value += owner.custom_properties.pop(key).string_value


def _maps(owner: Any) -> list[Any]:
    return [owner.properties, owner.custom_properties]


def owners(message: Message) -> Iterator[Any]:
    """Yield artifacts, executions and contexts."""
    if hasattr(message, "custom_properties"):
        yield message
        return
    for _, value in message.ListFields():
        if isinstance(value, Message):
            yield from owners(value)
        elif isinstance(value, MutableSequence):
            for item in value:
                if isinstance(item, Message):
                    yield from owners(item)
