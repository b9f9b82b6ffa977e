"""Finds out how a text file is written: `sniff`. It reads the beginning, and samples of the rest.

    guess_encoding   bytes to characters
    guess_layout     characters to fields; the header; what stands above and below the rows

What was found is a section of the configuration, `data.format`, so that every later file is read in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config.text_format import BLANKS, CSV, FIXED, TextFormat
from pipeline.data.sources.footers import cut_row, empty_rows, footer
from pipeline.data.sources.grouped_header import are_names_below, grouped, has_groups, has_units, titles
from pipeline.data.sources.guess_encoding import HEAD_BYTES, guess_encoding, read_samples
from pipeline.data.sources.guess_layout import (
    Layout,
    comment_mark,
    cut,
    guess_layout,
    has_header,
    inner_mark,
    is_number,
    lines_of,
    uncommented,
    with_comments,
)
from pipeline.data.sources.head import distinct, read_head
from pipeline.data.sources.number_marks import has_decimal_comma, has_decimal_point, has_thousands
from pipeline.data.sources.repeated_header import repeated_header, without_repeated
from pipeline.data.sources.table_files import SourceFile, format_of
from pipeline.data.sources.text_remarks import attribute_names, mark_below, remarks
from pipeline.data.sources.workbook import SheetTable

_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "'|'", BLANKS: "runs of blanks"}
_NO_HEADER = "there is no header"
_ESCAPED = "a quote within quotes has a backslash before it"
_Records = Sequence[Sequence[str]]
_COMMENTS_SAID = "lines that begin with {!r} are comments"


def sniff(path: str | Sequence[str], given: Mapping[str, Any] | None = None) -> tuple[TextFormat, list[str]]:
    """Return how the text files of a table are written, and sentences that say what is not plain CSV.

    Args:
        path: a file, or several; the first one tells.
        given: settings of data.format that a person gave.

    Raises:
        DataError: the file cannot be read.
        pydantic.ValidationError: a person gave what is no setting of data.format, or no value of one.
    """
    path = path if isinstance(path, str) else path[0]
    given = TextFormat.model_validate(given or {}).model_dump(exclude_unset=True)
    pieces = read_samples(path)
    said: list[str] = []
    if "encoding" not in given:
        given["encoding"], sentence = guess_encoding(path, pieces)
        said += [sentence] if sentence else []
    text = _decoded(pieces[0], given["encoding"], whole=len(pieces) == 1 and len(pieces[0]) < HEAD_BYTES)
    form = TextFormat(**given)
    whole = text
    form, text = _above(text, form, given, said)
    given |= {"delimiter": form.delimiter} if form.skip and "skip" not in given else {}  # `sep=` says it
    layout = guess_layout(text, form, given)
    if not form.comment and "comment" not in given and (mark := inner_mark(layout, text)):
        form, text = _without_comments(text, form, mark, said)
        layout = guess_layout(text, form, given)
    if form.comment and not {"comment", "skip", "header"} & given.keys():
        form, layout = _without_marked_rows(whole, form, layout, given, said)
    if layout.width == 1 and "delimiter" not in given:  # one column, or nothing that we know: as plain CSV
        layout = guess_layout(text, form, {**given, "delimiter": ",", "quote": '"'})
    header, commented = None, form
    if "names" not in given:
        before = text
        header, text, form = _without_odd_rows(text, pieces, layout, form, said)
        layout = guess_layout(text, form, given) if text != before else layout
    form = _described(text, layout, given, said)
    form = _with_lines_above(form, layout, whole, commented, given, said)
    if header and form.header is True and not form.units:
        names, _ = distinct(next(record for record in layout.records if len(record) == layout.width))
        form = form.with_comments(f"{header}\n").model_copy(update={"names": tuple(names), "header": False})
        said.append("lines that repeat the header are no rows")
    if "footer" not in given and (marks := footer(pieces, text, form, layout.width)):
        form = form.model_copy(update={"footer": marks})
        said.append(f"lines at the end that begin with {', '.join(map(repr, marks))} are no rows")
    if "ragged" not in given and (last := cut_row(text if len(pieces) == 1 else "", pieces, form, layout.width)):
        form = form.model_copy(update={"ragged": "leave_out"})
        said.append(
            f"the file ends in the middle of a row ({last[:40]!r}); such rows are left out (data.format.ragged): "
            "see whether it was copied whole"
        )
    form = TextFormat.model_validate(form.model_dump())
    said += remarks(path, whole, pieces, form)
    is_blank = not any(record[0].strip() for record in layout.records if len(record) == layout.width)
    return form, said + _names(path, form, is_blank)


def _with_lines_above(
    form: TextFormat, layout: Layout, whole: str, commented: TextFormat, given: Mapping[str, Any], said: list[str]
) -> TextFormat:
    """Count comments among the lines above the table, and take the names of the columns from there where ARFF has
    them."""
    skipped = layout.form.skip
    if (added := form.skip - skipped) and commented.comment and "skip" not in given:
        lines = lines_of(whole)[skipped:]
        form = form.model_copy(update={"skip": skipped + with_comments(lines, commented, added)})
    if len(names := attribute_names(whole)) == layout.width and not form.header and "names" not in given:
        form = form.model_copy(update={"names": names})
        said[:] = [one for one in said if not one.startswith(_NO_HEADER)] + ["lines with @attribute name the columns"]
    return form


def _without_odd_rows(
    text: str, pieces: Sequence[bytes], layout: Layout, form: TextFormat, said: list[str]
) -> tuple[str | None, str, TextFormat]:
    """Return the header if it comes again, and the text without such lines, or without those of separators only."""
    seen = [text, *(piece.decode(form.encoding, "ignore") for piece in pieces[1:])]
    if header := repeated_header(layout, seen):
        text = seen[0] = without_repeated(text, header)
    full = next((place for place, row in enumerate(layout.records) if len(row) == layout.width and all(row)), None)
    if full is None:
        return header, text, form
    lines = lines_of(text)
    above, seen[0] = lines[: layout.lines[full]], "\n".join(lines[layout.lines[full] :])  # there they may be titles
    if empty := empty_rows(seen, layout.form, layout.width):
        form = form.with_comments(*(f"{line}\n" for line in empty))
        text = "\n".join([*above, *uncommented(seen[0], form)])
        said.append("rows of separators only are no rows")
    return header, text, form


def sniff_files(files: Sequence[SourceFile], given: Mapping[str, Any] | None = None) -> tuple[TextFormat, list[str]]:
    """Return the same of the files of a table; plain CSV where none is delimited text."""
    paths = [file.path for file in files if format_of(file.path) == "csv"]
    if not paths and format_of(files[0].path) == "workbook":
        return CSV, list(SheetTable(files[0].path).said)
    return sniff(paths, given) if paths else (CSV, [])


def _decoded(head: bytes, encoding: str, whole: bool) -> str:
    text = head.decode(encoding, "ignore").lstrip("\ufeff")
    if whole:
        return text
    cut = max(text.rfind("\n"), text.rfind("\r"))
    return text[: cut + 1] if cut >= 0 else text


def _above(text: str, form: TextFormat, given: Mapping[str, Any], said: list[str]) -> tuple[TextFormat, str]:
    """Look at `sep=;` and at comments, which stand above all."""
    first = re.match(r"(?i)\"?sep=([;,|:^~ \t]|\\t)\"?\r?\n?", text)
    if first and "skip" not in given:
        mark = "\t" if first[1] == "\\t" else first[1]
        said.append("the first line ('sep=') is no row")
        form = form.model_copy(update={"skip": 1, "delimiter": given.get("delimiter", mark)})
        return form, text[first.end() :].lstrip("\r\n")
    if re.match(r'"?TOA5"?,', text) and "skip" not in given:  # the loggers of Campbell, whose title may be as wide
        said.append("the first line is a title")
        return form.model_copy(update={"skip": 1}), text.partition("\n")[2]
    lines = lines_of(text)
    if "comment" not in given and (mark := comment_mark(lines)):
        form, text = _without_comments(text, form, mark, said)
        further = mark_below(mark, text)
        return _without_comments(text, form, further, said) if further else (form, text)
    return form, "\n".join(uncommented(text, form)) if form.comment else text


def _without_comments(text: str, form: TextFormat, mark: str, said: list[str]) -> tuple[TextFormat, str]:
    said.append(_COMMENTS_SAID.format(mark.strip()))
    form = form.with_comments(mark)
    return form, "\n".join(uncommented(text, form))


def _without_marked_rows(
    text: str, form: TextFormat, layout: Layout, given: dict[str, Any], said: list[str]
) -> tuple[TextFormat, Layout]:
    """Take no line for a comment that is the header or a row: those above are passed over by their number then."""
    mark = form.comments[0]
    lines = lines_of(text)
    above = next((place for place, line in enumerate(lines) if not form.is_comment(line)), 0)
    if not above or layout.width < 2:
        return form, layout

    def is_whole(line: str) -> bool:
        records = cut(line, layout.form).records
        return bool(records) and len(records[0]) == layout.width

    is_header = is_whole(lines[above - 1]) and not has_header(layout.records[0], layout.records[1:])
    if not is_header and not any(form.is_comment(line) and is_whole(line) for line in lines[above:]):
        return form, layout
    said.remove(_COMMENTS_SAID.format(mark))
    above -= is_header
    if above:
        said.append(f"the first {above} lines are no part of the table" if above > 1 else "the first line is a title")
    form = form.model_copy(update={"comment": None, "skip": form.skip + above})
    return form, guess_layout("\n".join(lines[above:]), form, given)


def _described(text: str, layout: Layout, given: Mapping[str, Any], said: list[str]) -> TextFormat:
    """Add to a layout what its records tell; what a person gave stands."""
    form = layout.form
    if form.delimiter == FIXED:
        said.append(f"fields begin at fixed places, {', '.join(str(start + 1) for start in form.starts)}, of each line")
    elif form.delimiter != ",":
        said.append(f"fields are separated by {_NAMES.get(form.delimiter, repr(form.delimiter))}")
    if form.escape and "escape" not in given:
        said.append(_ESCAPED)
    if form.quote != '"':
        said.append(f"quotes are {form.quote}" if form.quote else "quotes are characters like others")
    above, rows = _head_settings(layout)
    values = [record for record in rows if len(record) == layout.width][:500]
    if len(rows) > 1 and any("units" in found for found, _ in above) and has_units(rows[1], rows[2:]):
        line = lines_of(text)[layout.lines[layout.records.index(rows[1])]]
        form = form.with_comments(f"{line}\n")  # as the loggers of Campbell have them
        said.append("the second line of units is no row")
    for found, sentence in [*above, *_mark_settings(text, form, values, layout.records[-len(rows) - 1 :][:1])]:
        if not found.keys() & given.keys():
            form = form.model_copy(update=found)
            said.append(sentence)
    return form


def _head_settings(layout: Layout) -> tuple[list[tuple[dict[str, Any], str]], list[list[str]]]:
    """Return settings about what stands above the rows, each with its sentence, and the rows."""
    form, width, records = layout.form, layout.width, layout.records
    settings: list[tuple[dict[str, Any], str]] = []
    start = next((place for place, record in enumerate(records) if len(record) == width), 0) if width > 1 else 0
    if start and len(records[start - 1]) == width - 1 > 1 and not any(map(is_number, records[start - 1])):
        start -= 1  # a header without a name for the names of the rows
    is_grouped = has_groups(records[start:])
    if not is_grouped and (above := titles(records[start:])):
        start += above  # in cells of their own
        is_grouped = has_groups(records[start:])
    if not is_grouped and are_names_below(records[start:]):
        start += 1
    below = records[start + 1 :]
    if len(below) > 1 and layout.lines[start + 1] > layout.lines[start] + 1 and has_units(below[0], below[1:]):
        start += 1  # a title of as many words, with a blank line below it
    if start and (lines := layout.lines[start]):
        many = f"the first {lines} lines are no part of the table"
        settings.append(({"skip": form.skip + lines}, many if lines > 1 else "the first line is a title"))
    first, rows = (records[start], records[start + 1 :]) if records else ([], [])
    if is_grouped and not form.names:
        upper, lower = first, rows[0]
        first, rows = grouped(upper, lower) or first, rows[1:]
        whole = zip(first, upper, lower, strict=True)
        shown = next((name for name, one, other in whole if name not in (one.strip(), other.strip())), "")
        settings.append(({"header": "grouped"}, f"names stand in two lines, as that of {shown!r}"))
    if not form.names and not has_header(first, rows):
        named = f"column_1 to column_{len(first)} (data.format.names gives other names)"
        settings.append(({"header": False}, f"{_NO_HEADER}; the columns are {named}"))
    elif form.header and rows and has_units(rows[0], rows[1:], first):
        units = ", ".join(repr(unit) for unit in rows[0] if unit.strip())
        settings.append(({"units": True}, f"the line below the header holds units ({units[:60]}) and is no row"))
    return settings, rows


def _mark_settings(text: str, form: TextFormat, values: _Records, names: _Records) -> list[tuple[dict[str, Any], str]]:
    """Return settings about the marks in the fields, each with its sentence."""
    settings: list[tuple[dict[str, Any], str]] = []
    ends = rf"\\{form.quote}(\r?\n|{re.escape(form.delimiter)})"
    if form.quote and not form.escape and f"\\{form.quote}" in text and not re.search(ends, text):
        settings.append(({"escape": "\\"}, _ESCAPED))
    if form.strip or any(_are_padded(part, form.delimiter) for part in (values, names)):
        settings.append(({"strip": True}, "blanks around fields are no part of them"))
    if has_decimal_comma(values):
        points = has_thousands(values) and not has_decimal_point(values)
        also = ", and points between thousands" if points else ""
        settings.append(
            ({"decimal": ",", **({"thousands": "."} if points else {})}, f"numbers have a decimal comma{also}")
        )
    return settings


def _are_padded(rows: _Records, delimiter: str) -> bool:
    """Return whether nearly all fields begin with a blank, or most have one at an end in a table drawn with bars."""
    inner = [field for row in rows for field in row[1:] if field.strip() and delimiter != BLANKS]
    ends, enough = ((0, -1), 0.5) if delimiter in "|\t" else ((0,), 0.8)
    return sum(any(field[end] in " \t" for end in ends) for field in inner) > len(inner) * enough


def _names(path: str, form: TextFormat, is_first_blank: bool) -> list[str]:
    """Say which columns are not called as the header has it."""
    head = read_head(path, form)
    said = []
    numbers = [name for name in head.unread if name == head.fields[0] and not is_first_blank]
    empty = [str(head.fields.index(name) + 1) for name in head.unread if name not in numbers]
    if numbers:
        said.append("column 1 has no name and is not read: it numbers the rows (data.format.index: keep to read it)")
    if empty:
        said.append(f"without a name, empty and not read: column {', '.join(empty)}")
    renamed = {name: old for name, old in head.renamed.items() if name not in head.unread}
    said += [f"the second column {old!r} is named {name}" for name, old in renamed.items() if old.strip()]
    if nameless := [name for name, old in renamed.items() if not old.strip()]:
        more = f" and {len(nameless) - 5} more" if len(nameless) > 5 else ""
        said.append(f"columns without a name are named by their places: {', '.join(nameless[:5])}{more}")
    return said
