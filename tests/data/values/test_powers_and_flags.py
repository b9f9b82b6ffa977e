"""Powers of ten with a currency, flags of a statistical office, days without marks before a time, and lists that are
none."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.config.reading import Reading
from pipeline.contract.lists import list_delimiter
from pipeline.data.columns import ColumnType
from pipeline.data.sources.text_format import sniff
from pipeline.data.values.readings import Readings, convert
from pipeline.data.values.recognise import Meaning, recognise

MANY = range(60)


def seen(values: list[str], name: str = "x") -> Meaning:
    return recognise(name, pa.array(values, pa.string()))


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        ([f"{n + 1},5 {('Mio. €', 'Mrd. €')[n % 2]}" for n in MANY], [1.5e6, 2.5e9]),
        ([f"{n + 1},5 Mio. EUR" for n in MANY], [1.5e6, 2.5e6]),
        ([f"{n + 1}.5{('M€', 'k€')[n % 2]}" for n in MANY], [1.5e6, 2.5e3]),
        ([f"{n + 1} {('Tsd', 'Mio')[n % 2]}" for n in MANY], [1e3, 2e6]),
        ([f"{n + 1},2 {('тыс.', 'млн')[n % 2]} ₽" for n in MANY], [1.2e3, 2.2e6]),
        ([f"{n + 1} {n + 100}" for n in range(9)], [1100, 2101]),
        ([f"{n + 1}.5{('', ' b', ' ep')[n % 3]}" for n in MANY] + [": c"] * 9, [1.5, 2.5, 3.5]),
    ],
)
def test_numbers_with_words_behind_them(texts: list[str], values: list[float]) -> None:
    """Seen failing: texts."""
    meaning = seen(texts)
    assert (meaning.kind, meaning.n_rest) == ("number", 0), meaning
    assert meaning.settings is not None
    read, bad = convert(pa.array(texts[: len(values)]), meaning.settings, ColumnType.FLOAT)
    assert read.to_pylist() == values
    assert bad is None or not any(bad.to_pylist())


def test_a_later_file_may_have_other_flags() -> None:
    settings = seen([f"{n + 1}.5{('', ' b')[n % 2]}" for n in MANY]).settings
    assert settings is not None
    read, _ = convert(pa.array(["7.5 p", "8.5"]), settings, ColumnType.FLOAT)
    assert read.to_pylist() == [7.5, 8.5]


def test_letters_that_may_be_a_unit_and_keys_are_no_flags() -> None:
    settings = seen([f"{n + 1}{('', ' s')[n % 2]}" for n in MANY]).settings
    assert settings is not None
    assert settings.unit == ("s",)
    assert seen([f"{n + 1} {n + 100}" for n in range(9)], "order no").kind == "text"


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("house", ["", "", " b", " c"]),
        ("class", ["", " b", " c", " d"]),
        ("line", ["", " n", " e", " s"]),
        ("qty", ["", " cup", " pcs"]),
        ("age", ["", "", " d"]),
    ],
)
def test_small_whole_numbers_with_letters_name_something(name: str, letters: list[str]) -> None:
    """Seen failing: numbers without their letters."""
    assert seen([f"{n + 1}{letters[n % len(letters)]}" for n in MANY], name).kind == "text"


def test_times_in_different_units_have_no_flags() -> None:
    """Seen failing: 2.5 ns and 3.5 s were 2.5 and 3.5."""
    meaning = seen([f"{n + 1}.5{('', ' ns', ' s', ' us')[n % 4]}" for n in MANY])
    assert meaning.kind == "text"
    assert "different units" in meaning.said
    assert seen([f"{n + 1}.5{('', ' d', ' s')[n % 3]}" for n in MANY]).kind == "text"


def test_months_in_figures_beside_a_number_of_nines_are_numbers() -> None:
    """It failed: such a column became text, and the gate would refuse the next month."""
    meaning = seen([f"20{n % 20 + 10}{n % 12 + 1:02}" for n in range(300)] + ["999999"] * 10, "month")
    assert meaning.kind == "number"
    assert "--missing=999999" in meaning.said


def test_days_without_marks_before_a_time_are_dates() -> None:
    """Seen failing: categories."""
    texts = [f"201207{n % 28 + 1:02} {n % 24:02}:00" for n in MANY]
    meaning = seen(texts, "DATE")
    assert (meaning.kind, meaning.n_rest) == ("date", 0)
    assert meaning.settings is not None
    read, _ = convert(pa.array(texts[:2]), meaning.settings, ColumnType.TIMESTAMP)
    assert read.to_pylist() == [1_341_100_800, 1_341_190_800]


def test_days_among_words_are_no_lists() -> None:
    """Seen failing: lists of 1, 20 and 17."""
    days = [f"{n % 12 + 1}/{n % 28 + 1}/{n % 3 + 15}" for n in range(400)] + ["Still in office"] * 40
    assert list_delimiter(pa.chunked_array([days])) is None
    sizes = ["/".join(str(36 + 2 * bit) for bit in range(6) if n >> bit & 1) for n in range(1, 64)] * 4
    assert list_delimiter(pa.chunked_array([sizes])) == "/", "sizes are a list"
    assert list_delimiter(pa.chunked_array([["US", "UK", "US/UK", "FR/US", "UK/FR", "FR", "IT/US", "IT"] * 40])) == "/"


def test_blanks_around_fields_between_tabs_are_no_part_of_them(tmp_path: Path) -> None:
    """Seen failing: '2021 ' was the name of a column of Eurostat's."""
    path = tmp_path / "t.tsv"
    path.write_text(
        "unit,geo\\time\t2020 \t2021 \n" + "".join(f"PC,A{n}\t{n}.1 \t{n}.2 {'b'[n % 3 :]}\n" for n in MANY)
    )
    assert sniff(str(path))[0].strip


