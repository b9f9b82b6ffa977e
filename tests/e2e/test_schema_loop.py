"""The review loop on real runs: the data change, the gate stops them, a person approves, and the next run passes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from tests import small
from tests.place import Command, Place

pytestmark = pytest.mark.slow

CURATED = (Path(__file__).parents[2] / "schema" / "flights.pbtxt").read_text()
COLUMNS = ["scheduled_departure", "carrier", "origin", "distance_miles", "humidity_pct", "late"]


class Desk(Place):
    """A table of flights, a schema and a workspace."""

    @property
    def schema(self) -> Path:
        return self.folder / "two.pbtxt"

    def ask(self, *arguments: str) -> Any:
        outcome = self.call(*arguments, "--json")
        assert outcome.code == 0, outcome.text
        return json.loads(outcome.text)


@pytest.fixture(scope="module")
def desk(flights: Path, longhaul: Command, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """February has a carrier and a column that the schema does not know, and more humidity than there can be."""
    folder = tmp_path_factory.mktemp("loop")
    january, february = (
        pq.read_table(flights / f"span-{month}" / "flights.parquet", columns=COLUMNS).to_pandas()
        for month in ("01", "02")
    )
    february.loc[february["carrier"] == "9E", "carrier"] = "9Z"
    february.loc[february.index[-20:], "humidity_pct"] = 104.5
    table = pd.concat([january, february])
    table["weekend"] = table["scheduled_departure"].dt.dayofweek >= 5
    table.to_csv(folder / "two.csv", index=False)

    schema = text_format.Parse(CURATED, schema_pb2.Schema())
    unused = [feature.name for feature in schema.feature if feature.name not in COLUMNS]
    text = CURATED
    for name in unused:  # with their comments; what stays, stays as people wrote it
        text = _without(text, name)
    (folder / "two.pbtxt").write_text(text)
    document = {
        "name": "two",
        "data": {"path": "two.csv", "label": "late", "task": "binary"},
        "split": {"by": "time", "column": "scheduled_departure", "eval_from": "2013-02-15T00:00:00-05:00"},
        "schema": {"file": "two.pbtxt"},
        "features": {"exclude": ["scheduled_departure"]},
        "trainer": small.TRAINER,
        "evaluation": small.EVALUATION,
        "infra_check": small.INFRA_CHECK,
    }
    return Desk(folder, longhaul, document)


def _without(text: str, name: str) -> str:
    before, after = text.split(f'feature {{\n  name: "{name}"\n', 1)
    return before + after.split("\n}\n", 1)[1]


def test_the_loop(desk: Desk) -> None:
    # The gate stops the first run; which schema did so is on record.
    outcome, run = desk.run()
    assert outcome.code == 1, outcome.text
    assert run.status == "blocked"
    before = desk.schema.read_text()
    assert run.properties["schema_digest"] == hashlib.sha256(before.encode()).hexdigest()
    assert "Schema    version 1, as first seen, not reviewed" in outcome.text

    # What would have to change.
    found = desk.ask("schema", "diff")
    assert (found["run"], found["version"]) == (run.run_id, 1)
    assert [(p["feature"], p["kind"], p["change"]) for p in found["proposals"]] == [
        ("carrier", "new_values", "allow 1 more value: '9Z'"),
        ("humidity_pct", "range", "allow 0 to 104.5 instead of 0 to 100"),
        ("weekend", "new_column", "add the column: bool, required"),
    ]
    carriers = pd.read_csv(desk.folder / "two.csv")["carrier"]
    evidence = {e["split"]: e["rows"] for e in found["proposals"][0]["evidence"]}
    assert sum(evidence.values()) == (carriers == "9Z").sum() > 0
    (humid,) = found["proposals"][1]["evidence"]
    assert (humid["split"], humid["found"]) == ("eval", "up to 104.5")

    # Approved: only these lines of the file change, and the next run passes.
    said = desk.call("schema", "approve", "--reviewer", "Ann Lee", "--note", "the feed of February")
    assert said.code == 0, said.text
    expected = before.replace('"9E", "AA"', '"9E", "9Z", "AA"').replace(
        "float_domain { min: 0.0 max: 100.0 disallow_nan: true }",
        "float_domain { min: 0.0 max: 104.5 disallow_nan: true }",
    )
    weekend = (
        'feature {\n  name: "weekend"\n  type: INT\n  value_count { min: 1 max: 1 }\n'
        "  presence { min_fraction: 1.0 min_count: 1 }\n  bool_domain {}\n}\n"
    )
    assert desk.schema.read_text() == expected + weekend
    outcome, passed = desk.run()
    assert outcome.code == 0, outcome.text
    assert "Schema    version 2, approved by Ann Lee" in outcome.text
    assert desk.ask("schema", "diff")["proposals"] == []

    # Who approved what, on which grounds, and which run used it.
    second, first = desk.ask("schema", "history")
    assert (second["reviewer"], second["note"], second["run_id"]) == ("Ann Lee", "the feed of February", run.run_id)
    (statistics,) = run.artifacts["StatisticsGen"]
    assert second["statistics"] == [{"id": statistics.id, "uri": statistics.uri}]
    assert (first["review"], first["run_id"]) == ("as first seen, not reviewed", run.run_id)
    shown = desk.ask("show")["properties"]
    assert (shown["schema_version"], shown["schema_review"]) == ("2", "approved by Ann Lee")
    assert shown["schema_digest"] == second["digest"] == hashlib.sha256(desk.schema.read_bytes()).hexdigest()
    versions = {one["run_id"]: one["properties"]["schema_version"] for one in desk.ask("runs")}
    assert versions == {passed.run_id: "2", run.run_id: "1"}

    # An edit by hand is told from an approval; a partial run is guarded by what its earlier steps used.
    desk.schema.write_text(desk.schema.read_text() + "# by hand\n")
    outcome, partial = desk.run("--from", "Evaluator")
    assert outcome.code == 0, outcome.text
    assert partial.properties["schema_version"] == "2"
    outcome, edited = desk.run("--to", "StatisticsGen")
    assert outcome.code == 0, outcome.text
    assert edited.properties["schema_version"] == "3"
    assert "Schema    version 3, edited by hand, not approved" in outcome.text
