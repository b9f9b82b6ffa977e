"""The failures that practitioners name, each on real data, with the verdict that it must get.

Most of them meet `longhaul validate` after a run on eleven months of flights; the file that fails is then December,
which as it is passes. Some meet a whole run, which must end before anything is learned from them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from sklearn.datasets import load_breast_cancer

from pipeline.config.loading import REFERENCE
from pipeline.guard.findings import DataVerdict, Finding
from pipeline.guard.policy import Severity
from pipeline.lineage.runs import StepState
from tests.place import Command, Place

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BLOCK, WARN = Severity.BLOCK, Severity.WARN
Damage = Callable[[pd.DataFrame], pd.DataFrame]


class Office(Place):
    """A pipeline, and a folder for tables to be validated."""

    def validate(self, table: pd.DataFrame | Path, *flags: str) -> tuple[int, DataVerdict]:
        """The exit code and what was found; a table is written as Parquet first."""
        path = table if isinstance(table, Path) else self.folder / "new.parquet"
        if isinstance(table, pd.DataFrame):
            pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path)
        outcome = self.call("validate", path, "--json", *flags)
        assert outcome.code in (0, 1), outcome.text
        return outcome.code, DataVerdict.from_json(verdict_of(json.loads(outcome.text)))

    def refuse(self, path: Path) -> str:
        """What is said of a table that cannot even be read."""
        outcome = self.call("validate", path)
        assert outcome.code == 2, outcome.text
        return outcome.text


def verdict_of(printed: dict[str, Any]) -> dict[str, Any]:
    return {key: printed[key] for key in ("findings", "drift", "skew", "notes")}


def named(verdict: DataVerdict) -> set[tuple[str, str | None, Severity]]:
    return {(finding.kind, finding.feature, finding.severity) for finding in verdict.findings}


def find(verdict: DataVerdict, kind: str, feature: str | None) -> Finding:
    (found,) = (f for f in verdict.findings if (f.kind, f.feature) == (kind, feature))
    return found


@pytest.fixture(scope="module")
def december(year: Path) -> pd.DataFrame:
    return pq.read_table(year / "span-12" / "flights.parquet").to_pandas()


@pytest.fixture(scope="module")
def office(year: Path, longhaul: Command, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """After a run on January to November."""
    folder = tmp_path_factory.mktemp("office")
    office = Office(folder, longhaul, document_of(year, spans=[1, 11]))
    outcome = office.call("run", "--to", "DataGate")
    assert outcome.code == 0, outcome.text
    return office


def document_of(table: Path, **data: Any) -> dict[str, Any]:
    """The reference pipeline on a table of months in `table`."""
    document: dict[str, Any] = yaml.safe_load(REFERENCE.read_text())
    document["schema"]["file"] = str(ROOT / "schema" / "flights.pbtxt")  # and the policy beside it
    document["data"] |= {"path": f"{table}/span-{{SPAN}}/flights.parquet", **data}
    del document["data"]["builder"]
    return document


@pytest.mark.long
def test_the_twelve_months_as_they_are_give_one_false_alarm_at_most(office: Office, year: Path) -> None:
    """Each held against the month before it; the first has none."""
    alarms = {}
    for month in range(1, 13):
        code, verdict = office.validate(year / f"span-{month:02d}" / "flights.parquet")
        assert code == 0
        alarms[month] = [finding.sentence() for finding in verdict.findings]
        assert verdict.drift if month > 1 else not verdict.drift
    assert sum(map(len, alarms.values())) <= 1, alarms


def every(n: int, values: pd.Series, other: Any) -> pd.Series:
    """Every nth value replaced."""
    return values.where(np.arange(len(values)) % n != 0, other)


FAILURES = [
    pytest.param(
        lambda t: t.assign(humidity_pct=np.nan),
        ("feature_type_not_present", "humidity_pct", BLOCK),
        0,  # no row says more than another
        id="a column's values all missing",
    ),
    pytest.param(
        lambda t: t.drop(columns=["humidity_pct"]),
        ("schema_missing_column", "humidity_pct", BLOCK),
        False,
        id="a column is gone",
    ),
    pytest.param(
        lambda t: t.assign(carrier=t["carrier"].astype("category").cat.codes),
        ("enum_type_unexpected_string_values", "carrier", BLOCK),
        True,
        id="a column changes type: from text to numbers",
    ),
    pytest.param(
        lambda t: t.assign(carrier=every(5000, t["carrier"], "ZZ")),
        ("enum_type_unexpected_string_values", "carrier", BLOCK),
        True,
        id="a new category",
    ),
    pytest.param(
        lambda t: t.assign(manufacturer=every(10, t["manufacturer"], "COMAC")),
        ("new_values", "manufacturer", WARN),
        True,
        id="a new category where the schema lists none",
    ),
    pytest.param(
        lambda t: t.assign(distance_miles=(t["distance_miles"] * 1.609).round().astype(int)),
        ("comparator_jensen_shannon_divergence_high", "distance_miles", WARN),
        False,
        id="units change: kilometres for miles",
    ),
    pytest.param(
        lambda t: t.assign(temp_f=(t["temp_f"] - 32) / 1.8),
        ("comparator_jensen_shannon_divergence_high", "temp_f", WARN),
        False,
        id="units change: Celsius for Fahrenheit",
    ),
    pytest.param(
        lambda t: t.assign(delay_code=np.where(t["late"], "D", "-")),
        ("label_leak", "delay_code", BLOCK),
        False,
        id="label leak: a new feature equal to the label",
    ),
    pytest.param(
        lambda t: t.assign(plane_known=t["late"]),
        ("label_leak", "plane_known", BLOCK),
        False,
        id="label leak: a known feature equal to the label",
    ),
    pytest.param(
        lambda t: pd.concat([t, t[::10]]),
        ("duplicate_rows", None, WARN),
        True,
        id="duplicate rows",
    ),
    pytest.param(
        lambda t: t.assign(scheduled_departure=t["scheduled_departure"] - pd.Timedelta(days=120)),
        ("span_out_of_order", "scheduled_departure", BLOCK),
        False,
        id="a span out of order",
    ),
    pytest.param(
        lambda t: t.assign(humidity_pct=every(5, t["humidity_pct"], np.nan)),
        ("feature_type_low_fraction_present", "humidity_pct", BLOCK),
        True,
        id="NaN",
    ),
    pytest.param(
        lambda t: t.assign(humidity_pct=every(9000, t["humidity_pct"], np.inf)),
        ("float_type_big_float", "humidity_pct", BLOCK),
        True,
        id="infinity",
    ),
    pytest.param(
        lambda t: t.assign(gust_factor=every(9000, t["wind_gust_mph"], -np.inf)),
        ("not_finite", "gust_factor", BLOCK),
        True,
        id="infinity in a column that the schema does not know",
    ),
    pytest.param(
        lambda t: t.assign(visibility_miles=10.0),
        ("constant_column", "visibility_miles", WARN),
        False,
        id="a constant column",
    ),
]
"""What happens to a month, what must be said of it, and whether it is about rows."""


@pytest.mark.parametrize(("damage", "expected", "rows"), FAILURES)
def test_a_new_month_that_fails(
    office: Office, december: pd.DataFrame, damage: Damage, expected: tuple[str, str | None, Severity], rows: bool
) -> None:
    code, verdict = office.validate(damage(december))
    assert expected in named(verdict), [finding.sentence() for finding in verdict.findings]
    assert code == (expected[2] is BLOCK)
    # Nothing else is said of any other column, but that it is new.
    assert {f.feature for f in verdict.findings if f.kind != "schema_new_column"} == {expected[1]}
    found = find(verdict, expected[0], expected[1])
    assert bool(found.places()) == rows
    assert {Path(row.file).name for row in found.rows} <= {"new.parquet"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("damage", "expected", "rows"), [case for case in FAILURES if case.id in ("a new category", "duplicate rows")]
)
def test_the_same_month_in_a_run(
    year: Path,
    longhaul: Command,
    tmp_path: Path,
    damage: Damage,
    expected: tuple[str, str | None, Severity],
    rows: bool,
) -> None:
    """After October and November, as the split that a model would be judged on. The gate of a run and `validate` judge
    by one function (tests/guard/test_judge.py); here one kind that blocks and one that warns go through a run."""
    for month in (10, 11, 12):
        table = pq.read_table(year / f"span-{month}" / "flights.parquet").to_pandas()
        # Rows are duplicates in the whole table, or they are few.
        damaged = damage(table) if month == 12 or expected[0] == "duplicate_rows" else table
        (tmp_path / "table" / f"span-{month}").mkdir(parents=True)
        path = tmp_path / "table" / f"span-{month}" / "flights.parquet"
        pq.write_table(pa.Table.from_pandas(damaged, preserve_index=False), path)
    place = Place(tmp_path, longhaul, document_of(tmp_path / "table"))
    outcome, run = place.run("--to", "DataGate", split={"eval": None, "eval_from": "2013-12-01T00:00:00-05:00"})
    assert run.data_verdict, outcome.text
    verdict = DataVerdict.from_json(run.data_verdict)
    assert expected in named(verdict), [finding.sentence() for finding in verdict.findings]
    assert outcome.code == (expected[2] is BLOCK)
    assert run.status == ("blocked" if expected[2] is BLOCK else "complete")
    found = [f for f in verdict.findings if (f.kind, f.feature) == expected[:2]]
    assert any(finding.rows for finding in found) or not rows
    assert all(finding.sentence() in outcome.text for finding in found if finding.severity is BLOCK)


def test_a_new_file_may_hold_one_class_of_the_label_only(office: Office, december: pd.DataFrame) -> None:
    """Of rare ones a day may have none; the whole table must have both."""
    code, verdict = office.validate(pd.concat([december[december["late"]]] * 3))  # fewer rows would be another matter
    assert code == 0, named(verdict)
    assert ("comparator_jensen_shannon_divergence_high", "late", WARN) in named(verdict)


def test_what_is_said_names_feature_rule_expected_found_share_and_rows(office: Office, december: pd.DataFrame) -> None:
    december.assign(carrier=every(13_000, december["carrier"], "ZZ")).to_csv(office.folder / "new.csv", index=False)
    outcome = office.call("validate", office.folder / "new.csv")
    assert outcome.code == 1
    lines = outcome.text.splitlines()
    assert lines[1] == f"Table     {office.folder}/new.csv: {len(december):,} rows x {len(december.columns)} columns"
    assert lines[2].startswith("As        TRAINING, held against the schema and span 11 of run 20")
    assert lines[3].startswith(
        "Blocked   carrier: values that the schema does not list: expected one of '9E', 'AA', 'AS'"
    )
    of = f"3 of {len(december):,} rows"
    assert lines[3].endswith(f", found 'ZZ' ({of}, under 0.1%, rule: domain in the schema)")
    assert lines[4].strip() == f"{office.folder.name}/new.csv: {of}, rows 1, 13,001, 26,001 ('ZZ')"


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        pytest.param(
            "text.parquet",
            lambda t: t.assign(distance_miles=t["distance_miles"].astype(str) + " mi"),
            ["text.parquet, row 1: ", "'distance_miles'", " mi' where a whole number (int64) is expected"],
            id="a column changes type: numbers become text",
        ),
        pytest.param(
            "fractions.csv",
            lambda t: t.assign(seats=every(20_000, t["seats"], 1.5)),
            ["fractions.csv, line 2: column 'seats' holds '1.5' where a whole number (int64) is expected"],
            id="a column changes type: whole numbers become fractions",
        ),
        pytest.param("no.parquet", lambda t: t[:0], ["no.parquet has no rows"], id="an empty span"),
        pytest.param("no.csv", lambda t: t[:0], ["no.csv has a header but no rows"], id="an empty span in CSV"),
        pytest.param(
            "unlabelled.parquet",
            lambda t: t.assign(late=None),
            ["label 'late' is missing in 27,020 of 27,020 rows"],
            id="a span without labels",
        ),
    ],
)
def test_a_new_month_that_cannot_be_taken_in(
    office: Office, december: pd.DataFrame, name: str, damage: Damage, said: list[str]
) -> None:
    path = office.folder / name
    damaged = damage(december)
    if name.endswith(".csv"):
        damaged.to_csv(path, index=False)
    else:
        pq.write_table(pa.Table.from_pandas(damaged, preserve_index=False), path)
    text = office.refuse(path)
    for words in (*said, "Remedy: "):
        assert words in text


@pytest.mark.long
@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        pytest.param(
            "latin-1",
            ["line 9001: byte 0xe9", "{encoding: latin-1}, or convert the file: iconv"],
            id="latin-1",
        ),
        pytest.param("utf-16", ["utf-16.csv", "UTF-16", "Remedy: "], id="utf-16"),
    ],
)
def test_text_in_another_encoding(office: Office, december: pd.DataFrame, encoding: str, said: list[str]) -> None:
    path = office.folder / f"{encoding}.csv"
    makers = december["manufacturer"].where(december.index != 8999, "Société Nationale")
    december.assign(manufacturer=makers).to_csv(path, index=False, encoding=encoding)
    text = office.refuse(path)
    for words in said:
        assert words in text


def test_serving_requests_after_a_bug_in_their_preprocessing(office: Office, december: pd.DataFrame) -> None:
    requests = december.drop(columns="late")
    code, verdict = office.validate(requests)
    assert code == 0
    assert {f.kind for f in verdict.findings} <= {"comparator_jensen_shannon_divergence_high", "missing_rate_change"}
    clean = named(verdict)

    # Somebody counts the days of the week from 1, the time of day in hours, and takes 0 where the plane is not known.
    bug = requests.assign(
        weekday=requests["weekday"] + 1,
        sched_dep_minute=requests["sched_dep_minute"] // 60,
        plane_year=requests["plane_year"].fillna(0).astype(int),
        origin=requests["origin"].str.lower(),
    )
    code, verdict = office.validate(bug)
    assert code == 1
    assert named(verdict) - clean >= {
        ("int_type_big_int", "weekday", BLOCK),
        ("int_type_small_int", "plane_year", BLOCK),
        ("enum_type_unexpected_string_values", "origin", BLOCK),
        ("comparator_l_infty_high", "origin", WARN),
        ("comparator_jensen_shannon_divergence_high", "sched_dep_minute", WARN),
        ("missing_rate_change", "plane_year", WARN),
    }
    assert {finding.split for finding in verdict.findings} == {"serving"}
    [where] = find(verdict, "int_type_big_int", "weekday").rows
    assert (where.count, where.of) == ((bug["weekday"] == 7).sum(), len(bug))

    # Taken as training data it is not data at all.
    outcome = office.call("validate", office.folder / "new.parquet", "--environment", "TRAINING")
    assert outcome.code == 2
    assert "data.label" in outcome.text


# Tables that never were in a run: the schema alone


def first_files(folder: Path, longhaul: Command, table: pd.DataFrame, label: str) -> Office:
    """As `longhaul init` writes them in `folder`."""
    table.to_csv(folder / "table.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        outcome = longhaul("init", "table.csv", "--label", label)
    assert outcome.code == 0, outcome.text
    return Office(folder, longhaul, yaml.safe_load((folder / "table.yaml").read_text()))


@pytest.mark.long
def test_ten_of_five_thousand_features_vanish_overnight(year: Path, longhaul: Command, tmp_path: Path) -> None:
    """Each flight beside the numbers of hundreds that left after it."""
    flights = pq.read_table(year / "span-01" / "flights.parquet").to_pandas()
    numbers = flights.select_dtypes("number")
    lags = [numbers[lag : lag + 300].reset_index(drop=True).add_suffix(f"_{lag}") for lag in range(300)]
    late = flights["late"][:300].astype(int)
    wide = pd.concat(lags, axis=1).iloc[:, :5000].assign(late=late)
    assert wide.shape == (300, 5001)
    office = first_files(tmp_path, longhaul, wide, "late")

    code, verdict = office.validate(wide)
    assert code == 0, verdict.blocking
    assert verdict.notes == ("held against the schema only: no run has ended well yet",)
    gone = list(wide.columns[17:5000:500])
    assert len(gone) == 10
    code, verdict = office.validate(wide.drop(columns=gone))
    assert code == 1
    assert {(finding.kind, finding.feature) for finding in verdict.blocking} == {
        ("schema_missing_column", name) for name in set(gone) - {*office.config.data.drop}
    }
    assert len(verdict.blocking) >= 8  # the day may be the same in all rows: init leaves such a column out


def test_label_noise_in_small_data(longhaul: Command, tmp_path: Path) -> None:
    """569 tumours, 30 measurements each."""
    tumours = load_breast_cancer(as_frame=True).frame
    tumours.columns = [name.replace(" ", "_") for name in tumours.columns]
    office = first_files(tmp_path, longhaul, tumours, "target")
    code, verdict = office.validate(tumours)
    assert (code, verdict.findings) == (0, ())

    wrong = np.random.default_rng(3).random(len(tumours)) < 0.2
    code, verdict = office.validate(tumours.assign(target=tumours["target"] ^ wrong))
    assert code == 0
    noise = find(verdict, "label_noise", "target")
    assert noise.severity is WARN
    assert noise.share is not None
    assert 0.1 < noise.share < 0.25
    [where] = noise.rows
    named_rows = [row for first, last in where.ranges for row in range(first, last + 1)]
    assert len(named_rows) >= 5
    assert np.mean([wrong[row - 1] for row in named_rows]) >= 0.8


# Whole runs: the gate blocks, and nothing after it happens


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One workspace for all runs."""
    return tmp_path_factory.mktemp("shop")


