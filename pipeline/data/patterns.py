"""What the path of a table says: which folders are meant as they are spelt, and which part is a pattern."""

from __future__ import annotations

import glob
import re
from datetime import date
from pathlib import Path

SPAN = "{SPAN}"
VERSION = "{VERSION}"
_DIGITS = {"{YYYY}": 4, "{MM}": 2, "{DD}": 2}
"""Year, month and day of a span, as TFX writes them, and how many digits each has."""
_MARKS = (SPAN, VERSION, *_DIGITS)


def has_spans(pattern: str) -> bool:
    """Return whether a table comes in spans."""
    return SPAN in pattern or "{YYYY}" in pattern


def check_marks(pattern: str) -> None:
    """Refuse what says no span, or says it twice.

    Raises:
        ValueError: says which mark, and what is wanted.
    """
    for mark in _MARKS:
        if pattern.count(mark) > 1:
            raise ValueError(f"{mark} stands in it more than once; keep one")
    dated = [mark for mark in _DIGITS if mark in pattern]
    if dated and SPAN in pattern:
        raise ValueError(f"{SPAN} and {dated[0]} both name the span; keep one")
    if dated and not pattern.count("{YYYY}") == pattern.count("{MM}") >= pattern.count("{DD}"):
        raise ValueError("a date needs {YYYY} and {MM}, and may have {DD}")
    if VERSION in pattern and not has_spans(pattern):
        raise ValueError(f"{VERSION} needs a span: {SPAN}, or {{YYYY}} and {{MM}}")


def without_marks(pattern: str) -> str:
    """Put '*' in the place of all that names a span or its version."""
    return re.sub("|".join(map(re.escape, _MARKS)), "*", pattern)


def as_glob(pattern: str) -> str:
    """Turn a pattern into one for the module glob: {SPAN} and its like become '*'.

    Brackets, stars and question marks in the names of folders that are there stand for themselves.
    """
    fixed, rest = _split(pattern)
    return glob.escape(fixed) + without_marks(rest)


class SpanReader:
    """Reads span and version out of the paths that glob has found for a pattern with spans."""

    def __init__(self, pattern: str) -> None:
        fixed, rest = _split(pattern)
        self._regex = re.compile(rf"{re.escape(fixed)}{_with_numbers(rest)}\Z")

    def read(self, path: str) -> tuple[int, int] | None:
        """Return number of the span and of its version, 0 where the pattern has none; None if the path is of none.

        A date is the number that its digits write, 20250304; a month is its first day.
        """
        match = self._regex.match(path)
        if match is None:
            return None
        found = match.groupdict()
        version = int(found.get("VERSION") or 0)
        if "SPAN" in found:
            return int(found["SPAN"]), version
        try:
            day = date(int(found["YYYY"]), int(found["MM"]), int(found.get("DD") or 1))
        except ValueError:
            return None
        return day.year * 10_000 + day.month * 100 + day.day, version

    def spelling(self, path: str) -> tuple[str, ...]:
        """Return span and version as the path spells them: `01` and `1` differ."""
        match = self._regex.match(path)
        return tuple(map(str, match.groups())) if match else ()


def would_read(pattern: str, path: str) -> bool:
    """Return whether a file at `path` would be one of the table: it lies in the folder, or fits the pattern.

    Both in one spelling (`pipeline.files`).
    """
    if Path(path).name.startswith(("_", ".")):
        return False
    if Path(pattern).is_dir():
        return Path(path).parent == Path(pattern)
    fixed, rest = _split(pattern)
    return re.fullmatch(rf"{re.escape(fixed)}{_with_numbers(rest)}", path) is not None


def _split(pattern: str) -> tuple[str, str]:
    """Return the folders that are there, up to their last slash, and the rest."""
    slashes = [found.end() for found in re.finditer("/", pattern)]
    for end in reversed(slashes):
        if not any(mark in pattern[:end] for mark in _MARKS) and Path(pattern[:end]).is_dir():
            return pattern[:end], pattern[end:]
    return "", pattern


def _with_numbers(pattern: str) -> str:
    """Write a regular expression with a group for each mark: all digits of a number, so many of a date."""
    parts = re.split(rf"({'|'.join(map(re.escape, _MARKS))})", pattern)
    for place in range(1, len(parts), 2):
        name, digits = parts[place].strip("{}"), _DIGITS.get(parts[place])
        parts[place] = rf"(?P<{name}>[0-9]{{{digits}}})" if digits else rf"(?<![0-9])(?P<{name}>[0-9]+)(?![0-9])"
    return "".join(part if place % 2 else _as_regex(part) for place, part in enumerate(parts))


def _as_regex(part: str) -> str:
    escaped = re.escape(part).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.sub(r"\\\[(.*?)\\\]", "[^/]", escaped)
