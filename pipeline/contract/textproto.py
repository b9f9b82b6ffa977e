"""Where everything stands in a protobuf text file: fields, values and braces with their places.

`google.protobuf.text_format` reads the values and forgets the text. To change one value and leave the rest of the
file, comments and all, as people wrote it, one has to know where that value stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""\s+ | \#[^\n]*
    | (?P<token> "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | [{}<>\[\]:;,] | [^\s#"'{}<>\[\]:;,]+ )""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}


@dataclass(frozen=True)
class Value:
    """One value, text[start:end]; a message also has what is between its braces."""

    start: int
    end: int
    body: Body | None = None


@dataclass(frozen=True)
class Entry:
    """`name: value`, `name { … }` or `name: [value, …]`, text[start:end], a separator after it included."""

    name: str
    start: int
    end: int
    values: tuple[Value, ...]
    is_list: bool


@dataclass(frozen=True)
class Body:
    """What is between two braces, text[start:end], or the whole file."""

    start: int
    end: int
    entries: tuple[Entry, ...]


def locate(text: str) -> Body:
    """Return the places in a text that `text_format` accepts."""
    return Body(0, len(text), _Reader(text).entries(""))


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = [
            (match["token"], match.start(), match.end())
            for match in _TOKEN.finditer(text)
            if match["token"] is not None
        ]
        self._tokens.append(("", len(text), len(text)))
        self._next = 0

    def _peek(self) -> str:
        return self._tokens[self._next][0]

    def _take(self) -> tuple[str, int, int]:
        self._next += 1
        return self._tokens[self._next - 1]

    def entries(self, closing: str) -> tuple[Entry, ...]:
        found = []
        while self._peek() != closing:
            found.append(self._entry())
        return tuple(found)

    def _entry(self) -> Entry:
        name, start, end = self._take()
        if name == "[":  # an extension or the type of an Any
            while name[-1] != "]":
                word, _, end = self._take()
                name += word
        if self._peek() == ":":
            self._take()
        is_list = self._peek() == "["
        values = self._list() if is_list else (self._value(),)
        end = self._tokens[self._next - 1][2]
        if self._peek() in (",", ";"):
            end = self._take()[2]
        return Entry(name, start, end, values, is_list)

    def _list(self) -> tuple[Value, ...]:
        self._take()
        found = []
        while self._peek() != "]":
            found.append(self._value())
            if self._peek() == ",":
                self._take()
        self._take()
        return tuple(found)

    def _value(self) -> Value:
        token, start, end = self._take()
        if token in _CLOSING:
            entries = self.entries(_CLOSING[token])
            _, close, after = self._take()
            return Value(start, after, Body(end, close, entries))
        while token[0] in "\"'" and self._peek()[:1] in ('"', "'"):  # adjacent strings are one
            end = self._take()[2]
        return Value(start, end)
