"""Writes the fields of a message as text, as people write a schema."""

from __future__ import annotations

import io
from typing import Any

from google.protobuf import message_factory, text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

WIDTH = 120
_FIRST = {
    "Schema": ("default_environment", "string_domain", "int_domain", "float_domain", "feature"),
    "Feature": ("name", "type", "value_count", "presence"),
}


# Writing


def field_entries(field: FieldDescriptor, value: Any, indent: int) -> list[str]:
    """Write a field, an entry for each message; the first line without its indentation."""
    if is_opaque(field):
        return [_as_protobuf_does(field, value, indent)]
    if not field.is_repeated:
        return [_entry(field, value, indent)]
    if field.message_type:
        return [_entry(field, item, indent) for item in value]
    return [_list(field, [scalar(field, item) for item in value], indent)]


def _entry(field: FieldDescriptor, value: Any, indent: int) -> str:
    if not field.message_type:
        return f"{field.name}: {scalar(field, value)}"
    inner = sorted(value.ListFields(), key=lambda pair: rank(pair[0]))
    texts = [text for part, content in inner for text in field_entries(part, content, indent + 2)]
    if not texts:
        return f"{field.name} {{}}"
    line = f"{field.name} {{ {' '.join(texts)} }}"
    is_plain = not any(part.message_type or part.is_repeated for part, _ in inner)
    if is_plain and indent and indent + len(line) <= WIDTH:
        return line
    pad = " " * indent
    return f"{field.name} {{\n" + "".join(f"{pad}  {text}\n" for text in texts) + pad + "}"


def _list(field: FieldDescriptor, items: list[str], indent: int) -> str:
    if len(items) == 1:
        return f"{field.name}: {items[0]}"
    line = f"{field.name}: [{', '.join(items)}]"
    if indent + len(line) <= WIDTH:
        return line
    pad = " " * (indent + 2)
    lines = [pad + items[0]]
    for item in items[1:]:
        if len(lines[-1]) + len(item) + 3 <= WIDTH:
            lines[-1] += f", {item}"
        else:
            lines[-1] += ","
            lines.append(pad + item)
    return f"{field.name}: [\n" + "\n".join(lines) + f"\n{' ' * indent}]"


def scalar(field: FieldDescriptor, value: Any) -> str:
    """Write one value that is no message."""
    out = io.StringIO()
    text_format.PrintFieldValue(field, value, out, as_utf8=True)
    return out.getvalue()


def _as_protobuf_does(field: FieldDescriptor, value: Any, indent: int) -> str:
    message = message_factory.GetMessageClass(field.containing_type)()
    if field.is_repeated:
        getattr(message, field.name).MergeFrom(value)
    else:
        getattr(message, field.name).CopyFrom(value)
    return str(text_format.MessageToString(message, as_utf8=True, indent=indent)).strip()


# Reading messages


def is_opaque(field: FieldDescriptor) -> bool:
    """Say whether it is a map or Any, which have a text form of their own."""
    kind = field.message_type
    return kind is not None and (kind.GetOptions().map_entry or kind.full_name == "google.protobuf.Any")


def rank(field: FieldDescriptor) -> tuple[int, int]:
    """Order the fields of a message as people write them."""
    first = _FIRST.get(field.containing_type.name, ("name",))
    return (first.index(field.name) if field.name in first else len(first)), field.number


def serialized(message: Message) -> bytes:
    """Give what two messages are compared by; unlike `==`, also where NaN is in them."""
    return bytes(message.SerializeToString(deterministic=True))
