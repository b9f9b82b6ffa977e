"""Values and lines of further exports: databases, surveys, public statistics, spreadsheets of people."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.config.reading import Reading
from pipeline.contract.first_label import guess_label
from pipeline.contract.roles import judge_roles
from pipeline.data.columns import ColumnType
from pipeline.data.sources.text_format import sniff
from pipeline.data.values.readings import convert
from pipeline.data.values.recognise import Meaning, recognise

MANY = range(60)


def seen(values: list[str], name: str = "x") -> Meaning:
    return recognise(name, pa.array(values, pa.string()))


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        ([f"{n % 10 + 1} out of 10" for n in MANY], 1),  # seen failing: dates, since 'out' is October in Portuguese
        ([f"{n % 5}.{n % 10} out of 5 stars" for n in MANY], 0),
        ([f"{n}.5 {('million', 'billion')[n % 2]}" for n in MANY], 500_000),
        ([f"${n}.5 {('thousand', 'million')[n % 2]}" for n in MANY], 500),
        ([f"{n}.5{'万亿'[n % 2]}" for n in MANY], 5000),
    ],
)
def test_points_of_a_total_and_words_for_powers_are_numbers(texts: list[str], first: float) -> None:
    meaning = seen(texts)
    assert (meaning.kind, meaning.n_rest) == ("number", 0)
    assert meaning.settings is not None
    assert convert(pa.array(texts[:1]), meaning.settings, ColumnType.FLOAT)[0].to_pylist() == [first]


@pytest.mark.parametrize(
    ("texts", "form", "first"),
    [
        ([f"03-JAN-23 {n % 12 + 1:02}.{n:02}.30.123456 AM" for n in MANY], "%d-%b-%y %I.%M.%S.%f %p", 1_672_707_630),
        ([f"2023-01-03-01.{n:02}.30.123456" for n in MANY], "%Y-%m-%d-%H.%M.%S.%f", 1_672_707_630),
    ],
)
def test_times_of_oracle_and_db2_are_dates(texts: list[str], form: str, first: int) -> None:
    """Seen failing: free text, and an identifier."""
    meaning = seen(texts)
    assert (meaning.n_rest, meaning.settings) == (0, Reading(kind="date", format=form))
    assert meaning.settings is not None
    assert convert(pa.array(texts[:1]), meaning.settings, ColumnType.TIMESTAMP)[0].to_pylist() == [first]


def test_percents_and_plain_numbers_together_are_told() -> None:
    """Seen failing: 19% was 19 and 0.86 was 0.86, without a word."""
    assert "some have %, others none" in seen([(f"{n + 1}%", f"0.{n + 10}")[n % 2] for n in MANY]).said
    assert seen([f"{n}%" for n in MANY]).said == ""


def test_texts_behind_an_apostrophe_lose_it() -> None:
    """Seen failing: it was part of the value, and what a client sends has none."""
    meaning = seen([f"'0{n + 1000}" for n in MANY])
    assert meaning.settings == Reading(kind="text", format="formula")
    assert meaning.said == "'01000 is read as 01000"
    assert convert(pa.array(["'01000"]), meaning.settings, ColumnType.STRING)[0].to_pylist() == ["01000"]
    assert seen([f"'{n}' of x" for n in MANY]).settings is None


def test_values_that_differ_by_case_or_blanks_are_told() -> None:
    """Seen failing: 'good' and 'good ' were two classes, and printed as the same."""
    texts = ["good", "good ", "Good", "bad"] * 20
    said = guess_label(pa.chunked_array([texts]), "y", ColumnType.STRING).said
    assert any(
        "'Good' and 'good' and 'good ' differ by case or blanks only; `--format strip=true`" in one for one in said
    )
    rows = pa.table({"c": texts, "d": ["Red", "red"] * 40, "y": ["a", "b", "b", "a"] * 20})
    found = judge_roles(rows, dict.fromkeys("cdy", ColumnType.STRING), "y", "binary")
    assert found["d"].remark == "'Red' and 'red' differ by case or blanks only"
    assert guess_label(pa.chunked_array([["a", "b"] * 20]), "y", ColumnType.STRING).said[1:] == ()


def test_codes_with_a_comma_are_no_decimals(tmp_path: Path) -> None:
    """As NOAA has them: +0021,1 is 2.1 degrees of quality 1; seen failing: 21.1."""
    path = tmp_path / "t.csv"
    path.write_text("a,tmp,y\n" + "".join(f'{n},"+00{n + 10},1",{"ab"[n % 2]}\n' for n in MANY))
    assert sniff(str(path))[0].decimal == "."
    assert seen([f"+00{n + 10},1" for n in MANY]).kind == "text"
    assert seen([f"0{n % 10},5" for n in MANY]).kind == "number"


def test_answers_below_the_questions_of_a_survey_are_no_row(tmp_path: Path) -> None:
    """Seen failing: 'Open-Ended Response' was a value of the first row."""
    path = tmp_path / "t.csv"
    head = "id,Which?,,,How old?\n,Apples,Pears,Other,Open-Ended Response\n"
    path.write_text(head + "".join(f"{n},{('Apples', '')[n % 2]},Pears,,{n + 18}\n" for n in MANY))
    assert sniff(str(path))[0].units


def test_notes_in_quotes_below_the_rows_are_no_rows(tmp_path: Path) -> None:
    """As Salesforce writes them; seen failing: 'line 63: 1 fields where 3 are expected'."""
    path = tmp_path / "t.csv"
    notes = '\n\n"Opportunity Report"\n"Copyright (c) 2000-2023 salesforce.com, inc. All rights reserved."\n'
    path.write_text('"a","b","c"\n' + "".join(f'"{n}","{n}","x"\n' for n in MANY) + notes)
    assert sniff(str(path))[0].footer == ('"Opportunity', '"Copyright')


def test_laps_below_and_above_a_minute_are_durations() -> None:
    """Seen failing: an identifier, and no word."""
    texts = [(f"{n}.78", f"1:{n:02}.94", f"4{n % 10}.5")[n % 3] for n in range(9, 60)]
    meaning = seen(texts)
    assert (meaning.n_rest, meaning.settings) == (0, Reading(kind="duration", format="%M:%S"))
    out, _ = convert(pa.array(["9.78", "48.5", "1:02.94"]), meaning.settings, ColumnType.FLOAT)  # type: ignore[arg-type]
    assert out.to_pylist() == pytest.approx([9.78, 48.5, 62.94])
