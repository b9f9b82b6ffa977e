"""The data gate in real runs: what it stops, what it lets pass, what it says, and what runs again."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.guard.findings import DataVerdict, Finding
from pipeline.guard.policy import Severity
from pipeline.lineage.runs import Run, StepState, list_runs
from tests import small
from tests.place import Command, Place, state

pytestmark = [pytest.mark.slow, pytest.mark.in_order]

COLUMNS = ["scheduled_departure", "carrier", "origin", "distance_miles", "humidity_pct", "late"]
BEHIND = {"Transform", "Trainer", "Evaluator", "InfraCheck", "Pusher"}


class Desk(Place):
    """Three months of flights as CSV, a schema, a policy and a workspace."""

    def table(self, month: int) -> Path:
        return self.folder / f"span-{month}.csv"

    def change(self, month: int, **columns: Any) -> None:
        """Sets columns of a month to a value, to values, or to what a function makes of them."""
        table = pd.read_csv(self.table(month))
        for name, value in columns.items():
            table[name] = value(table[name]) if callable(value) else value
        table.to_csv(self.table(month), index=False)

    def set_policy(self, policy: dict[str, Any] | None) -> None:
        (self.folder / "three.policy.yaml").write_text(yaml.safe_dump(policy))


@pytest.fixture(scope="module")
def months(flights: Path) -> dict[int, pd.DataFrame]:
    return {
        month: pq.read_table(flights / f"span-{month:02d}" / "flights.parquet", columns=COLUMNS).to_pandas()[::3]
        for month in (1, 2, 3)
    }


@pytest.fixture(scope="module")
def shared(longhaul: Command, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One workspace for all: steps that a test does not touch are cached."""
    document = {
        "name": "three",
        "data": {"path": "span-{SPAN}.csv", "label": "late", "task": "binary"},
        "split": {"by": "time", "column": "scheduled_departure", "eval_from": "2013-03-01T00:00:00-05:00"},
        "schema": {"file": "three.pbtxt"},
        "features": {"exclude": ["scheduled_departure"]},
        "trainer": small.TRAINER,
        "evaluation": small.EVALUATION,
        "infra_check": small.INFRA_CHECK,
    }
    return Desk(tmp_path_factory.mktemp("gate"), longhaul, document)


@pytest.fixture
def desk(shared: Desk, months: dict[int, pd.DataFrame], narrow_schema: Callable[..., Path]) -> Desk:
    """As it was at first."""
    for month, table in months.items():
        table.to_csv(shared.table(month), index=False)
    shared.set_policy(None)
    narrow_schema(shared.folder / "three.pbtxt", COLUMNS)
    return shared


def verdict(run: Run) -> DataVerdict:
    assert run.data_verdict
    return DataVerdict.from_json(run.data_verdict)


def only(findings: tuple[Finding, ...]) -> Finding:
    (finding,) = findings
    return finding


@pytest.mark.long
def test_clean_months_pass_and_an_unchanged_run_is_cached_with_the_gate(desk: Desk) -> None:
    outcome, run = desk.run()
    assert outcome.code == 0, outcome.text
    assert state(run, StepState.DONE) >= BEHIND | {"DataGate"}
    (artifact,) = run.artifacts["DataGate"]
    assert (artifact.type, artifact.properties["blessed"]) == ("longhaul.DataVerdict", 1)
    assert verdict(run).findings == ()
    assert set(verdict(run).drift["carrier"].by) == {"2", "3"}
    assert run.status == "complete"

    outcome, run = desk.run()
    assert outcome.code == 0
    assert state(run, StepState.DONE) == set()
    assert state(run, StepState.CACHED) >= BEHIND | {"DataGate"}

    # The policy is the gate's alone: a stricter one that still holds trains nothing again.
    desk.set_policy({"rows": 3})
    outcome, run = desk.run()
    assert outcome.code == 0
    assert state(run, StepState.DONE) == {"DataGate"}

    # A part of the pipeline that ends after the gate has the gate in it.
    desk.set_policy({"rows": 4})
    outcome, run = desk.run("--to", "Trainer")
    assert outcome.code == 0
    assert {"DataGate", "Trainer"} <= {step.node for step in run.steps}
    assert "DataGate" in state(run, StepState.DONE)


def test_a_breach_of_the_schema_ends_the_run_before_transform_and_names_the_rows(desk: Desk) -> None:
    def spoil(carriers: pd.Series) -> pd.Series:
        return carriers.where(~carriers.index.isin([6, 40, 41]), "ZZ")

    desk.change(2, carrier=spoil)
    outcome, run = desk.run()
    assert outcome.code == 1, outcome.text
    assert run.status == "blocked"
    finding = only(verdict(run).blocking)
    assert (finding.kind, finding.feature, finding.split) == ("enum_type_unexpected_string_values", "carrier", "train")
    assert finding.found == "'ZZ' in 3 rows"
    assert finding.share == pytest.approx(3 / 1000)
    (place,) = finding.places()
    assert place.endswith("span-2.csv: 3 of 500 rows, rows 7, 41 to 42 ('ZZ')")
    assert run.reason == finding.sentence()
    assert pd.read_csv(desk.table(2)).iloc[6]["carrier"] == "ZZ"
    for text in ("Blocked", finding.sentence(), place):
        assert text in outcome.text
    assert not BEHIND & {step.node for step in run.steps}
    assert "DataGate" in state(run, StepState.DONE)
    assert run.artifacts["DataGate"][0].properties["blessed"] == 0
    assert (desk.workspace / "reports" / f"{run.run_id}.html").exists()

    # Whoever goes on by hand is stopped as well, and the gate's verdict is remembered.
    outcome, run = desk.run("--from", "Transform")
    assert outcome.code == 1, outcome.text
    assert (run.status, run.reason) == ("blocked", finding.sentence())
    assert not BEHIND & state(run, StepState.DONE, StepState.CACHED)
    outcome, run = desk.run()
    assert (outcome.code, run.status) == (1, "blocked")
    assert "DataGate" in state(run, StepState.CACHED)
    assert [run.status for run in list_runs(desk.store, "three")][:3] == ["blocked"] * 3

    # The policy may say that it does not matter.
    desk.set_policy({"features": {"carrier": {"severity": {"enum_type_unexpected_string_values": "warn"}}}})
    outcome, run = desk.run("--to", "Transform")
    assert outcome.code == 0, outcome.text
    assert only(verdict(run).findings).severity is Severity.WARN
    assert "Warning" in outcome.text
    assert finding.sentence() in outcome.text
    assert "Transform" in state(run, StepState.DONE)


