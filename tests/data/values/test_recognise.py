"""What a column of texts is taken for, and what it is never taken for."""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.config.reading import Reading
from pipeline.data.columns import ColumnType
from pipeline.data.values import dates, numbers
from pipeline.data.values.readings import Readings, convert
from pipeline.data.values.recognise import Meaning, recognise
from pipeline.data.values.recognise_table import recognise_table

RANDOM = random.Random(17)


def seen(values: list[str], name: str = "x", **more: Any) -> Meaning:
    return recognise(name, pa.array(values, pa.string()), **more)


def said(meaning: Meaning) -> dict[str, Any]:
    return meaning.settings.model_dump(exclude_defaults=True) if meaning.settings else {}


def read(values: list[str], meaning: Meaning, kind: ColumnType) -> list[Any]:
    readings = Readings(meaning.missing, {"x": meaning.settings} if meaning.settings else {})
    out, bad = convert(readings.without_missing(pa.array(values, pa.string()), "x"), readings.of("x"), kind)
    assert bad is None or not any(bad.to_pylist())
    found: list[Any] = out.to_pylist()
    return found


def swap(text: str) -> str:
    return text.translate(str.maketrans(",.", ".,"))


AMOUNTS = [RANDOM.randrange(-9_999_999, 9_999_999) for _ in range(400)] + [0, 5, 999, 1000, -1000]
NUMBERS: dict[str, Callable[[float], str]] = {
    "plain": lambda n: f"{n:.2f}",
    "with plus": lambda n: f"{n:+.2f}",
    "comma": lambda n: swap(f"{n:.2f}"),
    "english": lambda n: f"{n:,.2f}",
    "german": lambda n: swap(f"{n:,.2f}"),
    "french": lambda n: f"{n:,.2f}".translate(str.maketrans(",.", "\u202f,")),
    "blanks": lambda n: f"{n:,.2f}".replace(",", " "),
    "swiss": lambda n: f"{n:,.2f}".replace(",", "'"),
    "swiss, other apostrophe": lambda n: f"{n:,.2f}".replace(",", "\u2019"),
    "dollars": lambda n: f"{'-' if n < 0 else ''}${abs(n):,.2f}",
    "dollars, sign behind": lambda n: f"$ {n:,.2f}",
    "euros behind": lambda n: swap(f"{n:.2f} €"),
    "rupees": lambda n: f"Rs. {n:,.2f}",
    "code": lambda n: f"USD {n:.2f}",
    "brackets": lambda n: f"({-n:,.2f})" if n < 0 else f"{n:,.2f}",
    "dollars in brackets": lambda n: f"(${-n:,.2f})" if n < 0 else f"${n:,.2f}",
    "minus behind": lambda n: f"{abs(n):.2f}{'-' if n < 0 else ''}",
    "real minus": lambda n: f"{n:.2f}".replace("-", "\u2212"),
    "percent": lambda n: f"{n:.2f}%",
    "percent apart": lambda n: f"{n:.2f} %",
    "unit": lambda n: f"{n:.2f} kg",
    "unit attached": lambda n: f"{n:.2f}km",
    "exponent": lambda n: f"{n:.8e}",
    "blanks around": lambda n: f"  {n:,.2f} ",
}


@pytest.mark.parametrize("style", NUMBERS)
def test_numbers_in_any_style_are_recognised_and_read_exactly(style: str) -> None:
    texts = [NUMBERS[style](cents / 100) for cents in AMOUNTS]
    meaning = seen(texts)
    assert (meaning.kind, meaning.share, meaning.n_rest) == ("number", 1.0, 0)
    expected = pa.array([cents / 100 for cents in AMOUNTS], pa.float32()).to_pylist()
    assert read(texts, meaning, ColumnType.FLOAT) == expected


@pytest.mark.parametrize("mark", [",", ".", " ", "'", "\u00a0"])
def test_whole_numbers_with_thousands_marks_stay_whole(mark: str) -> None:
    values = [RANDOM.randrange(0, 10 ** RANDOM.randrange(1, 12)) for _ in range(300)]
    texts = [f"{value:,}".replace(",", mark) for value in values]
    meaning = seen(texts)
    assert meaning.kind == "number"
    assert read(texts, meaning, ColumnType.INT) == values


