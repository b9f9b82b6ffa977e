"""Lines that are no rows, characters that cut no fields, and what a person is told of a text."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipeline.config.text_format import TextFormat
from pipeline.contract.first_reading import Wishes, read_table
from pipeline.data.sources.records import Records
from pipeline.data.sources.text_format import sniff
from pipeline.errors import DataError

ROWS = [f"{n},{n * 2},{'xy'[n % 2]}" for n in range(30)]
QUOTED = [f'"{n}","{n * 2}","{"xy"[n % 2]}"' for n in range(30)]


def told(folder: Path, text: str | bytes, name: str = "t.csv") -> tuple[TextFormat, str, list[list[str]]]:
    """Return the format, what is said of it, and the records of the file."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    form, said = sniff(str(path))
    return form, "\n".join(said), [fields for _, fields in Records(str(path), form)]


@pytest.mark.parametrize(
    "lines",
    [
        ['"a","b","c"', *QUOTED, '"","",""', *QUOTED],
        ['"a","b","c"', '"---","---","---"', *QUOTED, '"----","----","----"', *QUOTED],
        ["a,b,c", "---,---,---", *ROWS, ",,", *ROWS],
        ['"a","b","c"', *QUOTED, '"","",""', '"a","b","c"', "===,===,===", *QUOTED],
    ],
)
def test_rows_of_separators_are_no_rows_also_in_quotes_and_beside_headers(tmp_path: Path, lines: list[str]) -> None:
    """Seen failing: the first of each kind alone was passed over, and none in quotes."""
    _, said, records = told(tmp_path, "\n".join(lines) + "\n")
    assert "rows of separators only are no rows" in said
    assert [record for record in records if record != ["a", "b", "c"]] == [row.split(",") for row in ROWS * 2]
    assert read_table(str(tmp_path / "t.csv"), "c", Wishes()).rows.num_rows == 60


@pytest.mark.parametrize(
    "first", ["low,not measured,n.d.,x", "low,unknown,pending,x", "low,pending,pending,y", "low,unknown,n/a,"]
)
def test_a_first_row_of_words_is_a_row_and_no_units(tmp_path: Path, first: str) -> None:
    """Seen failing: it was taken for units, and left out."""
    rows = [f"{('low', 'high')[n % 2]},{n},{'pending' if n == 99 else n * 2},{'xy'[n % 2]}" for n in range(120)]
    form, _, _ = told(tmp_path, "\n".join(["grade,width,height,c", first, *rows]))
    assert not form.units
    form, said, _ = told(tmp_path, "\n".join(["grade,width,height,c", ",mm,kg,", *rows]))
    assert (form.units, "holds units ('mm', 'kg')" in said) == (True, True)


def test_a_logger_s_second_line_of_units_is_no_row(tmp_path: Path) -> None:
    """Seen failing: 'Avg' made texts of all numbers."""
    head = '"TOA5","CR1000","CR1"\n"TIMESTAMP","Volt","Temp"\n"TS","Volts","Deg C"\n"","Avg","Smp"\n'
    _, said, records = told(tmp_path, head + "".join(f'"2023-01-{n + 1:02}",{n}.5,{n}\n' for n in range(25)), "t.dat")
    assert "the second line of units is no row" in said
    assert [len(records), records[-1]] == [27, ["2023-01-25", "24.5", "24"]]


def test_entities_of_web_pages_cut_no_fields(tmp_path: Path) -> None:
    """Seen failing: seven columns, cut at the semicolons."""
    rows = [f'"Tom &amp; Jerry {n}",&euro;{n},"It&#39;s &quot;good&quot; {n}",R&amp;D' for n in range(30)]
    form, _, records = told(tmp_path, "\n".join(["title,price,text,label", *rows]))
    assert (form.written(), len(records[-1])) == ({}, 4)


def test_a_backslash_before_a_quote_is_found_where_a_comma_follows(tmp_path: Path) -> None:
    """Seen failing: 'line 2: 4 fields where 3 are expected', for every row."""
    form, said, records = told(tmp_path, "a,b,c\n" + "".join(f'{n},"say \\"hi\\", {n}",x\n' for n in range(30)))
    assert (form.escape, "backslash" in said, records[1]) == ("\\", True, ["0", 'say "hi", 0', "x"])