@pytest.mark.parametrize(
    ("month", "columns", "kind", "feature", "place"),
    [
        (1, {"humidity_pct": float("nan")}, "feature_type_low_fraction_present", "humidity_pct", ""),
        (3, {"distance_miles": lambda miles: miles * 100}, "int_type_big_int", "distance_miles", ""),
        (
            2,
            {"humidity_pct": lambda h: h.where(h.index != 3, float("inf"))},
            "float_type_big_float",
            "humidity_pct",
            "row 4 (inf)",
        ),
        (2, {"scheduled_departure": lambda t: t.str.replace("2013-", "2012-")}, "span_out_of_order", "", None),
    ],
)
def test_what_blocks(
    desk: Desk, month: int, columns: dict[str, Any], kind: str, feature: str, place: str | None
) -> None:
    desk.change(month, **columns)
    outcome, run = desk.run("--to", "DataGate")
    assert outcome.code == 1, outcome.text
    found = [finding for finding in verdict(run).blocking if finding.kind == kind]
    assert found, outcome.text
    assert found[0].feature == (feature or "scheduled_departure")
    if place is None:
        assert found[0].places() == []
    else:  # the densest file comes first
        assert f"span-{month}.csv: " in found[0].places()[0]
        assert place in found[0].places()[0]
    assert found[0].sentence() in outcome.text


def test_a_leak_of_the_label_blocks_and_a_new_column_warns(desk: Desk) -> None:
    for month in (1, 2, 3):
        table = pd.read_csv(desk.table(month))
        table["delay_code"] = table["late"].astype(bool).map({False: "on time", True: "delayed"})
        table["origin"] = table["late"].astype(bool).map({False: "EWR", True: "JFK"})
        table.to_csv(desk.table(month), index=False)
    outcome, run = desk.run("--to", "DataGate")
    assert outcome.code == 1, outcome.text
    leaks = verdict(run).blocking
    assert {(leak.kind, leak.feature, leak.share) for leak in leaks} == {
        ("label_leak", "delay_code", 1.0), ("label_leak", "origin", 1.0),
    }  # fmt: skip
    assert {(f.kind, f.feature) for f in verdict(run).warnings} == {("schema_new_column", "delay_code")}
    assert "`longhaul drop --exclude origin" in outcome.text

    # The remedy that is named: what the model is not shown gives nothing away.
    outcome, run = desk.run("--to", "DataGate", features={"exclude": ["scheduled_departure", "origin"]})
    assert outcome.code == 1, outcome.text
    assert only(verdict(run).blocking).feature == "delay_code"


@pytest.mark.long
def test_serving_requests_are_held_against_the_training_data(desk: Desk, months: dict[int, pd.DataFrame]) -> None:
    """The label is not expected there. Somebody's preprocessing writes kilometres and small letters."""
    requests = months[3].drop(columns="late")
    requests.to_csv(desk.folder / "requests.csv", index=False)
    desk.run("--to", "DataGate")
    outcome, run = desk.run("--to", "DataGate", data={"serving": "requests.csv"})
    assert outcome.code == 0, outcome.text
    assert verdict(run).findings == ()
    assert set(verdict(run).skew) == {"carrier", "origin", "distance_miles", "humidity_pct"}
    assert state(run, StepState.DONE) == {"DataGate"}  # whoever serves changes nothing in what is learned from

    wrong = requests.assign(
        distance_miles=(requests["distance_miles"] * 1.609).round().astype(int), origin=requests["origin"].str.lower()
    )
    wrong.to_csv(desk.folder / "requests.csv", index=False)
    outcome, run = desk.run("--to", "DataGate", data={"serving": "requests.csv"})
    assert outcome.code == 1, outcome.text
    blocking = only(verdict(run).blocking)
    assert (blocking.feature, blocking.split) == ("origin", "serving")
    (place,) = blocking.places()
    assert place.partition(" (")[0].endswith("requests.csv: 500 of 500 rows")
    assert (blocking.count, blocking.of) == (500, 500)
    assert ("comparator_l_infty_high", "origin") in {(f.kind, f.feature) for f in verdict(run).warnings}
    assert verdict(run).skew["distance_miles"].by["serving"] > 0.02


def test_a_wrong_policy_is_told_before_anything_runs(desk: Desk) -> None:
    desk.set_policy({"severity": {"schema_new_colum": "block"}})
    outcome = desk.call("run")
    assert outcome.code == 2
    assert "did you mean 'schema_new_column'?" in outcome.text
    assert "TableExampleGen" not in outcome.text


def test_the_verdict_file_reads_back(desk: Desk) -> None:
    with suppress(AssertionError):
        desk.run("--to", "DataGate")
    files = sorted((desk.workspace / "artifacts" / "DataGate" / "verdict").glob("*/verdict.json"))
    assert files
    for file in files:
        plain = json.loads(file.read_text())
        assert DataVerdict.from_json(plain).to_json() == plain