def test_lakhs_scales_and_open_ends() -> None:
    assert said(seen(["₹1,23,456", "₹12,34,567", "₹999"])) == {"kind": "number", "thousands": ",", "unit": ("₹",)}
    texts = ["€110.5M", "€565K", "€0"]
    assert read(texts, seen(texts), ColumnType.FLOAT) == [110_500_000, 565_000, 0]
    texts = ["1,000+", "10,000+", "500+"]
    assert read(texts, seen(texts), ColumnType.INT) == [1000, 10_000, 500]
    assert said(seen(["1 year", "2 years"]))["unit"] == ("year", "years")


def test_the_style_of_many_numbers_is_found_in_a_part_and_held_against_all() -> None:
    texts = [f"${n:,}.00" for n in range(50_000)]
    texts[12_345] = "12 apples"
    meaning = seen(texts)
    assert said(meaning) == {"kind": "number", "thousands": ",", "unit": ("$",)}
    assert meaning.rest == ((12_346, "12 apples"),)


DAYS = [datetime.datetime(1990, 1, 1) + datetime.timedelta(seconds=RANDOM.randrange(10**9)) for _ in range(300)]
FORMATS = [
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y",
    "%m/%d/%y", "%d.%m.%y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%d. %B %Y", "%A, %d %B %Y",
    "%a %b %d %Y", "%Y-%b-%d", "%Y%m%d", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S",
    "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%y %I:%M:%S %p", "%d.%m.%Y %H:%M",
    "%d %b %Y %H:%M:%S", "%b %d, %Y %I:%M %p", "%d-%b-%Y %H:%M", "%Y/%m/%d %H:%M:%S", "%d/%b/%Y", "%b %Y", "%b-%y",
    "%a %b %d %H:%M:%S %Y",
]  # fmt: skip


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("form", FORMATS)
def test_dates_in_any_order_are_recognised_and_read_exactly(form: str, padded: bool) -> None:
    short = form if padded or "%Y%m" in form else form.replace("%d", "%-d").replace("%m", "%-m")
    texts = [day.strftime(short) for day in DAYS]
    meaning = seen(texts, name="day")
    assert (meaning.kind, meaning.n_rest) == ("date", 0), meaning
    expected = [datetime.datetime.strptime(text, form).replace(tzinfo=datetime.UTC) for text in texts]
    assert read(texts, meaning, ColumnType.TIMESTAMP) == [int(time.timestamp()) for time in expected]


@pytest.fixture(autouse=True)
def drawn_alike() -> None:
    """Each test draws the same, whatever ran before it."""
    RANDOM.seed(17)


def strptime(text: str, form: str) -> int | None:
    midnight = re.sub(r" 24:00$", " 00:00", text)  # 24:00 ends a day, which Python's own reading does not know
    try:
        found = datetime.datetime.strptime(midnight, form).replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
    return int(found.timestamp()) + (0 if midnight == text else 86_400)


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m-%d-%y", "%Y%m%d", "%d.%m.%Y %H:%M", "%d/%m/%Y %I:%M %p"])
def test_a_day_that_no_calendar_has_is_no_date(form: str) -> None:
    parts = {"d": (0, 33), "m": (0, 14), "Y": (1890, 2110), "y": (0, 100), "H": (0, 26), "I": (0, 14), "M": (0, 62)}
    texts = []
    for _ in range(3000):
        text = form.replace("%p", RANDOM.choice(["AM", "pm"]))
        for mark, (low, high) in parts.items():
            text = text.replace(f"%{mark}", f"{RANDOM.randrange(low, high):02d}")
        texts.append(text)
    texts += [re.sub(r"\d\d:\d\d$", "24:00", text) for text in texts[:50]]
    expected = [strptime(text, form) for text in texts]
    assert dates.to_seconds(pa.array(texts), form, None).to_pylist() == expected
    assert expected.count(None) not in (0, len(texts))


def test_zones_epochs_and_month_names_of_other_languages() -> None:
    texts = ["2020-01-01T00:00:00+01:00", "2020-07-01T12:00:00Z", "2020-07-01T12:00:00.123-0530"]
    assert read(texts, seen(texts), ColumnType.TIMESTAMP) == [1577833200, 1593604800, 1593624600]
    assert said(seen(["1577833200", "1593604800"], name="created_at")) == {"kind": "date", "format": "epoch_s"}
    assert said(seen(["1577833200123"], name="timestamp")) == {"kind": "date", "format": "epoch_ms"}
    assert said(seen(["1577833200"], name="amount")) == {}
    assert said(seen(["3. März 2016", "24. Dezember 2016"])) == {"kind": "date", "format": "%d. %b %Y"}