def test_lines_drawn_over_the_whole_width_are_no_rows(tmp_path: Path) -> None:
    """As SAP prints lists; seen failing: '1 fields where 5 are expected'."""
    rule = "-" * 21 + "\n"
    text = f"{rule}|Material| Qty|C    |\n{rule}" + "".join(f"|M{n:07}|{n:>4}|{'AB'[n % 2]}    |\n" for n in range(30))
    form, said, _ = told(tmp_path, text + rule, "t.txt")
    assert (form.strip, "are comments" in said) == (True, True)
    assert read_table(str(tmp_path / "t.txt"), "C", Wishes()).rows.column("Qty")[:2].to_pylist() == [0, 1]


def test_columns_of_an_arff_file_have_their_names(tmp_path: Path) -> None:
    """Seen failing: column_1 to column_3."""
    head = (
        "% Title\n@RELATION w\n@attribute outlook {sunny, rain}\n@ATTRIBUTE 'air temp' numeric\n@attribute play {a}\n"
    )
    form, said, records = told(tmp_path, head + "@data\n" + "".join(f"sunny,{n},a\n" for n in range(30)), "w.arff")
    assert form.names == ("outlook", "air temp", "play")
    assert ("@attribute name the columns" in said, len(records)) == (True, 30)


@pytest.mark.parametrize("quote", ["", '"'])
def test_sums_among_the_rows_are_told_with_the_option_that_leaves_them_out(tmp_path: Path, quote: str) -> None:
    """Seen failing: rows like others, without a word."""
    part = "".join(f"{quote}R{n % 3}{quote},{n},x\n" for n in range(9)) + f"{quote}Sub-total{quote},36,\n"
    form, said, _ = told(tmp_path, "region,sales,c\n" + part * 7 + f"{quote}Total{quote},252,\n")
    option = f"comment={quote}Sub-total"
    assert f"rows begin with '{quote}Sub-total' (lines 11, 21, 31, 41, 51, …)" in said
    assert (option in said, len(form.footer)) == (True, 1)
    form, said = sniff(str(tmp_path / "t.csv"), {"comment": f"{quote}Sub-total"})
    assert ("Sub-total" in said, len(list(Records(str(tmp_path / "t.csv"), form)))) == (False, 64)
    assert "rows begin" not in told(tmp_path, "sex,n,c\n" + "Totals of x,1,x\nMale,2,x\n" * 1 + "Total,1,y\n")[1]


def test_marks_of_byte_order_and_letters_read_wrongly_are_told(tmp_path: Path) -> None:
    body = "\n".join(ROWS)
    _, said, records = told(tmp_path, f"\ufeff\ufeffid,n,c\n{body}\n\ufeff{body}\n")
    assert (records[0], "mark of byte order stands within" in said) == (["id", "n", "c"], True)
    assert "letters as in 'MÃ¼nchen,x" in told(tmp_path, "city,c\n" + "MÃ¼nchen,x\nBern,y\n" * 20)[1]
    assert told(tmp_path, "\ufeffcity,c\n" + "Ålesund,x\nÃ€rzte “a”\n" * 2)[1].count("letters") == 1
    assert "letters" not in told(tmp_path, "city,c\n" + "Ålesund,x\nSÃO PAULO,y\n" * 20)[1]


def test_the_one_table_of_an_archive_is_read_and_told(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README.md", "# What this is")
        archive.writestr("data/t.csv", "a,b,c\n" + "\n".join(ROWS))
    assert "the file data/t.csv of the archive is the table; not read: README.md" in sniff(str(path))[1]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.csv", "a,b,c\n")
    with pytest.raises(DataError, match="holds 3 files"):
        sniff(str(path))


@pytest.mark.parametrize(
    ("name", "content", "what", "remedy"),
    [
        ("t.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n", "Git LFS", "git lfs pull"),
        ("t.xls", b"<html><table><tr><td>1</td></tr></table></html>", "a web page", "spreadsheet program"),
        ("t.csv", b"a,b\n" + b"1\0,2\n" * 30, "line 2: there are bytes of zero", "tr -d '\\000'"),
        ("t.sql", b"CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n", "a dump of a database", "sqlite3"),
        ("t.csv.gz", b"a,b\n1,2\n", "is no gzip file", "rename it"),
    ],
)
def test_what_is_no_table_is_named_with_a_remedy(
    tmp_path: Path, name: str, content: bytes, what: str, remedy: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_table(str(path), "b", Wishes())
    assert (what in caught.value.what, remedy in caught.value.remedy) == (True, True), caught.value


def test_fields_between_bytes_of_control_are_read(tmp_path: Path) -> None:
    """As Hive writes them; seen failing: 'is not text'."""
    form, _, records = told(tmp_path, "a\x01b\x01c\n" + "\n".join(row.replace(",", "\x01") for row in ROWS))
    assert (form.delimiter, records[1]) == ("\x01", ["0", "0", "x"])
