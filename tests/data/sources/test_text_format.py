# ruff: noqa: RUF001 (names in many scripts)
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
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.config.text_format import TextFormat
from pipeline.data.columns import ColumnType
from pipeline.data.sources.source import infer_columns, plan_fragments, read_fragment
from pipeline.data.sources.table_files import SourceFile
from pipeline.data.sources.text_format import sniff
from pipeline.errors import DataError

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
    cases = random.Random(delimiter).sample(list(everything), 100)
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


@pytest.mark.parametrize("seed", range(12))
def test_byte_ranges_make_up_the_whole_in_every_format(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    delimiter, style = draw.choice(list(MARKS)), draw.choice(["minimal", "all", "single", "backslash"])
    encoding = draw.choice(["utf-8", "utf-8-sig", "cp1252"])
    rows = rows_of(seed, 400, MARKS[delimiter] + ("\n" if delimiter != " " else ""))
    text = written(rows, list(KINDS), ".", draw.choice(["\n", "\r\n"]), delimiter=delimiter, **STYLES[style])
    title = draw.choice(["", 'a "title\n', "# it's\n"])
    path = write(tmp_path, title + text, encoding)
    form, _ = sniff(path)
    whole = read(path, form).to_pydict()
    assert whole == expected(rows, list(KINDS))
    for block in (700, 2000):
        assert len(plan_fragments([SourceFile(path, 0, form)], block)) > 3
        assert read(path, form, KINDS, block).to_pydict() == whole, (form, block)


def write(folder: Path, text: str | bytes, encoding: str = "utf-8", name: str = "t.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return str(path)


@pytest.mark.parametrize(
    ("text", "columns", "settings"),
    [
        ("a,a,b\n1,2,3\n4,5,6\n", {"a": [1, 4], "a_2": [2, 5], "b": [3, 6]}, {}),
        ("a,a_2,a\n1,2,3\n4,5,6\n", {"a": [1, 4], "a_2": [2, 5], "a_3": [3, 6]}, {}),
        (",a,b\n0,1,2\n1,3,4\n", {"a": [1, 3], "b": [2, 4]}, {}),
        ('"a" "b"\n"x" 1 2\n"y" 3 4\n', {"a": [1, 3], "b": [2, 4]}, {"delimiter": "blanks"}),
        ("a,,b\n0,1,2\n1,3,4\n", {"a": [0, 1], "column_2": [1, 3], "b": [2, 4]}, {}),
        ("a,b,\n1,2,\n3,4,\n", {"a": [1, 3], "b": [2, 4]}, {}),
        ("a,b\n1,2,\n3,4,\n", {"a": [1, 3], "b": [2, 4]}, {}),
        ("5.1,3.5,x\n4.9,3.0,x\n4.7,3.2,y\n", None, {"header": False}),
        ("1.5::x::2\n2.5::y::3\n3.5::x::4\n", None, {"delimiter": "::", "header": False}),
        ("2019,2020,2021\n5.5,6.5,7.5\n8,9,1\n", {"2019": [5.5, 8.0], "2020": [6.5, 9.0], "2021": [7.5, 1.0]}, {}),
        ("a;b\n1,5;2\n-2,25;3\n", {"a": [1.5, -2.25], "b": [2, 3]}, {"delimiter": ";", "decimal": ","}),
        (
            "a;b\n1.234,5;2\n12;3\n",
            {"a": [1234.5, 12.0], "b": [2, 3]},
            {"delimiter": ";", "decimal": ",", "thousands": "."},
        ),
        ("a, b\n1, x\n2, y\n", {"a": [1, 2], "b": ["x", "y"]}, {"strip": True}),
        ("  a   b\n  1   2\n 10  20\n", {"a": [1, 10], "b": [2, 20]}, {"delimiter": "blanks"}),
        ("a,b,c\n1,2,x\n3,4,y\n\n(2 rows)\n", {"a": [1, 3], "b": [2, 4], "c": ["x", "y"]}, {"footer": ["("]}),
        ("a,b,c\n1,2,x\n3,4,y\nTotal,6,\n", {"a": [1, 3], "b": [2, 4], "c": ["x", "y"]}, {"footer": ["Total,"]}),
        ('a\tb\n1\tx "y\n2\tz"\n', {"a": [1, 2], "b": ['x "y', 'z"']}, {"delimiter": "\t"}),
        ('a\tb\n1\t"y\n2\tz\n3\tx\n', {"a": [1, 2, 3], "b": ['"y', "z", "x"]}, {"delimiter": "\t", "quote": None}),
        ("a,b\n1,2\n# no row\n3,4\n", {"a": [1, 3], "b": [2, 4]}, {"comment": "#"}),
        ("a,b\n1,x\0y\n3,z\n", {"a": [1, 3], "b": ["x\0y", "z"]}, {}),
        ('a,b\n1,"x\ny"\n\n3,z\n', {"a": [1, 3], "b": ["x\ny", "z"]}, {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_heads_and_tails(
    tmp_path: Path, text: str, columns: dict[str, list[Any]] | None, settings: dict[str, Any], suffix: str
) -> None:
    path = write(tmp_path, packed(text.encode(), suffix), name=f"t.csv{suffix}")
    form, _ = sniff(path)
    assert form.written() == settings
    got = read(path, form).to_pydict()
    assert got == columns if columns else list(got) == [f"column_{place}" for place in range(1, 4)]


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        ("Müller,Zürich\nGröße,Köln\nJäger,Düsseldorf\n", "cp1252"),
        ("Müller,Zürich\nGröße,Köln\nJäger,Düsseldorf\n", "mac_roman"),
        ("Łukasz,Łódź\nZażółć,Kraków\nGęśla,Poznań\n", "cp1250"),
        ("Łukasz,Łódź\nZażółć,Kraków\nGęśla,Poznań\n", "iso8859-2"),
        ("Иван,Москва\nОльга,Новосибирск\nСергей,Казань\n", "cp1251"),
        ("Иван,Москва\nОльга,Новосибирск\nСергей,Казань\n", "koi8-r"),
        ("Γιώργος,Αθήνα\nΜαρία,Θεσσαλονίκη\n", "cp1253"),
        ("田中,東京\n鈴木,大阪\n山本,横浜市\n", "shift_jis"),
        ("张伟,北京\n王芳,上海市\n李娜,广州\n", "gb18030"),
        ("Şahin,İstanbul\nÇağlar,Muğla\nÖzgür,Eskişehir\n", "cp1254"),
    ],
)
def test_an_encoding_is_known_by_its_letters(tmp_path: Path, language: str, encoding: str) -> None:
    path = write(tmp_path, "name,city\n" + language, encoding)
    form, said = sniff(path)
    assert said[0].startswith("encoding")
    names = [line.split(",")[0] for line in language.splitlines()]
    assert read(path, form).to_pydict()["name"] == names


def test_rows_too_short_or_too_long_are_refused_filled_or_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,c\n1,2,3\n4,5\n6,7,8,9\n1,1,1\n2,2,2\n")
    form, _ = sniff(path)
    with pytest.raises(DataError) as caught:
        read(path, form)
    assert "line 3: 2 fields where 3 are expected: '4,5'; 1 more row is like that" in str(caught.value)
    assert "ragged: fill" in str(caught.value)
    filled = read(path, TextFormat(ragged="fill")).to_pydict()
    assert filled == {"a": [1, 4, 6, 1, 2], "b": [2, 5, 7, 1, 2], "c": [3, None, 8, 1, 2]}
    kept = read(path, TextFormat(ragged="leave_out")).to_pydict()
    assert kept == {"a": [1, 1, 2], "b": [2, 1, 2], "c": [3, 1, 2]}


def test_a_value_that_does_not_fit_comes_with_its_line_in_every_format(tmp_path: Path) -> None:
    text = "made by hand\n\na;b\n1;x\n# a comment\n2;y\n\nthree;z\n"
    for form in (TextFormat(delimiter=";", skip=2, comment="#"), TextFormat(delimiter=";", skip=2, ragged="leave_out")):
        for encoding in ("utf-8", "utf-16"):
            path = write(tmp_path, text, encoding)
            with pytest.raises(DataError, match="line 8: column 'a' holds 'three'"):
                read(path, form.model_copy(update={"encoding": encoding}), {"a": INT})


@pytest.mark.parametrize(
    ("form", "data", "message"),
    [
        (TextFormat(delimiter=";"), b"a,b\n1,2\n", "separated by ',', not ';'"),
        (TextFormat(), b"a\tb\n1\t2\n", 'delimiter: "\\t"'),
        (TextFormat(), "a,b\n1,2\n".encode("utf-16"), "encoding: utf-16"),
        (TextFormat(encoding="utf-16"), b"a,b\n1,2\n", "not utf-16"),
        (TextFormat(encoding="cp1252"), "a,b\n1,é\n".encode(), "is UTF-8, not cp1252"),
        (TextFormat(), "a,b\n1,é\n".encode("cp1252"), "encoding: latin-1"),
        (TextFormat(encoding="cp1250"), b"a,b\n1,\x81\n", "line 2: the text is not cp1250"),
        (TextFormat(header=False, names=("a", "b", "c")), b"1,2\n3,4\n", "2 fields where data.format.names has 3"),
        (TextFormat(skip=1), b"a,b\n1,2\n3,4\n", 'data.format says, {"skip": 1}'),
        (TextFormat(), b'a,b\n"1,5",2\n', 'data.format: {decimal: ","}'),
        (TextFormat(header=False, names=("a", "b")), b"a,b\n1,2\n", "take header: false out"),
    ],
)
def test_a_later_file_in_another_format_is_refused_with_the_edit(
    tmp_path: Path, form: TextFormat, data: bytes, message: str
) -> None:
    path = write(tmp_path, data)
    with pytest.raises(DataError) as caught:
        read(path, form, {"a": INT, "b": STRING})
    assert message in str(caught.value)


def test_whatever_bytes_a_file_holds_it_is_read_or_refused(tmp_path: Path) -> None:
    draw = random.Random(0)
    parts = [*"ab1,;\t| \"'\\\n\r#(-\0é\ufeff", "2.5", "\r\n", "Total", "sep=", "::", "NA"]
    for _ in range(400):
        text = "".join(draw.choice(parts) for _ in range(draw.randrange(1, 80)))
        path = write(tmp_path, text.encode(draw.choice(["utf-8", "utf-16", "utf-16-le", "cp1252"]), "replace"))
        with suppress(DataError):
            read(path, sniff(path)[0])


def test_a_quote_that_opens_no_field_swallows_no_rows(tmp_path: Path) -> None:
    """As the messages of SMSSpamCollection, where some begin with a quote and others end with one."""
    draw = random.Random(1)
    texts = [draw.choice(["hello", '"hello', 'hello"', 'say "hello"', "what's up"]) for _ in range(300)]
    path = write(tmp_path, "label\ttext\n" + "".join(f"{draw.choice(['ham', 'spam'])}\t{text}\n" for text in texts))
    form, _ = sniff(path)
    assert read(path, form).column("text").to_pylist() == texts


def test_what_an_export_leaves_behind_is_said_in_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,,,c,\n1,2,,3,4,\n5,6,,7,8,\n")
    form, said = sniff(path)
    assert read(path, form).to_pydict() == {"a": [1, 5], "b": [2, 6], "column_4": [3, 7], "c": [4, 8]}
    assert said == [
        "without a name, empty and not read: column 3, 6",
        "columns without a name are named by their places: column_4",
    ]


def test_a_file_that_ends_in_the_middle_of_a_row_is_read_without_it(tmp_path: Path) -> None:
    form, said = sniff(write(tmp_path, "a,b\n1,2\n3,4\n5"))
    assert read(str(tmp_path / "t.csv"), form).to_pydict() == {"a": [1, 3], "b": [2, 4]}
    assert "in the middle of a row ('5')" in said[0]


def test_decimal_commas_beside_points(tmp_path: Path) -> None:
    path = write(tmp_path, "a\tb\n12,5\t27217.0\n-3,25\t98103.0\n")
    form, _ = sniff(path)
    assert form.written() == {"delimiter": "\t", "decimal": ","}
    assert read(path, form).to_pydict() == {"a": [12.5, -3.25], "b": [27217.0, 98103.0]}
