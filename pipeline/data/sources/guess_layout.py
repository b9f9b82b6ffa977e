"""Which marks cut a text into fields, and what stands above and below its rows: a guess from its first records."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, pairwise
from typing import Any

from pipeline.config.text_format import BLANKS, FIXED, TextFormat
from pipeline.data.sources.fixed_width import columns_of, fields_of, starts_of, with_names
from pipeline.data.sources.records import split_lines

_DELIMITERS = [",", ";", "\t", "|", "::", BLANKS, "\x01", "^", "~", "\x1f", ":"]
_MOST = 1000
"""Records that are looked at."""
_NUMBER = re.compile(r"\s*[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?\s*%?\s*$")
_DIGIT = re.compile(r"\d")
MISSING = {"", "?", "-", "--", ".", "na", "n/a", "nan", "null", "none", "nil", "missing"}
"""What stands in place of a value, in small letters."""
_LONGEST = 500
"""Characters of a field; there are longer ones, but not many."""
_FEW_VALUES = 15
"""How often each value of a column comes, on average, in which a first value that never comes again is a name."""
_SURE = 0.9
"""The score of a layout that need not be doubted."""
_RULE = re.compile(r"[|+][-=+|: ]*--[-=+|: ]*[|+]\s*$|-+(\+-+)+\s*$|-{5,}\s*$|={5,}\s*$")
_ENTITY = (
    r"&(?:#\d+|#x[\da-fA-F]+|amp|lt|gt|quot|apos|nbsp|euro|pound|[mn]dash|[lr][sd]quo|[a-zA-Z]{1,2}(?:uml|grave|acute|"
    r"circ|tilde|cedil|ring|slash|lig))"
)
_ENTITIES, _CUT = re.compile(rf"{_ENTITY};"), re.compile(rf"{_ENTITY}$")
"""A character as web pages write it, which a semicolon ends, and one whose semicolon was taken for a delimiter."""
_IMPORT_IDS = '"{""ImportId""'
"""How the line begins that Qualtrics writes below names and questions."""
_COMMENTS = ("#", "%", "//", "@", "*", "!")


@dataclass(frozen=True)
class Layout:
    """How a text is cut, and its records.

    Attributes:
        lines: the line of each record, from 0.
        width: how many fields most records have.
    """

    form: TextFormat
    records: list[list[str]]
    lines: list[int]
    width: int
    score: float


def guess_layout(text: str, form: TextFormat, given: dict[str, Any]) -> Layout:
    """Return the likeliest layout of a text.

    Args:
        text: whole lines.
        form: what is known already.
        given: settings that a person gave; no others are tried for those.
    """
    delimiters = [given["delimiter"]] if "delimiter" in given else _DELIMITERS
    quotes: list[str | None] = [given["quote"]] if "quote" in given else ['"', "'"]
    best: Layout | None = None
    for delimiter in delimiters:
        for quote in quotes:
            if quote == "'" and not _quotes_fields(text, delimiter, "'"):
                continue
            if delimiter != BLANKS and delimiter not in text and len(delimiters) > 1 and delimiter != ",":
                continue
            tried = _cut_padded(text, form.model_copy(update={"delimiter": delimiter, "quote": quote}), given)
            if best is None or tried.score > best.score + 1e-9:
                best = tried
    assert best is not None
    if best.form.quote and f"\\{best.form.quote}" in text and "escape" not in given:
        escaped = cut(text, best.form.model_copy(update={"escape": "\\"}))
        if escaped.score > best.score + 1e-9:
            return escaped
    below = dropwhile(lambda record: len(record) != best.width, best.records)  # titles above have their own widths
    is_sure = best.score >= _SURE or (best.width > 1 and {len(record) for record in below} == {best.width})
    if "delimiter" not in given and not is_sure and (fixed := _fixed(text, form)):
        return fixed
    return best if "quote" in given or best.form.quote is None else _without_quotes(text, best)


def _cut_padded(text: str, form: TextFormat, given: dict[str, Any]) -> Layout:
    """Cut a text, if quotes stand behind delimiters and blanks, 1, "a, b", as one whose fields are padded."""
    plain = cut(text, form)
    if "strip" in given or form.quote is None or not re.search(rf"{_as_pattern(form.delimiter)} +{form.quote}", text):
        return plain
    padded = cut(text, form.model_copy(update={"strip": True}))
    return padded if padded.score > plain.score + 1e-9 else plain


def _fixed(text: str, form: TextFormat) -> Layout | None:
    """Return the layout of fields at the same places of every line; None if they do not stand so."""
    lines = [line.rstrip("\r\n") for line in _lines(text)]
    above, spans = columns_of(lines[:_MOST])
    lines = lines[above:]
    if len(spans) < 2:
        return None
    form = form.model_copy(update={"delimiter": FIXED, "quote": None, "skip": form.skip + above})
    starts = tuple(start for start, _ in spans)
    first, *rows = (fields_of(line, starts) for line in lines if line.strip())
    if has_header(first, rows):
        spans = with_names(spans, first)
    layout = cut("\n".join(lines), form.model_copy(update={"starts": starts_of(spans, lines[:_MOST])}))
    return layout if layout.width > 1 else None


def _quotes_fields(text: str, delimiter: str, quote: str) -> bool:
    """Return whether fields begin and end with a quote as often as they would if it were one."""
    if quote not in text:
        return False
    text = re.sub(r"\r\n?", "\n", text)
    opens = _opening(text, delimiter, quote)
    closes = len(re.findall(rf"(?m)(?<!{quote})(?:{quote}{quote})*{quote}[ \t]*(?:{_as_pattern(delimiter)}|$)", text))
    return opens > 0 and closes > 0 and 0.8 < opens / closes < 1.25


def _opening(text: str, delimiter: str, quote: str) -> int:
    """Return how many fields begin with a quote; an empty one, "", tells nothing."""
    return len(re.findall(rf"(?m)(?:^|{_as_pattern(delimiter)})[ \t]*{quote}(?:{quote}{quote})*(?!{quote})", text))


def _as_pattern(delimiter: str) -> str:
    return r"[ \t]" if delimiter == BLANKS else re.escape(delimiter)


def _without_quotes(text: str, layout: Layout) -> Layout:
    """Return the layout without quotes where those in the text are mere characters, as the one in 5" is."""
    quote = layout.form.quote or ""
    if quote not in text:
        return layout
    swallowed = _swallows(text, layout)
    if not swallowed and _quotes_fields(text, layout.form.delimiter, quote):
        return layout
    tried = cut(text, layout.form.model_copy(update={"quote": None}))
    opens = swallowed or _opening(text, layout.form.delimiter, quote) > 0
    return tried if tried.score > layout.score + (-1e-9 if opens else 1e-9) else layout


