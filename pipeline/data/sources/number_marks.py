"""Numbers as half of the world writes them: 1.234,5 for 1,234.5."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.text_format import TextFormat
from pipeline.data.columns import ColumnType


def plain_numbers(text: pa.Array, form: TextFormat, column_type: ColumnType | None = None) -> pa.Array:
    """Return the values with a point before the decimals and nothing between thousands, where they are numbers.

    Args:
        column_type: what they are known to be; when None, only what is a number in this format changes.
    """
    if form.decimal == "." and form.thousands is None:
        return text
    if column_type not in (None, ColumnType.INT, ColumnType.FLOAT):
        return text
    is_number = pc.match_substring_regex(text, number_pattern(form.decimal, form.thousands))
    if not pc.any(is_number).as_py():
        return text
    plain = text
    if form.thousands:
        plain = pc.replace_substring(plain, form.thousands, "")
    if form.thousands == " ":
        plain = pc.replace_substring_regex(plain, "[\u00a0\u202f]", "")
    if form.decimal == ",":
        plain = pc.replace_substring(plain, ",", ".")
    return pc.if_else(is_number, plain, text)


def number_pattern(decimal: str, thousands: str | None) -> str:
    """Return an expression for whole values that are numbers."""
    whole = r"\d+"
    if thousands:
        mark = "[ \u00a0\u202f]" if thousands == " " else re.escape(thousands)
        whole = rf"(\d{{1,3}}({mark}\d{{3}})+|\d+)"
    fraction = re.escape(decimal)
    return rf"^\s*[+-]?({whole}({fraction}\d*)?|{fraction}\d+)([eE][+-]?\d+)?\s*$"


def decimal_hint(value: str | None, form: TextFormat) -> str:
    """Return what to try for a value that would be a number in another format."""
    if value is None:
        return ""
    if form.decimal == "." and re.match(number_pattern(",", "."), value):
        return '; if it is a decimal comma, say data.format: {decimal: ","}'
    if form.decimal == "," and re.match(number_pattern(".", ","), value):
        return "; if it is a decimal point, this file is written in another way than data.format.decimal says"
    return ""


def has_decimal_comma(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the numbers of a column have a comma before the decimals."""
    comma = re.compile(number_pattern(",", "."))
    thousands = re.compile(r"\s*[+-]?\d{1,3}(,\d{3})+\s*$")
    found = False
    for column in zip(*rows, strict=True):
        values = [value for value in column if value.strip() and re.search(r"\d", value)]
        if any(re.match(r"\s*[+-]?0\d", value) for value in values):
            continue  # codes, put one behind the other
        with_comma = [value for value in values if "," in value and comma.match(value)]
        if with_comma and sum(bool(comma.match(value)) for value in values) >= 0.9 * len(values):
            found = found or not all(thousands.match(value) for value in with_comma)
    return found


def has_decimal_point(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether a number has a point before the decimals, by how many there are."""
    return any(re.match(r"\s*[+-]?\d*\.(\d{1,2}|\d{4,})\s*$", value) for row in rows for value in row)


def has_thousands(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether a number has points between groups of three digits."""
    pattern = re.compile(r"\s*[+-]?\d{1,3}(\.\d{3})+(,\d*)?\s*$")
    return any(pattern.match(value) for row in rows for value in row)
