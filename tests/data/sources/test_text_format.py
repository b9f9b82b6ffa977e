"""Delimited text as people have it: what is found out about a file, and that it is then read as it was meant."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import itertools
import random
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.config.text_format import TextFormat
from pipeline.data.columns import ColumnType
from pipeline.data.sources.source import infer_columns, plan_fragments, read_fragment
from pipeline.data.sources.table_files import SourceFile
from pipeline.data.sources.text_format import sniff

INT, FLOAT, STRING = ColumnType.INT, ColumnType.FLOAT, ColumnType.STRING
KINDS = {"id": INT, "größe": FLOAT, "city": STRING, "note": STRING}


def rows_of(seed: int, n: int = 60, marks: str = "") -> list[list[Any]]:
    """Return rows of KINDS; every column is that kind, and notes hold `marks`."""
    draw = random.Random(seed)
    cities = ["Köln", "Zürich", "Bern", "München"]
    notes = ["plain", "two words", *[f"a{mark}b" for mark in marks]]
    return [
        [number, draw.randrange(1, 10_000) / 16, draw.choice(cities), draw.choice(notes)]
        for number in range(100, 100 + n)
    ]


def packed(data: bytes, suffix: str) -> bytes:
    """Pack bytes as the end of a file's name says."""
    if suffix == ".gz":
        return gzip.compress(data)
    if suffix == ".bz2":
        return bz2.compress(data)
    if suffix == ".zst":
        return bytes(pa.Codec("zstd").compress(data, asbytes=True))
    if suffix == ".zip":
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("inner.csv", data)
        return archive.getvalue()
    return data


def read(
    path: str, form: TextFormat, columns: Mapping[str, ColumnType] | None = None, block: int = 1 << 26
) -> pa.Table:
    """Read a file whole, in the types that are inferred."""
    files = [SourceFile(path, 0, form)]
    kinds = columns or infer_columns(files)
    fragments = plan_fragments(files, block)
    return pa.Table.from_batches(
        [batch for fragment in fragments for batch in read_fragment(fragment, kinds)],
        pa.schema([(name, kind.stored) for name, kind in kinds.items()]),
    )


def expected(rows: list[list[Any]], names: list[str]) -> dict[str, list[Any]]:
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def written(rows: list[list[Any]], names: list[str] | None, decimal: str, end: str, **dialect: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end, **dialect)
    if names:
        writer.writerow(names)
    for row in rows:
        writer.writerow([str(value).replace(".", decimal) if isinstance(value, float) else value for value in row])
    return text.getvalue()


STYLES: dict[str, dict[str, Any]] = {
    "minimal": {},
    "all": {"quoting": csv.QUOTE_ALL},
    "single": {"quotechar": "'", "quoting": csv.QUOTE_NONNUMERIC},
    "backslash": {"quoting": csv.QUOTE_NONNUMERIC, "escapechar": "\\", "doublequote": False},
    "none": {"quoting": csv.QUOTE_NONE, "quotechar": None},
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"]
HEADERS = ["named", "none", "title", "comment", "sep", "units"]
MARKS = {",": ",;", ";": ";,", "\t": "\t;", "|": "|;", " ": " ,"}


@pytest.mark.parametrize("delimiter", MARKS)
def test_whatever_a_table_is_written_with_it_is_read_back(tmp_path: Path, delimiter: str) -> None:
    everything = itertools.product(
        STYLES, ENCODINGS, ["", ".gz", ".bz2", ".zip", ".zst"], HEADERS, ["\n", "\r\n", "\r"]
    )
    cases = random.Random(delimiter).sample(list(everything), 250)
    for number, (style, encoding, packing, header, end) in enumerate(cases):
        decimal = "," if delimiter in ";\t" and number % 2 else "."
        marks = "" if style == "none" else MARKS[delimiter] + ('"' if style in ("minimal", "all", "backslash") else "")
        rows = rows_of(number, marks=marks)
        names = list(KINDS)
        if style == "none" and delimiter == " ":
            rows = [[*row[:3], row[3].replace(" ", "_")] for row in rows]
        text = written(rows, None if header == "none" else names, decimal, end, delimiter=delimiter, **STYLES[style])
        text = _with_header(text, header, end, delimiter)
        if header == "none":
            names = [f"column_{place}" for place in range(1, 5)]
        path = tmp_path / f"t{number}.csv{packing}"
        path.write_bytes(packed(text.encode(encoding), packing))
        case = (delimiter, style, encoding, packing, header, repr(end), decimal)
        form, said = sniff(str(path))
        assert read(str(path), form).to_pydict() == expected(rows, names), (case, form, said)
        assert TextFormat(**form.written()) == form
        path.unlink()


def _with_header(text: str, header: str, end: str, delimiter: str) -> str:
    if header == "title":
        return f"Report of the cities{end}{end}{text}"
    if header == "comment":
        return f"# made by hand{end}# do not edit{end}{text}"
    if header == "sep" and delimiter != " ":
        return f"sep={delimiter}{end}{text}"
    if header == "units":
        first, _, rest = text.partition(end)
        return first + end + delimiter.join(["n", "cm", "x", "x"]) + end + rest
    return text