def test_which_comes_first_is_decided_over_the_whole_column_and_by_other_columns() -> None:
    open_ones = ["1/2/2016", "3/4/2016"]
    assert said(seen([*open_ones * 50, "13/4/2016"]))["format"] == "%d/%m/%Y"
    assert said(seen([*open_ones * 50, "4/13/2016"]))["format"] == "%m/%d/%Y"
    doubt = seen(open_ones)
    assert doubt.kind == "text"
    assert "fit %d/%m/%Y and %m/%d/%Y" in doubt.said
    columns = {"a": pa.array(open_ones), "b": pa.array(["1/2/2016", "25/4/2016"])}
    assert recognise_table(columns).columns["a"].format == "%d/%m/%Y"


def test_durations_and_booleans() -> None:
    texts = ["1:23:45", "0:00:01.5", "2 days 01:00:00"]
    assert read(texts, seen(texts), ColumnType.FLOAT) == [5025.0, 1.5, 176400.0]
    texts = ["P1DT2H", "PT90S"]
    assert read(texts, seen(texts), ColumnType.FLOAT) == [93600.0, 90.0]
    for no, yes in [("no", "yes"), ("FALSE", "True"), ("N", "Y"), ("f", "t"), ("Off", "ON"), ("nein", "Ja")]:
        texts = [no, yes, f" {yes} ", no.upper()]
        assert read(texts, seen(texts), ColumnType.BOOL) == [0, 1, 1, 0]
    assert seen(["yes", "yes"]).kind == "text", "one word alone is a category"
    table = recognise_table({"label": pa.array(["no", "yes"]), "b": pa.array(["no", "yes"])}, label="label")
    assert (table.meanings["label"].kind, table.meanings["b"].kind) == ("text", "boolean")


MARKERS = [
    "?",
    "-",
    "--",
    "NA",
    "N/A",
    "n/a",
    "None",
    "null",
    "NULL",
    "nan",
    "NaN",
    ".",
    "#N/A",
    "missing",
    "(blank)",
    "k.A.",
    "***",
    " ",
    "",
]


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("style", ["{:d}", "{:,d}", "${:d}", "{:d} kg"])
def test_a_marker_among_numbers_is_missing(marker: str, style: str) -> None:
    values = [RANDOM.randrange(10 ** RANDOM.randrange(1, 7)) for _ in range(50)]
    texts = [style.format(value) for value in values] + [marker, f" {marker} "]
    meaning = seen(texts)
    assert meaning.kind == "number"
    meaning = Meaning(meaning.kind, meaning.settings or Reading(kind="number"), (*meaning.missing, marker))
    assert read(texts, meaning, ColumnType.INT) == [*values, None, None]


def test_na_is_a_value_among_codes_and_none_among_texts() -> None:
    assert said(seen(["DE", "FR", "NA", "GB", "IT", "ES"])) == {"missing": ()}
    assert seen(["None", "brick", "stone"]).missing == ()
    assert seen(["?", "brick", "stone"]).missing == ("?",)
    assert seen(["-", "+"]).missing == ()
    assert seen(["Nan", "Nat", "Na", "Ann", "NuLL"]).missing == ("NuLL",)
    assert seen(["1", "2", "NuLL", "Nan"]).missing == ("NuLL", "Nan")
    assert seen(["yes", "no", "unknown"]).kind == "text", "a third answer"
    assert seen(["yes", "no", "n/a"]).kind == "boolean"
    table = recognise_table({"a": pa.array(["None", "1", "2"]), "b": pa.array(["None", "brick", "stone"])})
    assert table.missing == ()
    assert "None" in (table.columns["a"].missing or ())
    assert "b" not in table.columns
    assert recognise_table({"a": pa.array(["?", "1"]), "b": pa.array(["?", "x"])}).missing == ("?",)


JUNK = ["abc", "see note", "unclear", "x1"]


@pytest.mark.parametrize("style", ["{:d}", "${:,d}.00", "{:d} kg", "dates"])
def test_junk_is_told_with_its_rows(style: str) -> None:
    texts = [style.format(1000 + n) for n in range(1000)]
    if style == "dates":
        texts = [f"{n % 28 + 1}/{n % 12 + 1}/2016" for n in range(1000)]
    rows = sorted(RANDOM.sample(range(1000), 8))
    for row in rows:
        texts[row] = RANDOM.choice(JUNK)
    meaning = seen(texts)
    assert meaning.kind == ("date" if style == "dates" else "number")
    assert (meaning.n_rest, [row - 1 for row, _ in meaning.rest]) == (8, rows)
    assert f"row {rows[0] + 1:,}" in meaning.said
    for row in RANDOM.sample(range(1000), 40):
        texts[row] = RANDOM.choice(JUNK)
    meaning = seen(texts)
    assert meaning.kind == "text"
    assert "so it stays text" in meaning.said