def test_days_in_eight_figures_with_the_year_last_are_dates_by_name() -> None:
    """Seen failing: numbers, or texts where some begin with 0."""
    days = [f"{n % 12 + 1:02}{n % 28 + 1:02}2018" for n in MANY]
    assert seen(days, "Date").settings == Reading(kind="date", format="%m%d%Y")
    assert seen(days, "part").kind == "text"
    assert seen([day.lstrip("0").ljust(8, "8") for day in days], "amount").kind == "number"
    assert "fit %d%m%Y and %m%d%Y" in seen([f"{n % 12 + 1:02}{n % 11 + 1:02}2018" for n in MANY], "Date").said


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        ([("$({}.50)", " $ {}.50 ", " $ -   ")[n % 3].format(n + 1) for n in MANY], [-1.5, 2.5, None]),
        ([f"8,{n + 100}E+04" for n in MANY], [81000.0, 81010.0]),
        ([("{}", "{}.5", "n.c.", "…", "DK", "(missing)")[n % 6].format(n) for n in MANY], [0.0, 1.5]),
    ],
)
def test_amounts_of_spreadsheets_and_what_surveys_leave_out(texts: list[str], values: list[float | None]) -> None:
    """Seen failing: texts."""
    meaning = seen(texts)
    assert (meaning.kind, meaning.n_rest) == ("number", 0), meaning
    settings = (meaning.settings or Reading(kind="number")).model_copy(update={"missing": meaning.missing})
    marked = Readings(columns={"x": settings}).without_missing(pa.array(texts[: len(values)]), "x")
    assert convert(marked, settings, ColumnType.FLOAT)[0].to_pylist() == values


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        ([f"2018-12-{n % 28 + 1:02} 13:27:00,123" for n in MANY], "%Y-%m-%d %H:%M:%S,%f"),
        ([f"{n % 28 + 1:02}.12.2018, 13:27 Uhr" for n in MANY], "%d.%m.%Y, %H:%M Uhr"),
        ([f"{n % 28 + 1:02}/12/2018 à 13h27" for n in MANY], "%d/%m/%Y à %Hh%M"),
    ],
)
def test_times_of_programs_and_of_german_and_french_are_dates(texts: list[str], form: str) -> None:
    """Seen failing: texts."""
    meaning = seen(texts)
    assert (meaning.settings, meaning.n_rest) == (Reading(kind="date", format=form), 0)
    assert meaning.settings is not None
    assert convert(pa.array(texts[:1]), meaning.settings, ColumnType.TIMESTAMP)[0].to_pylist()[0] // 60 == 25_727_847


def test_months_in_six_figures_are_dates_by_name() -> None:
    months = [f"20{n % 20 + 10}{n % 12 + 1:02}" for n in MANY]
    assert seen(months, "period").settings == Reading(kind="date", format="%Y%m")
    assert seen(months, "amount").kind == "number"
