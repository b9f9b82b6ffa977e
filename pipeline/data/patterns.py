"""What the path of a table says: which folders are meant as they are spelt, and which part is a pattern."""

from __future__ import annotations

import glob
import re
from pathlib import Path

SPAN = "{SPAN}"


def as_glob(pattern: str) -> str:
    """Turn a pattern into one for the module glob: {SPAN} becomes '*'.

    Brackets, stars and question marks in the names of folders that are there stand for themselves.
    """
    fixed, rest = _split(pattern)
    return glob.escape(fixed) + rest.replace(SPAN, "*")


def span_matcher(pattern: str) -> re.Pattern[str] | None:
    """Compile what finds the number that {SPAN} stands for, all of its digits, in a path that glob has found.

    Of a pattern without {SPAN} it is None.
    """
    if SPAN not in pattern:
        return None
    fixed, rest = _split(pattern)
    before, _, after = rest.partition(SPAN)
    number = r"(?<![0-9])(?P<span>[0-9]+)(?![0-9])"
    return re.compile(rf"{re.escape(fixed)}{_as_regex(before)}{number}{_as_regex(after)}\Z")


def would_read(pattern: str, path: str) -> bool:
    """Return whether a file at `path` would be one of the table: it lies in the folder, or fits the pattern.

    Both in one spelling (`pipeline.files`).
    """
    if Path(path).name.startswith(("_", ".")):
        return False
    if Path(pattern).is_dir():
        return Path(path).parent == Path(pattern)
    fixed, rest = _split(pattern)
    regex = "[0-9]+".join(_as_regex(part) for part in rest.split(SPAN))
    return re.fullmatch(rf"{re.escape(fixed)}{regex}", path) is not None


def _split(pattern: str) -> tuple[str, str]:
    """Return the folders that are there, up to their last slash, and the rest."""
    slashes = [found.end() for found in re.finditer("/", pattern)]
    for end in reversed(slashes):
        if SPAN not in pattern[:end] and Path(pattern[:end]).is_dir():
            return pattern[:end], pattern[end:]
    return "", pattern


def _as_regex(part: str) -> str:
    escaped = re.escape(part).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.sub(r"\\\[(.*?)\\\]", "[^/]", escaped)