def _swallows(text: str, layout: Layout) -> bool:
    """Return whether, with quotes, a field holds whole rows: lines with as many delimiters as a row has."""
    form = layout.form
    if len(form.delimiter) > 1 or layout.width < 2:
        return False
    try:
        for record in csv.reader(_lines(text), delimiter=form.delimiter, quotechar=form.quote):
            for field in record:
                lines = field.splitlines()[1:-1]
                if any(line.count(form.delimiter) == layout.width - 1 for line in lines):
                    return True
    except csv.Error:
        return True
    return False


def cut(text: str, form: TextFormat) -> Layout:
    """Cut a text as a format says, and score how well that fits."""
    lines = _lines(text)
    records: list[list[str]] = []
    places: list[int] = []
    passed = 0
    reader: Any
    if len(form.delimiter) > 1:
        reader = split_lines(lines, form)
    else:
        quoting: dict[str, Any] = {"quotechar": form.quote} if form.quote else {"quoting": csv.QUOTE_NONE}
        reader = csv.reader(
            lines, delimiter=form.delimiter, escapechar=form.escape, doublequote=form.escape is None,
            skipinitialspace=form.strip, **quoting,
        )  # fmt: skip
    try:
        for fields in reader:
            if fields:
                records.append(fields)
                places.append(passed)
            passed = reader.line_num if len(form.delimiter) == 1 else passed + 1
            if len(records) == _MOST:
                break
    except csv.Error:
        return Layout(form, [], [], 1, -1.0)
    widths = Counter(map(len, records))
    width, times = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
    if width == 1:
        return Layout(form, records, places, 1, 0.0)
    fields = [field for record in records[:200] if len(record) == width for field in record]
    marks = {",": ",(?! )", ";": ";", "\t": "\t", "|": r"\|"}  # a comma with a blank behind it is one of a sentence
    others = re.compile("|".join(pattern for mark, pattern in marks.items() if mark != form.delimiter))
    dirty = sum(bool(others.search(_ENTITIES.sub("", field))) and not _NUMBER.match(field) for field in fields)
    dirty += form.delimiter == ";" and 2 * sum(bool(_CUT.search(field)) for field in fields)
    longest = sum(len(field) > _LONGEST for field in fields)
    clean = 1 - (dirty + longest) / max(1, len(fields))
    share = times / len(records)
    rank = _DELIMITERS.index(form.delimiter) if form.delimiter in _DELIMITERS else 0
    likely = share * clean * (0.7 if rank >= 5 else 1.0) - rank * 0.001 - (0.0005 if form.quote == "'" else 0)
    if form.delimiter == BLANKS and share < 0.95:
        likely *= 0.5  # words have blanks between them, too
    return Layout(form, records, places, width, likely if share >= 0.5 else likely / 4)