NEVER = {
    "words": ["red", "green", "blue", "may", "march", "Sun", "inf"],
    "codes": ["A12", "B7", "C113", "12A", "14F", "7C"],
    "one letter behind": ["12A", "13A", "14A"],
    "versions": ["1.2.3", "1.10.12", "2.0.1", "10.11.12"],
    "addresses": ["192.168.1.1", "10.0.0.1", "172.16.254.1"],
    "long addresses": ["192.168.100.101", "192.168.100.102"],
    "phones": ["555-1234", "(555) 123-4567", "+1 555 123 4567"],
    "grouped phones": ["030 123 456", "030 987 654"],
    "phones with plus": ["+491511234567", "+491511234568"],
    "isbn": ["978-3-16-148410-0", "978-0-306-40615-7"],
    "ssn": ["123-45-6789", "987-65-4320"],
    "zip": ["01234", "90210", "00501"],
    "zip and four": ["90210-1234", "10001-0001"],
    "hex": ["1e5f", "00ff", "12ab", "5e10"],
    "colours": ["#ff0000", "#00ff00"],
    "times": ["12:30", "08:15", "23:59"],
    "fractions": ["1/2", "3/4", "7/8"],
    "ranges": ["10-20", "20-30", "30-40"],
    "ages": ["18-24", "25-34", "65+"],
    "ratings": ["16+", "18+", "7+"],
    "sizes": ["10x20", "30x40", "S", "XL"],
    "screens": ["1920x1080", "1280x720"],
    "lists": ["1,2,3", "4,5", "6"],
    "two decimal marks": ["1.5", "2,5", "3.5"],
    "grades": ["A+", "B-", "C"],
    "titles": ["12 Monkeys", "7 Samurai", "21 Grams"],
    "addresses of houses": ["12 Main St", "7 Oak Ave", "221B Baker St"],
    "numbered": ["Room 12", "Room 13", "Room 14"],
    "quarters": ["2016Q1", "2016Q2"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000"],
    "coordinates": ["52.5,13.4", "48.1,11.6"],
    "months alone": ["Jan", "Feb", "Mar"],
    "ids": ["2016-0001", "2016-0002", "2017-0001"],
    "two dots": ["1..2", "3..4"],
    "places": ["01 BRONX", "02 QUEENS", "03 BRONX"],
    "units that differ": ["5 km", "5 mi"],
    "currencies that differ": ["$5", "€5"],
    "impossible days": ["31/02/2016", "30/02/2016", "32/13/2016"],
    "dashes": ["12-10-11", "11-10-12", "10-11-12"],
    "part numbers": ["12-34-5678", "99-98-9797"],
    "open thousands": ["1,234", "5,678", "9,123"],
    "more digits than a number keeps": ["12345678901234567890", "1"],
    "scores": ["2:1", "3:0"],
    "sentences": ["I paid $5 for it.", "On 3/4/2016 it broke", "100% wool"],
}


@pytest.mark.parametrize("what", NEVER)
def test_what_is_text_is_never_taken_for_something_else(what: str) -> None:
    meaning = seen(NEVER[what] * 3)
    assert meaning.kind == "text", meaning
    assert said(meaning).get("kind", "text") == "text"


@pytest.mark.parametrize("name", ["zip_code", "PhoneNumber", "ISBN", "account", "ssn"])
def test_figures_that_name_something_stay_text(name: str) -> None:
    assert said(seen(["90210", "10001"], name=name)) == {"kind": "text"}
    assert said(seen(["90210.0", "10001.0"], name=name)) == {"kind": "text"}, "as pandas writes them"
    assert said(seen(["0", "1", "3"], name=name)) == {}


@pytest.mark.parametrize("settings", [
    {}, {"thousands": ","}, {"decimal": ",", "thousands": "."}, {"thousands": " "}, {"unit": "$"},
    {"unit": ["kg", "k"]}, {"unit": "e"}, {"unit": "+", "thousands": ","}, {"unit": "5"},
])  # fmt: skip
def test_the_short_way_for_most_numbers_says_what_the_long_one_says(settings: dict[str, Any]) -> None:
    reading = Reading(kind="number", **settings)
    alphabet = "0015,., -+$()ekg '"
    texts = pa.array(["".join(RANDOM.choices(alphabet, k=RANDOM.randrange(1, 8))) for _ in range(20_000)])
    short, long = (pc.cast(way(texts, reading), pa.float64()) for way in (numbers.to_plain, numbers.by_parts))
    assert short.equals(long)
    assert 0 < long.null_count < len(texts)


def test_random_texts_never_break_it() -> None:
    alphabet = "0123456789.,-+/:% $€()'eEkMxa TZ\u202f\u2212"
    for _ in range(300):
        texts = ["".join(RANDOM.choices(alphabet, k=RANDOM.randrange(8))) for _ in range(RANDOM.randrange(1, 6))]
        meaning = seen(texts)
        if meaning.kind in ("number", "date", "duration"):
            kind = ColumnType.TIMESTAMP if meaning.kind == "date" else ColumnType.FLOAT
            settings = meaning.settings or Reading(kind=meaning.kind)
            assert len(read(texts, Meaning(meaning.kind, settings, meaning.missing), kind)) == len(texts)


def test_settings_that_contradict_each_other_are_refused() -> None:
    for wrong in ({"decimal": ",", "thousands": ","}, {"words": ["a"]}, {"format": "%d.%m"}, {"format": "%Q%Y"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Reading.model_validate(wrong)


@pytest.mark.parametrize("odd", [["K1A 0B1"], ["n.k.", "12a"], ["+49 30"]])
def test_codes_with_zeros_in_front_stay_text_though_some_are_no_figures(odd: list[str]) -> None:
    codes = [f"{number * 37 % 99_999:05}" for number in range(500)]
    found = recognise("area", pa.array([*codes, *odd]))
    assert (found.kind, found.n_rest) == ("text", 0)
    assert found.settings is not None
    assert found.settings.kind == "text"


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (["3h 23m", "45m", "2 hours 5 minutes"], [12_180, 2700, 7500]),
        (["16m13s", "1m 5.5s", "2m"], [973, 65.5, 120]),
        (["2d 3h", "1w 2d", "-1h 30min"], [183_600, 777_600, -5400]),
        (["7.08:35:14", "0.00:00:01"], [635_714, 1]),
    ],
)
def test_durations_in_hours_and_minutes(texts: list[str], seconds: list[float]) -> None:
    meaning = seen(texts)
    assert meaning.kind == "duration"
    assert read(texts, meaning, ColumnType.FLOAT) == seconds


def test_two_parts_are_what_the_columns_name_says_or_a_person() -> None:
    assert said(seen(["12:30", "08:15"], name="departure_time")) == {"kind": "duration", "format": "%H:%M"}
    assert said(seen(["12:30", "75:15"], name="songLength")) == {"kind": "duration", "format": "%M:%S"}
    doubt = seen(["12:30", "08:15"])
    assert (doubt.kind, [one["format"] for one in doubt.choices]) == ("text", ["%H:%M", "%M:%S"])
    asked = [Reading.model_validate(one) for one in doubt.choices]
    assert [convert(pa.array(["12:30"]), one, ColumnType.FLOAT)[0].to_pylist() for one in asked] == [[45_000], [750]]
    with pytest.raises(ValueError, match="known are %H:%M, %M:%S"):
        Reading.model_validate({"kind": "duration", "format": "%S"})


def test_one_scale_two_words_of_a_unit_open_ends_and_nearly() -> None:
    def meant(texts: list[str]) -> list[Any]:
        return read(texts, seen(texts), ColumnType.FLOAT)

    assert meant(["20.5k", "7.2k", "1.5k"]) == [20_500, 7200, 1500]
    assert meant(["1.5 m", "2.5 m"]) == [1.5, 2.5], "metres"
    assert meant(["1200 sq ft", "850 sq ft"]) == [1200, 850]
    assert meant([f"~{n}" for n in (5, 12, 7)]) == [5, 12, 7]
    assert meant([f"{n * 37}+" for n in range(50)]) == [n * 37 for n in range(50)]


def test_hexadecimal_figures_stay_as_they_are_written() -> None:
    assert said(seen(["0x1f", "0x20", "0xFFFFFFFFFFFFFFFF"])) == {"kind": "text"}


@pytest.mark.parametrize("words", ["wahr falsch", "vrai faux", "是 否", "はい いいえ", "tak nie", "enabled disabled"])
def test_yes_and_no_in_more_languages(words: str) -> None:
    texts = [*words.split(), *words.upper().split()]
    assert read(texts, seen(texts), ColumnType.BOOL) == [1, 0, 1, 0]
