"""Errors and units behind numbers, notes, amounts that look like days, codes that look like powers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.config.reading import Reading
from pipeline.contract.first_reading import Wishes, read_table
from pipeline.contract.roles import judge_roles
from pipeline.data.columns import ColumnType
from pipeline.data.values.readings import convert
from pipeline.data.values.recognise import Meaning, recognise

MANY = range(60)


def seen(values: list[str], name: str = "x") -> Meaning:
    return recognise(name, pa.array(values, pa.string()))


@pytest.mark.parametrize(
    ("texts", "units", "first"),
    [
        ([f"{n}.5 ± 0.{n % 9} mm" for n in MANY], ("mm",), 0.5),
        ([f"({n} +/- 1) kg" for n in MANY], ("kg",), 0.0),
        ([f"{n}±1%" for n in MANY], ("%",), 0.0),
        ([f"7.{n:02}({n})" for n in MANY], (), 7.0),
        ([f"-{n},3(12) µm" for n in range(1, 60)], ("µm",), -1.3),
    ],
)
def test_an_error_with_a_unit_or_in_brackets_is_left_out(
    texts: list[str], units: tuple[str, ...], first: float
) -> None:
    """Seen failing: all were texts."""
    meaning = seen(texts)
    assert meaning.settings == Reading(kind="number", format="error", unit=units)
    out, bad = convert(pa.array([texts[0], "5 ± 1 t"]), meaning.settings, ColumnType.FLOAT)
    assert (out.to_pylist(), bad.to_pylist()) == ([pytest.approx(first), None], [False, True])


def test_errors_with_several_units_are_told_and_stay_text() -> None:
    meaning = seen([f"{n} ± 1 {'mm' if n % 2 else 'cm'}" for n in MANY])
    assert (meaning.kind, "different units (cm, mm)" in meaning.said) == ("text", True)
    assert seen([f"Room {n} (2)" for n in MANY]).kind == "text"
    assert seen([f"{n}(2)" for n in MANY]).kind == "text"  # no fraction: a count, or a note


def test_amounts_under_a_date_s_name_are_no_days_of_a_spreadsheet() -> None:
    """Seen failing: 45000 of `date_salary` was a day in 2023."""
    assert seen([str(30_000 + 13 * n) for n in MANY], "date_salary").settings is None
    assert seen([str(30_000 + 100 * n) for n in MANY], "date of pay").settings is None
    assert seen([str(45_000 + n) for n in MANY], "salary_date").settings == Reading(kind="date", format="excel")


def test_what_no_float_can_hold_does_not_stop_init(tmp_path: Path) -> None:
    """Seen failing: 'holds 4E52 where a number is expected', and nothing was written."""
    assert seen([f"{n % 9 + 1}E{n + 10}" for n in MANY], "batch").kind == "text"
    assert seen(["3.4e38", "1e37", *map(str, MANY)]).n_rest == 0
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{'1.79e308' if n == 70 else n},{'ab'[n % 2]}\n" for n in range(200)))
    table = read_table(str(path), "y", Wishes())
    assert (table.recognised.set_aside, table.rows.num_rows) == (True, 199)


def test_marks_for_notes_are_left_out_and_told() -> None:
    """Seen failing: a text with a closed set of values, without a word."""
    meaning = seen([f"{n}{('', '*', '[1]', '†')[n % 4]}" for n in MANY])
    assert meaning.settings == Reading(kind="number", unit=("*", "[1]", "†"))
    assert "a mark for a note, as in '1*', is left out" in meaning.said
    assert seen([f"{n % 3 + 3}*" for n in MANY]).kind == "number"  # stars of hotels


def test_words_beside_numbers_are_told() -> None:
    meaning = seen([f"pH {n}.5" for n in MANY])
    assert ("'pH' before them" in meaning.said, meaning.choices) == (True, ({"kind": "number", "unit": "pH"},))


@pytest.mark.parametrize(
    ("texts", "form", "first"),
    [
        ([f"202301{n % 28 + 1:02}T10{n:02}00Z" for n in MANY], "%Y%m%dT%H%M%S%z", 1_672_567_200),
        ([f"/Date({1_672_531_200_000 + n * 86_400_000})/" for n in MANY], "epoch_ms", 1_672_531_200),
        ([f"/Date({1_672_531_200_000 + n * 86_400_000}+0100)/" for n in MANY], "epoch_ms", 1_672_531_200),
        ([f"{n % 28 + 1:02}/01/2023 10h{n:02}" for n in MANY], "%d/%m/%Y %Hh%M", 1_672_567_200),
        ([f"2023-01-{n % 28 + 1:02} {(24, 1)[n % 2]:02}:00:00" for n in MANY], "%Y-%m-%d %H:%M:%S", 1_672_617_600),
    ],
)
def test_dates_of_programs_are_dates(texts: list[str], form: str, first: int) -> None:
    """Seen failing, each of them: they were identifiers."""
    meaning = seen(texts)
    assert (meaning.kind, meaning.n_rest, meaning.settings) == ("date", 0, Reading(kind="date", format=form))
    assert convert(pa.array(texts[:1]), meaning.settings, ColumnType.TIMESTAMP)[0].to_pylist() == [first]


@pytest.mark.parametrize("words", ["onwaar waar", "fałsz prawda", "✗ ✓", "☐ ☑", "hamis igaz", "tidak ya"])
def test_yes_and_no_in_more_languages_and_signs(words: str) -> None:
    no, yes = words.split()
    assert seen([no, yes, yes] * 9).settings == Reading(kind="boolean", words=(no, yes))


def test_reasons_for_missing_as_stata_has_them_are_missing() -> None:
    assert seen([".a", ".z", *map(str, MANY)]).missing == (".a", ".z")


def test_a_marker_beside_few_codes_is_asked_about() -> None:
    """Seen failing: -99 among 1 to 5, as SPSS writes what was not answered, without a word."""
    assert "give --missing=-99" in seen([str((1, 2, 3, 4, 5, -99)[n % 6]) for n in MANY]).said
    assert seen([str((1, 2, 9)[n % 3]) for n in MANY]).said == ""


def test_large_numbers_that_differ_in_lost_digits_are_not_called_the_same() -> None:
    """Seen failing: 12345678901234.56 and its followers were 'the same value in every row'."""
    columns = {"d": pa.array([12_345_678_901_234.5 + n for n in MANY], "float32"), "y": pa.array([n % 2 for n in MANY])}
    found = judge_roles(pa.table(columns), {"d": ColumnType.FLOAT, "y": ColumnType.INT}, "y", "binary")
    assert "as far as seven digits tell" in found["d"].remark
