"""A header that comes again among the rows, as in exports put one behind the other."""

from __future__ import annotations

import re

from pipeline.data.sources.guess_layout import Layout, has_header, is_number


def repeated_header(layout: Layout, text: str) -> str | None:
    """Return the line of the header if it comes again among the rows, as in exports put one behind the other."""
    records = layout.records
    start = next((place for place, record in enumerate(records) if len(record) == layout.width), len(records))
    header, rows = records[start : start + 1], records[start + 1 :]
    if layout.width < 2 or header[0] not in rows or len({*header[0]}) < layout.width or not all(header[0]):
        return None
    if any(map(is_number, header[0])) or not has_header(header[0], rows):
        return None
    return re.split(r"\r\n|\n|\r", text)[layout.lines[start]]


def without_repeated(text: str, header: str) -> list[str]:
    """Return the lines without those that begin as the header but the first one."""
    lines = re.split(r"\r\n|\n|\r", text)
    first = next(place for place, line in enumerate(lines) if line.startswith(header))
    return [line for place, line in enumerate(lines) if place == first or not line.startswith(header)]
