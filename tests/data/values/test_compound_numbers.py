# ruff: noqa: RUF001 (marks of inches, signs of times and minus)
"""Numbers written in parts, texts kept by formulas, months of years, and figures that a spreadsheet cut."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from pipeline.config.reading import Reading
from pipeline.config.text_format import TextFormat
from pipeline.contract.first_reading import Wishes, read_table
from pipeline.data.columns import ColumnType
from pipeline.data.sources.records import Records
from pipeline.data.sources.text_format import sniff
from pipeline.data.values.readings import convert
from pipeline.data.values.recognise import Meaning, recognise


def seen(values: list[str], name: str = "x") -> Meaning:
    return recognise(name, pa.array(values, pa.string()))


TALL = [(feet, inches) for feet in (4, 5, 6) for inches in range(12)]


@pytest.mark.parametrize(
    ("form", "texts", "numbers"),
    [
        ("feet", [f"{feet}'{inches}\"" for feet, inches in TALL], [12 * feet + inches for feet, inches in TALL]),
        ("feet", [f"{feet} ft {inches} in" for feet, inches in TALL], [12 * feet + inches for feet, inches in TALL]),
        ("feet", ["5’ 11½”".replace("½", ".5"), "6′2″", "6'", "5' 1''", "7 feet 1 inch"], [71.5, 74, 72, 61, 85]),
        ("fraction", ["4 1/2", "3-1/4", "2", "1/2", "-1 3/8"], [4.5, 3.25, 2, 0.5, -1.375]),
        ("fraction", ["4½", "⅞", "12"], [4.5, 0.875, 12]),
        ("power", ["0.97 x 10^5", "1,2×10⁻⁴", "9.7*10**5", "10^3", "5"], [97_000, 0.00012, 970_000, 1000, 5]),
        ("error", ["7.3 ± 0.7", "−8,1±0,2", "9 +/- 1", "4"], [7.3, -8.1, 9, 4]),
    ],
)
def test_numbers_in_parts_are_numbers(form: str, texts: list[str], numbers: list[float]) -> None:
    """Seen failing, each of them: they were texts, and most were left out as identifiers."""
    meaning = seen(texts)
    assert (meaning.kind, meaning.n_rest) == ("number", 0)
    assert meaning.settings == Reading(kind="number", format=form)
    out, bad = convert(pa.array([*texts, None, "tall"]), meaning.settings, ColumnType.FLOAT)
    assert out.to_pylist() == pytest.approx([*numbers, None, None])
    assert bad.to_pylist() == [False] * (len(texts) + 1) + [True]


@pytest.mark.parametrize(
    "texts",
    [
        ["1/2", "3/4", "1/4"],  # days, or odds
        ["4 1/7", "3 9/8"],
        ["12 1/2 Main St", "3 1/4 Oak St"],
        ["5-11", "6-2"],
        ["3 x 105", "4 x 106"],
        ["10x12", "12x14"],
        ["5'70\"", "6'15\""],
        ["2008-09", "2009-10", "2010-11", "2011-12"],  # seasons
        ["2023-03", "2023-14", "2023-07"],
        ["1203-03", "1450-07", "2201-12"],
        ['="a"b"', "c"],
    ],
)
def test_what_looks_like_parts_stays_what_it_was(texts: list[str]) -> None:
    meaning = seen(texts * 9)
    assert (meaning.kind, meaning.settings) == ("text", None)


def test_feet_of_few_rows_are_asked_about_and_feet_alone_are_a_unit() -> None:
    meaning = seen(["5'11\"", "6'2\""])
    assert (meaning.kind, meaning.choices) == ("text", ({"kind": "number", "format": "feet"},))
    assert seen([f"{feet}'{inches}" for feet, inches in TALL]).choices == meaning.choices
    for texts in (["5'11\"", "6'2\""], ["5'11", "6'2"]):
        assert seen(texts, "Height").kind == "number"
    assert seen([f"5'{n}\"" for n in range(9)], "lap").kind == "text"
    assert seen(["5 ft", "6 ft"] * 9).settings == Reading(kind="number", unit="ft")  # type: ignore[arg-type]


def test_months_of_years_are_dates_under_any_name() -> None:
    """Seen failing: dates only under a name such as period."""
    texts = ["2023-03", "2022-12", "2023-01"]
    assert seen(texts).settings == Reading(kind="date", format="%Y-%m")
    assert seen(texts, "order code").kind == "text"


def test_texts_that_a_formula_keeps_lose_the_formula_and_no_zero(tmp_path: Path) -> None:
    """Seen failing: `="00123"` was the value, and what a client sends is 00123."""
    path = tmp_path / "t.csv"
    path.write_text("code,n,label\n" + "".join(f'="00{n}",="{n}.5",{"ab"[n % 2]}\n' for n in range(30)))
    table = read_table(str(path), "label", Wishes())
    assert table.rows.column("code")[:2].to_pylist() == ["000", "001"]
    assert table.rows.column("n")[:2].to_pylist() == [0.5, 1.5]
    assert seen(['="00123"', "456", '=""']).missing == ('=""',)


def test_figures_that_a_spreadsheet_cut_are_told() -> None:
    texts = [f"4.{n:05}E+12" for n in range(600, 660)]
    meaning = seen(texts, "barcode")
    assert (meaning.kind, "has cut the last digits off (4.00600E+12)" in meaning.said) == ("text", True)
    meaning = seen(texts, "gdp")
    assert (meaning.kind, meaning.settings, "export it" in meaning.said) == ("number", None, True)
    assert "cut the last" in seen([*texts, "4006381333931"], "id").said
    assert seen([f"{n}.5e-3" for n in range(60)], "dose").said == ""


ROWS = [f"{n},{n * 2},{'xy'[n % 2]}" for n in range(30)]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a,b,c", *ROWS, ",,", *ROWS, ",,", ",,"], "rows of separators only are no rows"),
        (["Report,,", ",,", "Office,,", ",,", "a,b,c", *ROWS, ",,", *ROWS], "rows of separators only are no rows"),
        ([line.replace(",", "\t") for line in ("a,b,c", *ROWS, *ROWS, ",,")], "rows of separators only are no rows"),
        (["a,b,c", *ROWS * 40, "a,b,c", *ROWS], "lines that repeat the header are no rows"),
        ([",b,c", *ROWS, ",b,c", *ROWS], "lines that repeat the header are no rows"),
        (["a,a,c", *ROWS, "a,a,c", *ROWS], "lines that repeat the header are no rows"),
    ],
)
def test_blank_rows_and_headers_anywhere_are_no_rows(tmp_path: Path, lines: list[str], said: str) -> None:
    """Seen failing: they were rows, of nothing or of names, and numbers were texts."""
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    table = read_table(str(path), "c", Wishes())
    assert said in table.said
    assert table.rows.num_rows == sum("0" <= line[:1] <= "9" for line in lines)
    assert list(table.types.values()) == [ColumnType.INT, ColumnType.INT, ColumnType.STRING]


@pytest.mark.parametrize("line", [",,x", "a,b,cd"])
def test_rows_that_begin_as_those_are_kept(tmp_path: Path, line: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b,c", *ROWS, ",,", "a,b,c", line]) + "\n")
    assert read_table(str(path), "c", Wishes()).rows.column("c")[-1].as_py() == line.split(",")[-1]


@pytest.mark.parametrize(("odd", "row"), [(",,", ",,x"), ("a,b,c", "a,b,cd")])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_of_a_later_file_that_begin_as_those_are_kept(tmp_path: Path, odd: str, row: str, end: str) -> None:
    """Seen failing: they were comments."""
    first, later = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text(end.join(["a,b,c", *ROWS, odd, *ROWS, ""]), newline="")
    later.write_text(end.join(["a,b,c", *ROWS, odd, row, odd]), newline="")
    form = sniff(str(first))[0]
    assert list(Records(str(later), form))[-1][1] == row.split(",")
    config = TextFormat.model_validate(yaml.safe_load(yaml.safe_dump(form.written())))
    assert config == form


def test_a_point_is_no_thousands_mark_beside_decimal_points(tmp_path: Path) -> None:
    """Seen failing: 81.528 was 81528."""
    path = tmp_path / "t.csv"
    rows = "".join(f"{n},5;{n + 40}.528;{n}.7;{'ab'[n % 2]}\n" for n in range(30))
    path.write_text("x;w;v;label\n" + rows)
    assert read_table(str(path), "label", Wishes()).rows.column("w")[0].as_py() == pytest.approx(40.528)
    path.write_text("x;w;v;label\n" + rows.replace(".7;", ";"))
    assert read_table(str(path), "label", Wishes()).rows.column("w")[0].as_py() == 40_528


def test_the_edge_of_a_drawn_table_numbers_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("| a | b |\n|---|---|\n" + "".join(f"| {n} | {'xy'[n % 2]} |\n" for n in range(30)))
    said = sniff(str(path))[1]
    assert "without a name, empty and not read: column 1, 4" in said
    assert not any("numbers the rows" in sentence for sentence in said)
