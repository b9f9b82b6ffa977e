"""A header that comes again among the rows, as in exports put one behind the other."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.data.sources.guess_layout import Layout, has_header, is_number, lines_of


def repeated_header(layout: Layout, pieces: Sequence[str]) -> str | None:
    """Return the line of the header if it comes again among the rows.

    Args:
        pieces: the beginning of the text, which the layout is of, and samples of the rest.
    """
    records = layout.records
    start = next((place for place, record in enumerate(records) if len(record) == layout.width), len(records))
    names, rows = records[start : start + 1], records[start + 1 :]
    if layout.width < 2 or not names or not any(names[0]):
        return None
    line = lines_of(pieces[0])[layout.lines[start]]
    if not line.strip() or any(map(is_number, names[0])):
        return None
    again = sum(lines_of(piece).count(line) for piece in pieces)
    return line if again >= 2 and has_header(names[0], rows) else None


def without_repeated(text: str, header: str) -> str:
    """Return the text without the lines that are the header but the first one."""
    lines = lines_of(text)
    first = lines.index(header)
    return "\n".join(line for place, line in enumerate(lines) if place == first or line != header)
