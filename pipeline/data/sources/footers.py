"""Lines of a text that are no rows: sums, notes and counts below them, and separators without any value."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.config.text_format import BLANKS, FIXED, TextFormat
from pipeline.data.sources.guess_encoding import HEAD_BYTES
from pipeline.data.sources.guess_layout import lines_of
from pipeline.data.sources.records import split_lines

_TAIL_BYTES = 1 << 14
_MOST_EMPTY = 9


def empty_rows(pieces: Sequence[str], form: TextFormat, width: int) -> list[str]:
    """Return the lines of separators only that stand for blank ones, `,,,` and `"","",""`, or are drawn: `---,---`."""
    if width < 2 or len(form.delimiter) > 1:
        return []
    quote, mark = form.quote or "", re.escape(form.delimiter)
    drawn = r"\s*(?:-{2,}|={2,}|_{2,})?\s*"
    cell = rf"(?:{quote}{drawn}{quote}|{drawn})"
    row = re.compile(rf"{cell}(?:{mark}{cell}){{{width - 1}}}")
    lines = [line for piece in pieces for line in lines_of(piece) if line]
    found = dict.fromkeys(line for line in lines if row.fullmatch(line))
    is_drawn = {line for line in found if re.search("[-=_]", line)}
    if is_drawn and _are_values(is_drawn, [line for line in lines if line not in found], mark, quote):
        return [line for line in found if width > 2 and line not in is_drawn][:_MOST_EMPTY]
    return [line for line in found if width > 2 or line in is_drawn][:_MOST_EMPTY]


def _are_values(drawn: Iterable[str], others: Sequence[str], mark: str, quote: str) -> bool:
    """Return whether what a row seems to be drawn with, as `==,==`, is a value of other rows, as in `==,!=`."""
    cells = {cell for line in drawn for cell in re.findall("[-=_]+", line)}
    end = rf"\s*(?:{quote})?\s*"
    one = re.compile(rf"(?:^|{mark}){end}(?:{'|'.join(cells)}){end}(?:{mark}|$)")
    return any(map(one.search, others))


def footer(pieces: Sequence[bytes], text: str, form: TextFormat, width: int) -> tuple[str, ...]:
    """Return what the last lines begin with, if they are no rows; the pieces are samples of the file."""
    if len(pieces[0]) == HEAD_BYTES and len(pieces) == 1:
        return ()  # packed: its end was not read
    last = text[-_TAIL_BYTES:] if len(pieces) == 1 else pieces[-1][-_TAIL_BYTES:].decode(form.encoding, "ignore")
    lines = lines_of(last)[1:]
    return _marks(lines[-10:], form, width)


def _parts(line: str, form: TextFormat) -> list[str]:
    """Return the fields of a line; one where all of it stands in quotes."""
    quote = form.quote or "\0"
    is_quoted = line.startswith(quote) and line.rstrip().endswith(quote) and line.count(quote) == 2
    return [line] if is_quoted else line.split(form.delimiter)


def _marks(last: Sequence[str], form: TextFormat, width: int) -> tuple[str, ...]:
    """Return what lines begin with, if they are no rows: a total, a count of rows, a note."""
    marks: list[str] = []
    for line in reversed([line for line in last if line.strip()]):
        is_run = form.delimiter in (BLANKS, FIXED)
        parts = next(split_lines(iter([line]), form)) if is_run else _parts(line, form)
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


def cut_row(text: str, pieces: Sequence[bytes], form: TextFormat, width: int) -> str:
    """Return the last line of a file if it has no end and is shorter than a row; empty otherwise."""
    last = re.split(r"[\r\n]", text or pieces[-1][-_TAIL_BYTES:].decode(form.encoding, "ignore"))[-1]
    quote = form.quote or ""
    if len(form.delimiter) > 1 or not last.strip() or (quote and last.count(quote) % 2):
        return ""
    quoting: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    fields = next(csv.reader([last], delimiter=form.delimiter, escapechar=form.escape, **quoting), [])
    return last if len(fields) < width and not last.startswith(form.footer or "\0") else ""
