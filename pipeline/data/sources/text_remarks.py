"""What a person should know of a text that is read as it stands: sums among its rows, marks, letters read wrongly."""

from __future__ import annotations

import codecs
import json
import re
import shlex
import zipfile
from collections.abc import Iterator, Sequence

from pipeline.config.text_format import BLANKS, FIXED, TextFormat
from pipeline.data.sources.guess_layout import is_number, lines_of
from pipeline.data.sources.text_bytes import UNREADABLE, members, zip_member
from pipeline.errors import DataError, as_argument

_SUM = re.compile(
    r"(?i)(sub-?\s?total|grand total|total|sum|summe|zwischensumme|gesamt(summe)?|insgesamt|sous-total|subtotale|"
    r"totale)s?\b"
)
_FEWEST, _SHOWN = 2, 5
_READ_WRONGLY = re.compile(r"[ÃÅÄ][\u0080-\u00bf\u0152-\u0178\u2013-\u2122]|\u00e2\u20ac[\u0080-\u2122]")
"""Letters and quotes of UTF-8 that were read as those of Windows, and written so."""
_TYPES = re.compile(r"(?m)^ *(?:<\w+(?:\+\w+)?> *){2,}$")
_ARFF = re.compile(r"(?i)^\s*@attribute\s+(?:'([^']*)'|\"([^\"]*)\"|(\S+))")


def remarks(path: str, text: str, pieces: Sequence[bytes], form: TextFormat) -> list[str]:
    """Return sentences about a text, which is the beginning of a file whose samples are the pieces.

    Raises:
        DataError: the table was printed in parts.
    """
    _check_printed_whole(path, text, form)
    said = [*_of_archive(path), *_sums(text, form)]
    marks = [place for place in range(len(pieces)) if codecs.BOM_UTF8 in pieces[place].lstrip(codecs.BOM_UTF8)]
    if marks:
        said.append(
            "a mark of byte order stands within the text, as in files put one behind the other, and is part of a "
            rf"value: sed -i 's/\xEF\xBB\xBF//g' {as_argument(path)} takes it out"
        )
    if not text.isascii() and (found := _READ_WRONGLY.search(text)):
        start, end = text.rfind("\n", 0, found.start()) + 1, found.end() + 20
        shown = re.split(r"[\r\n]", text[max(start, found.start() - 20) : end])[0]
        said.append(f"letters as in {shown!r} are UTF-8 that a program read as another encoding: kept as they stand")
    return said


def attribute_names(text: str) -> tuple[str, ...]:
    """Return the names of the columns that stand above the rows of an ARFF file, as Weka and OpenML write it."""
    if not re.search(r"(?im)^\s*@data\s*$", text):
        return ()
    found = (_ARFF.match(line) for line in lines_of(text))
    return tuple(next(filter(None, match.groups())) for match in found if match)


def mark_below(mark: str, text: str) -> str | None:
    """Return what further lines that are none begin with, beside comments: `@` in ARFF, types as R prints them."""
    if mark == "%" and attribute_names(text):
        return "@"
    types = _TYPES.search(text) if mark == "#" else None
    return f"{types[0]}\n" if types else None


def _check_printed_whole(path: str, text: str, form: TextFormat) -> None:
    """Refuse what R and pandas print of a table that is wider than their screen: some columns, and others below."""
    if form.delimiter not in (BLANKS, FIXED):
        return
    lines = [(number, line) for number, line in enumerate(lines_of(text), start=1) if line.strip()]
    rows = [line.split() for _, line in lines]
    for place in range(3, len(lines) - 2):
        number, line = lines[place]
        if line[0] != " " or lines[0][1][0] != " " or any(map(is_number, rows[place])):
            continue
        above, below = ([row[0] for row in part] for part in (rows[1:place], rows[place + 1 : 2 * place]))
        if len({*above}) == len(above) and above[: len(below)] == below:
            raise DataError(
                f"{path}, line {number}: names of other columns, and row {rows[1][0]!r} again below them: the table "
                "was printed in parts",
                "export it whole, as by write.csv(table, 'table.csv') in R or table.to_csv('table.csv') in pandas",
            )


def _of_archive(path: str) -> list[str]:
    if not path.lower().endswith(".zip"):
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            member, names = zip_member(path, archive), members(archive.namelist())
    except UNREADABLE:
        return []
    others = ", ".join(name for name in names if name != member)
    return [f"the file {member} of the archive is the table; not read: {others}"] if others else []


def _sums(text: str, form: TextFormat) -> list[str]:
    """Say which lines among the rows begin with a word for a sum, and by which option they are left out."""
    small = text.lower()
    if form.delimiter in (BLANKS, FIXED) or not any(word in small for word in ("total", "sum", "gesamt")):
        return []
    mark, quote = re.escape(form.delimiter), form.quote or ""
    first = re.compile(rf"((?:{quote}{quote}|\s*){mark})*{quote}?\s*(?P<word>[^{mark}{quote}\r\n]*)")
    by_start: dict[str, list[int]] = {}
    lines = lines_of(text)
    for number, line in _outside(lines, form):
        if number < form.skip + 2 or line.startswith(form.footer or "\0") or not (found := first.match(line)):
            continue
        if summed := _SUM.match(found["word"]):
            by_start.setdefault(line[: found.start("word") + summed.end()], []).append(number)
    said = []
    for start, places in by_start.items():
        if _FEWEST <= len(places) < len(lines) / 2:
            listed = ", ".join(f"{place:,}" for place in places[:_SHOWN]) + (", …" if len(places) > _SHOWN else "")
            marks = [*(mark for mark in form.comments if not mark.endswith("\n")), start]  # the others are found again
            option = f"comment={start if len(marks) == 1 else json.dumps(marks, ensure_ascii=False)}"
            said.append(
                f"rows begin with {start!r} (lines {listed}): if they sum up others, leave them out by "
                f"--format {shlex.quote(option)}"
            )
    return said


def _outside(lines: Sequence[str], form: TextFormat) -> Iterator[tuple[int, str]]:
    """Yield lines that are no comments and begin outside of a quoted text, each with its number."""
    is_within = False
    for number, line in enumerate(lines, start=1):
        if is_within or not form.is_comment(line):
            if not is_within:
                yield number, line
            is_within ^= bool(form.quote) and line.count(form.quote or "") % 2 == 1
