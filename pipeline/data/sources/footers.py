"""What stands below the rows of a text and is none: sums, notes, counts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.config.text_format import BLANKS, FIXED, TextFormat
from pipeline.data.sources.records import split_lines


def footer_marks(last: Sequence[str], form: TextFormat, width: int) -> tuple[str, ...]:
    """Return what the last lines of a file begin with, if they are no rows: a total, a count of rows, a note."""
    marks: list[str] = []
    for line in reversed([line for line in last if line.strip()]):
        is_run = form.delimiter in (BLANKS, FIXED)
        parts = next(split_lines(iter([line]), form)) if is_run else line.split(form.delimiter)
        words = line.strip().lstrip("\"'")
        is_note = width >= 3 and len(parts) != width and sum(bool(part.strip()) for part in parts) == 1 and " " in words
        if (words[:1].isdigit() and "rows in set" not in words) or not (SUMMARY.match(words) or is_note):
            break
        whole = len(parts) > 1 and not is_run and not is_note
        marks.append(line[: len(parts[0]) + 1] if whole else "(" if line.startswith("(") else line.split()[0])
    above = [line for line in last if line.strip()][: -len(marks)] if marks else []
    if len(marks) > len(above) or any(line.startswith("*") for line in above):
        marks = [mark for mark in marks if not mark.startswith("*")]  # ratings, or how sure a figure is
    return tuple(dict.fromkeys(reversed(marks)))


SUMMARY = re.compile(
    r"(?i)(grand )?(total|sum|summe|gesamt|insgesamt|average|mean|mittelwert|totaux|totale|source|quelle|note)s?\b|"
    r"\*{1,3} ?[\t;|]|\d+ rows in set|\(\d[\d,. ]* (rows?|records?|lines?|zeilen)\b"
)
"""How a line below a table begins that sums it up, or says where it is from."""
