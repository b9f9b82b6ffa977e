"""Numbers as half of the world writes them: 1.234,5 for 1,234.5."""

from __future__ import annotations

import re

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
