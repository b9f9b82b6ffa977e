"""Months that come one after the other, one late and one corrected: no edit of the configuration in between."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import EXIT_NOT_YET
from pipeline.lineage.runs import Run
from tests.place import Command, Place, done

CONFIG: dict[str, Any] = {
    "name": "months",
    "data": {"path": "data/{YYYY}-{MM}/t.csv", "spans": "last 4", "label": "sold", "task": "binary"},
    "split": {"by": "time", "eval": "last 1 span"},
    "schema": {"file": "months.pbtxt"},
    "evaluation": {"thresholds": {"auc": {"at_least": 0.5}}},
}
SCHEMA = """
feature { name: "price" type: FLOAT presence { min_fraction: 1 } }
feature { name: "sold" type: INT int_domain { min: 0 max: 1 } presence { min_fraction: 1 } }
"""


def arrives(place: Place, month: str, *, seed: int = 0, rows: int = 200) -> None:
    draw = random.Random(f"{month} {seed}")
    prices = [draw.gauss(10, 3) for _ in range(rows)]
    file = place.folder / "data" / month / "t.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("price,sold\n" + "".join(f"{price:.5f},{int(price < draw.gauss(10, 2))}\n" for price in prices))


def spans_of(run: Run) -> Any:
    return (run.ingestion or {}).get("split_spans")


@pytest.mark.slow
def test_the_window_and_the_split_move_with_the_data(tmp_path: Path, longhaul: Command) -> None:
    place = Place(tmp_path, longhaul, CONFIG)
    (tmp_path / "months.pbtxt").write_text(SCHEMA)
    for month in ("2024-11", "2024-12", "2025-01", "2025-02"):
        arrives(place, month)
    part = ("--to", "DataGate")
    _, run = place.run(*part)
    assert spans_of(run) == {"train": [20241101, 20241201, 20250101], "eval": [20250201]}
    assert "the data are as they were" in place.call("plan").text
    for file in tmp_path.glob("data/*/t.csv"):
        file.touch()
    assert "the data are as they were" in place.call("plan").text

    # A month is missing: nothing is read, and the code says that it may come.
    arrives(place, "2025-04")
    planned = place.call("plan", "--json")
    assert planned.code == EXIT_NOT_YET
    assert json.loads(planned.text)["missing"] == [20250301]
    before = len(place.runs())
    outcome = place.call("run", *part)
    assert (outcome.code, len(place.runs())) == (EXIT_NOT_YET, before)
    assert "span 2025-03-01 is missing between those that are there" in outcome.text

    # It comes late; the plan says what the run then does.
    arrives(place, "2025-03")
    plan = json.loads(place.call("plan", "--json").text)
    assert (plan["new"], plan["late"], plan["corrected"], plan["not_yet"]) == ([20250301, 20250401], [], [], [])
    outcome, run = place.run(*part)
    assert spans_of(run) == plan["splits"] == {"train": [20250101, 20250201, 20250301], "eval": [20250401]}
    assert "eval 200 (span 2025-04-01)" in outcome.text

    # A month is corrected: said, and read again.
    arrives(place, "2025-02", seed=1)
    outcome, run = place.run(*part)
    assert "corrected: 2025-02-01 changed since run" in outcome.text
    assert "TableExampleGen" in done(run)

    # A month whose labels are wrong is left out; the window takes an earlier one.
    outcome, run = place.run(*part, data={"spans": {"use": "last 4", "except": ["2025-03"]}})
    assert outcome.code == 0, outcome.text
    assert spans_of(run) == {"train": [20241201, 20250101, 20250201], "eval": [20250401]}

    # A month that is cut short does not pass.
    arrives(place, "2025-05", rows=20)
    outcome, run = place.run(*part)
    assert (outcome.code, run.status) == (1, "blocked")
    assert "far fewer rows than usual" in outcome.text

    # Nothing new comes within a second.
    arrives(place, "2025-05")
    assert place.run(*part)[0].code == 0
    outcome = place.call("run", *part, "--wait-for-data", "1s")
    assert outcome.code == EXIT_NOT_YET
    assert "nothing is new since run" in outcome.text
