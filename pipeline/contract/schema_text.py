"""Schemas as text that people and git can read.

A file that is there is edited, not written anew: whatever does not change keeps its words, order and comments, so
that `git diff` shows the decision and nothing else. Whatever is new comes in one form:

- a column after the last column, a domain after the last domain of its kind, a value of a domain where the caller
  puts it; a setting of a column in the order name, type, value_count, presence, then by TFMD's field numbers;
- a message of plain settings on one line, others one setting a line, indented by two; lists in brackets; lines of
  120 characters at most where a value fits.

What is removed takes along the comment that stands directly above it.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.contract.field_text import WIDTH, field_entries, is_opaque, rank, scalar, serialized
from pipeline.contract.textproto import Body, Entry, Value, locate
from pipeline.errors import ConfigError

_ABANDONED_S = 3600
"""Nobody writes a file for so long."""


def write(schema: schema_pb2.Schema, text: str = "") -> str:
    """Write `schema` as text: `text`, changed only where it says something else.

    Args:
        text: a schema in text form, or "" to write all of it anew.
    """
    if "\r\n" in text:
        return write(schema, text.replace("\r\n", "\n")).replace("\n", "\r\n")
    if text and not text.endswith("\n"):
        text += "\n"
    old = text_format.Parse(text, schema_pb2.Schema())
    result = _Edit(text).apply(locate(text), old, schema)
    if serialized(text_format.Parse(result, schema_pb2.Schema())) != serialized(schema):
        raise AssertionError("the text written does not say what the schema says")
    return result


@contextmanager
def replacing(path: Path, text: str, what: str = "schema.file") -> Iterator[None]:
    """Put `text` into the file when the block ends well: at once and whole, and with the file's own rights. What
    a killed process left beside it goes.

    Args:
        what: the file is, for the message.

    Raises:
        ConfigError: the file cannot be written; raised before the block is entered.
    """
    path = path.resolve()
    temporary = Path()
    try:
        with _refusals(path, what):
            if path.exists() and not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            for left in path.parent.glob(f".incoming-{escape(path.name)}.*"):
                with suppress(FileNotFoundError):  # somebody was faster
                    if time.time() - left.stat().st_mtime > _ABANDONED_S:
                        left.unlink()
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".incoming-{path.name}.")
            temporary = Path(name)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        yield
        with _refusals(path, what):
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def _refusals(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise ConfigError(
            f"{what}: {path} cannot be written: {exc.strerror}",
            "correct its permissions or make room; the file is as it was",
        ) from exc


class _Edit:
    """Collects what to replace in a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._changes: list[tuple[int, int, str]] = []
        self._grown: defaultdict[int, int] = defaultdict(int)
        """By the start of a line, how much longer insertions made it."""

    def apply(self, body: Body, old: Message, new: Message) -> str:
        self._message(body, old, new, indent=-2)
        parts, place = [], 0
        for start, end, replacement in sorted(self._changes, key=lambda change: change[:2]):  # stable
            parts += [self._text[place:start], replacement]
            place = end
        return "".join([*parts, self._text[place:]])

    def _message(self, body: Body, old: Message, new: Message, indent: int) -> None:
        """Make the body of a message, indented by `indent`, say `new` instead of `old`."""
        had, has = ({field.name: value for field, value in message.ListFields()} for message in (old, new))
        for field in sorted(new.DESCRIPTOR.fields, key=rank):
            if serialized(_only(old, field)) == serialized(_only(new, field)):
                continue
            entries = [entry for entry in body.entries if entry.name == field.name]
            places = [(entry, value) for entry in entries for value in entry.values]
            if field.name not in had:
                self._insert(
                    body, self._predecessor(body, field), field_entries(field, has[field.name], indent + 2), indent
                )
            elif field.name not in has:
                for entry in entries:
                    self._delete(entry)
            elif is_opaque(field):
                self._rewrite(entries, field, has[field.name], indent)
            elif not field.message_type and not field.is_repeated:
                _, value = places[0]
                self._changes.append((value.start, value.end, scalar(field, has[field.name])))
            elif not field.message_type:
                self._scalars(body, entries, field, list(had[field.name]), list(has[field.name]), indent)
            elif not field.is_repeated:
                self._message(_body(places[0][1]), had[field.name], has[field.name], indent + 2)
            else:
                self._messages(body, places, field, list(had[field.name]), list(has[field.name]), indent)

    def _messages(
        self,
        body: Body,
        places: list[tuple[Entry, Value]],
        field: FieldDescriptor,
        old: list[Message],
        new: list[Message],
        indent: int,
    ) -> None:
        """Write repeated messages: those of the same name, else the same content or place, are the same one."""
        steps = difflib.SequenceMatcher(None, [_key(m) for m in old], [_key(m) for m in new], False).get_opcodes()
        if any(entry.is_list for entry, _ in places) and any(step[0] != "equal" for step in steps):
            self._rewrite([entry for entry, _ in places], field, new, indent)
            return
        for _, i, j, k, m in steps:
            pairs = list(zip(old[i:j], new[k:m], strict=False))
            is_same = j - i == m - k and not any(_is_named(a) and _is_named(b) and a.name != b.name for a, b in pairs)
            if is_same:
                for (_, value), (before, after) in zip(places[i:j], pairs, strict=True):
                    if serialized(before) != serialized(after):
                        self._message(_body(value), before, after, indent + 2)
                continue
            for entry, _ in places[i:j]:
                self._delete(entry)
            if k < m:
                # Before the first, i.e. where canonical order would have it, or after the one that precedes it.
                after_entry = places[i - 1][0] if i else self._predecessor(body, field, strictly=True)
                self._insert(body, after_entry, field_entries(field, new[k:m], indent + 2), indent)

    def _scalars(
        self, body: Body, entries: list[Entry], field: FieldDescriptor, old: list[Any], new: list[Any], indent: int
    ) -> None:
        """Write repeated values: new ones go between those that are there; if one goes, all are written anew."""
        steps = difflib.SequenceMatcher(None, old, new, False).get_opcodes()
        if any(step[0] in ("replace", "delete") for step in steps):
            self._rewrite(entries, field, new, indent)
            return
        places = [(entry, value) for entry in entries for value in entry.values]
        for step, i, _, k, m in steps:
            if step == "equal":
                continue
            texts = [scalar(field, value) for value in new[k:m]]
            entry, value = places[max(i - 1, 0)]
            if not entry.is_list:
                predecessor = entry if i else self._predecessor(body, field, strictly=True)
                self._insert(body, predecessor, [f"{field.name}: {text}" for text in texts], indent)
            elif i:
                self._list_after(entry, value, texts)
            else:
                self._changes.append((value.start, value.start, "".join(f"{text}, " for text in texts)))

    def _list_after(self, entry: Entry, value: Value, texts: Sequence[str]) -> None:
        """Add values to a list in brackets, on lines of their own where one would get too long."""
        line, line_end = self._line(value.end)
        indent = re.match(r"[ \t]*", self._text[line:])[0] + ("  " if entry.start >= line else "")  # type: ignore[index]
        end, width, added = value.end, value.end - line + self._grown[line], ""
        for text in texts:
            fits = width + len(text) + 3 <= WIDTH
            added += f", {text}" if fits else f",\n{indent}{text}"
            width = (width + 2 if fits else len(indent)) + len(text)
        if self._text.startswith(", ", end) and width + line_end - end > WIDTH:
            end, width, added = end + 2, len(indent), f"{added},\n{indent}"
        self._changes.append((value.end, end, added))
        self._grown[line] = width - (end - line)

    def _rewrite(self, entries: list[Entry], field: FieldDescriptor, value: Any, indent: int) -> None:
        """Write all entries of a field anew, in the place of the first."""
        first, *others = list(dict.fromkeys(entries))
        separator = "\n" + " " * (indent + 2)
        self._changes.append((first.start, first.end, separator.join(field_entries(field, value, indent + 2))))
        for entry in others:
            self._delete(entry)

    def _insert(self, body: Body, after: Entry | None, texts: Sequence[str], indent: int) -> None:
        """Insert entries after another one, or before all others."""
        lines = "".join(f"{' ' * (indent + 2)}{text}\n" for text in texts)
        if after:
            _, line_end = self._line(after.end)
            if re.fullmatch(r"[ \t]*(#.*)?", self._text[after.end : line_end]):
                self._changes.append((line_end + 1, line_end + 1, lines))
            else:
                self._changes.append((after.end, after.end, "".join(f" {text}" for text in texts)))
        elif not body.entries:
            place = body.end if indent < 0 else body.start
            self._changes.append((place, place, lines if indent < 0 else f" {' '.join(texts)} "))
        else:
            start, alone = self._beginning(body.entries[0])
            self._changes.append((start, start, lines if alone else "".join(f" {text}" for text in texts)))

    def _delete(self, entry: Entry) -> None:
        start, alone = self._beginning(entry)
        _, line_end = self._line(entry.end)
        is_last = re.fullmatch(r"[ \t]*(#.*)?", self._text[entry.end : line_end])
        self._changes.append((start, line_end + 1 if alone and is_last else entry.end, ""))

    def _beginning(self, entry: Entry) -> tuple[int, bool]:
        """Return where an entry begins, with the comment above it or the space before it; whether it begins its
        line."""
        start, _ = self._line(entry.start)
        if before := self._text[start : entry.start].rstrip():
            return start + len(before), False
        while start:
            above = self._text.rfind("\n", 0, start - 1) + 1
            if not self._text[above:start].lstrip().startswith("#"):
                break
            start = above
        return start, True

    def _line(self, place: int) -> tuple[int, int]:
        """Start of the line, and its end without the line break."""
        end = self._text.find("\n", place)
        return self._text.rfind("\n", 0, place) + 1, end if end >= 0 else len(self._text)

    @staticmethod
    def _predecessor(body: Body, field: FieldDescriptor, strictly: bool = False) -> Entry | None:
        """Return the last entry that canonical order has before (or, unless strictly, beside) a field's."""
        fields = field.containing_type.fields_by_name
        found = [
            entry
            for entry in body.entries
            if entry.name in fields
            and rank(fields[entry.name]) <= rank(field)
            and not (strictly and entry.name == field.name)
        ]
        return found[-1] if found else None


def _only(message: Message, field: FieldDescriptor) -> Message:
    """Return a copy with that field alone."""
    part = type(message)()
    part.CopyFrom(message)
    for other, _ in message.ListFields():
        if other.name != field.name:
            part.ClearField(other.name)
    return part


def _key(message: Message) -> Any:
    return message.name if _is_named(message) else serialized(message)


def _is_named(message: Message) -> bool:
    return bool(getattr(message, "name", ""))


def _body(value: Value) -> Body:
    assert value.body is not None, "a message has braces"
    return value.body