def _lines(text: str) -> Iterator[str]:
    return iter(io.StringIO(text, newline=""))  # with their ends; the first of them are enough, mostly


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, without their ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def uncommented(text: str, form: TextFormat) -> list[str]:
    """Return the lines that are no comments, without their ends."""
    return [line for line in lines_of(text) if not form.is_comment(line)]


def with_comments(lines: Sequence[str], form: TextFormat, count: int) -> int:
    """Return how many lines of a text stand before so many that are no comments have passed."""
    places = [place for place, line in enumerate(lines) if not form.is_comment(line)]
    return places[count] if count < len(places) else count


def inner_mark(layout: Layout, text: str) -> str | None:
    """Return what lines among the rows begin with that are none: '#', where none of them has as many fields as a row,
    or what Qualtrics writes."""
    has_marks = layout.width > 1 and any(line.startswith("#") for line in text.splitlines())
    marked = [record for record in layout.records if record[0].startswith("#")] if has_marks else []
    if marked and all(len(record) != layout.width for record in marked):
        return "#"
    return _IMPORT_IDS if text.count(f"\n{_IMPORT_IDS}") == 1 else None


def comment_mark(lines: Sequence[str]) -> str | None:
    """Return what the first lines begin with, if that is a comment's mark and the rest do without it."""
    rule = next((place for place, line in enumerate(lines[:5]) if _RULE.match(line)), None)
    if rule is not None and "".join(lines[:rule]).count('"') % 2 == 0:  # else it is within a text of several lines
        return lines[rule]  # between the names and the rows of a table that a database or a text has drawn
    first = next((line for line in lines if line.strip()), "")
    mark = next((mark for mark in _COMMENTS if first.startswith(mark)), None)
    if mark is None:
        return None
    marked = sum(line.startswith(mark) for line in lines)
    return mark if marked < len(lines) / 2 or (marked < len(lines) and marked >= 2 and mark in "#%@") else None


def is_number(field: str) -> bool:
    """Return whether a field looks like a number, with a point or a comma before the decimals."""
    return _NUMBER.match(field) is not None


def has_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first record names the columns: it does, unless it looks like the rows below.

    Numbers over numbers, and values that come again in the same column, speak against it; text over numbers for it, and
    a name without figures over values that have some (`5 mg`); so does text over a few others that come again and
    again; numbers that count on (years, 0, 1, 2 …) do not count.
    """
    rows = [row for row in rows if len(row) == len(first) and list(row) != list(first)]
    if not rows:
        return True
    numbers = [int(field) for field in first if re.fullmatch(r"\s*\d+\s*", field)]
    counting = len(numbers) >= 2 and all(after - before == 1 for before, after in pairwise(numbers))
    speaks_for = against = 0
    for place, name in enumerate(first):
        below = [row[place] for row in rows]
        known = [value for value in below if value.strip().lower() not in MISSING]
        numeric = len(known) > 0 and sum(map(is_number, known)) >= 0.9 * len(known)
        if name.strip().lower() in MISSING:
            continue
        if is_number(name) and ("%" not in name or any("%" in value for value in known)):
            against += (numeric or name in below) and not counting
        elif numeric or (_have_digits(known) and not _DIGIT.search(name)):
            speaks_for += 1
        elif name in below:
            against += 1
        elif len(set(known)) <= len(known) / _FEW_VALUES:
            speaks_for += 1
    return speaks_for >= against


def _have_digits(values: Sequence[str]) -> bool:
    return len(values) > 0 and sum(bool(_DIGIT.search(value)) for value in values) >= 0.9 * len(values)
