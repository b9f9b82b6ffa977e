"""Text whose columns stand below each other, so that a field may be empty: where they begin, and its fields."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_LEAST = 8
"""Lines; that words have a blank at the same place in so many is no chance."""
_TITLES = 4

Span = tuple[int, int]
"""Where the characters of a column stand, in all lines: the first place, and that after the last."""


def columns_of(lines: Sequence[str]) -> tuple[int, list[Span]]:
    """Return how many lines stand above the table, such as a title, and where the columns of those below stand.

    Between two columns a place is blank in every line. None, if there are too few lines, or tabs, which are no places.
    """
    above, found = 0, _spans(lines)
    for titles in range(1, min(_TITLES, len(lines))):
        if len(re.split(r"\s{2,}", lines[titles - 1].strip())) > 1:
            break  # that is a header
        more = _spans(lines[titles:])
        if len(more) < 2:
            continue
        cells = fields_of(lines[titles - 1], [start for start, _ in more])
        is_sparse = len(cells) < 2 or 2 * sum(map(bool, cells)) < len(more)
        if len(more) > len(found) or (len(more) == len(found) > 2 and is_sparse):
            above, found = titles, more
    return above, found


def _spans(lines: Sequence[str]) -> list[Span]:
    lines = [line for line in lines if line.strip()]
    if len(lines) < _LEAST or any("\t" in line for line in lines):
        return []
    filled = bytearray(max(map(len, lines)) + 1)
    for line in lines:
        for place in re.finditer(r"[^ ]+", line):
            filled[place.start() : place.end()] = b"\x01" * (place.end() - place.start())
    return [found.span() for found in re.finditer(rb"\x01+", filled)]


def with_names(spans: Sequence[Span], names: Sequence[str]) -> list[Span]:
    """Return the columns, one that has no name joined to the nearer neighbour: its values have a blank at one place.

    The first may be without a name, as an index is.
    """
    joined = list(spans)
    named = [bool(name) for name in names]
    while (place := next((place for place in range(1, len(joined)) if not named[place]), 0)) > 0:
        before = joined[place][0] - joined[place - 1][1]
        behind = joined[place + 1][0] - joined[place][1] if place + 1 < len(joined) else before
        first = place - 1 if before <= behind else place
        joined[first : first + 2] = [(joined[first][0], joined[first + 1][1])]
        named[first : first + 2] = [named[first] or named[first + 1]]
    return joined


def starts_of(spans: Sequence[Span], lines: Sequence[str]) -> tuple[int, ...]:
    """Return where fields begin: where the column does, if all its values begin there; else, for later lines may have
    longer values, behind the column before, if all of that end there; else between the two."""
    starts = [0]
    for (before, end), (start, behind) in pairwise(spans):
        here = [line[start] != " " for line in lines if line[start:behind].strip()]
        there = [line[end - 1 : end].strip() != "" for line in lines if line[before:end].strip()]
        is_left, was_right = (sum(seen) >= 0.9 * len(seen) for seen in (here, there))
        starts.append(start if is_left else end + 1 if was_right else (end + 1 + start) // 2)
    return tuple(starts)


def fields_of(line: str, starts: Sequence[int]) -> list[str]:
    """Return the fields of a line; all of it as one, if a value stands across the begin of a field."""
    if not line.strip():
        return []
    if any(line[start - 1 : start].strip() and line[start : start + 1].strip() for start in starts[1:]):
        return [line.strip()]
    return [line[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]
