"""Settings of `data.format`: how a table is written as text."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from trainer.settings.base import Section

BLANKS = "blanks"
"""The delimiter that is any run of blanks and tabs."""
FIXED = "fixed"
"""No delimiter: each field begins at the same place of every line."""


class TextFormat(Section):
    """How files of delimited text are written. `longhaul init` finds it out and writes down what is unlike CSV (UTF-8,
    commas, double quotes, a header); every later file is read in the same way."""

    delimiter: str = ","
    """What stands between two fields: a character (`";"`, `"\\t"`, `"|"`) or several (`"::"`, which quotes do not
    hide), or `blanks` for any run of blanks and tabs, or `fixed` where fields stand at fixed places of every line."""
    starts: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """With `delimiter: fixed`, after how many characters of the line each field begins: `[0, 8, 20]`. There is a blank
    between two fields; blanks around a field are no part of it, and a field of blanks is missing."""
    quote: Literal['"', "'"] | None = '"'
    """What stands around a field that holds a delimiter or a line break. Null where nothing does; then a quote is a
    character like others."""
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    """What stands before a quote within quotes, for example `"\\\\"`. When absent, the quote is written twice."""
    encoding: str = "utf-8"
    """How characters are written as bytes, by a name that Python knows: `utf-8`, `utf-16`, `cp1252`, `latin-1`
    and so on."""
    header: bool | Literal["grouped"] = True
    """Whether the first line holds the names of the columns; `grouped` where it holds groups of columns, and the line
    below it their names: a column is then `2019 Sales`."""
    names: tuple[str, ...] = ()
    """Names of the columns, in order, in place of the header's. Without a header and without these they are `column_1`,
    `column_2` and so on."""
    skip: int = Field(default=0, ge=0)
    """Lines above the header (or the first row) that are no part of the table, such as a title."""
    units: bool = False
    """Whether the line below the header holds units, and is no row."""
    comment: str | tuple[str, ...] | None = None
    """What a comment line begins with, or all of it where a line break ends the text, as in `",,,\\n"`; such lines are
    passed over wherever they stand. A list of several where a file has lines of several kinds."""
    footer: tuple[str, ...] = ()
    """What lines below the last row begin with, for example `["Total"]`. Lines that do, and blank ones, at the end of a
    file are no rows."""
    index: Literal["drop", "keep"] = "drop"
    """What becomes of a first column without a name, as pandas and R write it: it is not read, or it is `column_1`."""
    strip: bool = False
    """Whether blanks around a field are no part of its value."""
    decimal: Literal[".", ","] = "."
    """What stands before the decimals of a number."""
    thousands: Literal[".", ",", " ", "'"] | None = None
    """What stands between the thousands of a number."""
    ragged: Literal["refuse", "fill", "leave_out"] = "refuse"
    """What becomes of a row with too few or too many fields. `refuse`: the file is refused, with the lines. `fill`:
    what a short row lacks is missing, a row that is too long loses what is too much. `leave_out`: it is no row."""

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str) -> str:
        if value not in (BLANKS, FIXED) and (not 0 < len(value) < 5 or set(value) & set("\0\r\n\"'")):
            raise ValueError(f"must be one to four characters, no quote or line break, or {BLANKS!r} or {FIXED!r}")
        return value

    @field_validator("comment")
    @classmethod
    def _begins_with_something(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if value is not None and (not value or not all(value)):
            raise ValueError("must be a text, or a list of texts, none of them empty")
        return value

    @field_validator("escape")
    @classmethod
    def _is_ascii(cls, value: str | None) -> str | None:
        if value is not None and (not value.isascii() or value.isspace() or not value.isprintable()):
            raise ValueError("must be a visible character of ASCII")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "a,".encode(value)
        except (LookupError, UnicodeError) as exc:
            raise ValueError("must be an encoding that Python knows, such as utf-8, utf-16 or cp1252") from exc
        return value

    @field_validator("names")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
        if twice or not all(name.strip() for name in names):
            raise ValueError(f"{twice[0]!r} stands twice" if twice else "a name is empty")
        return names

    @model_validator(mode="after")
    def _marks_differ(self) -> TextFormat:
        if bool(self.starts) != (self.delimiter == FIXED):
            raise ValueError(f"starts: say where the fields begin, and delimiter: {FIXED}; both or none")
        if any(after <= before for before, after in pairwise(self.starts)):
            raise ValueError("starts: the places of the fields, each beyond the one before")
        if self.thousands == self.decimal:
            raise ValueError(f"thousands: {self.thousands!r} is the decimal mark")
        if self.header == "grouped" and self.names:
            raise ValueError("names: they take the place of one line; with header: grouped say `skip` instead")
        if self.units and not self.header:
            raise ValueError("units: the line below the header, but header is false; say `skip: 1` instead")
        return self

    def is_comment(self, line: str) -> bool:
        """Return whether a line, with its end or without, is a comment."""
        return any(
            line.rstrip("\r\n") == mark[:-1] if mark.endswith("\n") else line.startswith(mark) for mark in self.comments
        )

    @property
    def comments(self) -> tuple[str, ...]:
        """What marks a comment line."""
        return (self.comment,) if isinstance(self.comment, str) else self.comment or ()

    def with_comments(self, *marks: str) -> TextFormat:
        """Return the format with further marks of comment lines."""
        known = tuple(dict.fromkeys([*self.comments, *marks]))
        return self.model_copy(update={"comment": known[0] if len(known) == 1 else known or None})

    def written(self) -> dict[str, Any]:
        """Return what differs from plain CSV, as it stands in a configuration."""
        return self.model_dump(mode="json", exclude_defaults=True)


CSV = TextFormat()
"""UTF-8, commas, double quotes, a header."""