def all_missing(tables: dict[int, pd.DataFrame]) -> None:
    tables[2]["temp_f"] = tables[1]["temp_f"] = np.nan


def leak(tables: dict[int, pd.DataFrame]) -> None:
    for month, table in tables.items():
        tables[month] = table.assign(arrival=np.where(table["late"], "after schedule", "on time"))


def unlabelled(tables: dict[int, pd.DataFrame]) -> None:
    tables[2]["late"] = None


def out_of_order(tables: dict[int, pd.DataFrame]) -> None:
    tables[1], tables[2] = tables[2], tables[1]


def vanish(tables: dict[int, pd.DataFrame]) -> None:
    for table in tables.values():
        table.drop(columns=["seats", "engines"], inplace=True)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (all_missing, {("feature_type_not_present", "temp_f", "train")}),
        (leak, {("label_leak", "arrival", "train")}),
        (unlabelled, {("empty_span", None, "span 2")}),
        (out_of_order, {("span_out_of_order", "scheduled_departure", "span 2")}),
        (vanish, {("schema_missing_column", n, s) for n in ("seats", "engines") for s in ("train", "eval")}),
    ],
)
def test_a_whole_run_ends_at_the_gate(
    shop: Path,
    flights: Path,
    longhaul: Command,
    damage: Callable[[dict[int, pd.DataFrame]], None],
    expected: set[tuple[str, str | None, str]],
) -> None:
    tables = {m: pq.read_table(flights / f"span-{m:02d}" / "flights.parquet").to_pandas() for m in (1, 2, 3)}
    damage(tables)
    table = shop / "table"
    shutil.rmtree(table, ignore_errors=True)
    for month, rows in tables.items():
        (table / f"span-{month:02d}").mkdir(parents=True)
        pq.write_table(
            pa.Table.from_pandas(rows, preserve_index=False), table / f"span-{month:02d}" / "flights.parquet"
        )
    place = Place(shop, longhaul, document_of(table))
    outcome, run = place.run(split={"eval": None, "eval_from": "2013-03-01"})
    assert outcome.code == 1, outcome.text
    assert run.status == "blocked"
    assert run.data_verdict
    blocking = DataVerdict.from_json(run.data_verdict).blocking
    assert {(finding.kind, finding.feature, finding.split) for finding in blocking} == expected
    for finding in blocking:
        assert finding.sentence() in outcome.text
    worked = {step.node for step in run.steps if step.state in (StepState.DONE, StepState.CACHED)}
    assert "DataGate" in worked
    assert not worked & {"Transform", "Trainer", "Evaluator", "Pusher"}
    assert not list((place.workspace / "serving").glob("*/*"))
