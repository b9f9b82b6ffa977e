"""A whole run with `data.weight`: it counts from the table to the verdict."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.loading import load
from pipeline.data.statistics_files import read_split
from tests.faults.place import CONFIG, SCHEMA
from tests.place import Command, Place

pytestmark = [pytest.mark.slow, pytest.mark.long]

HEADER = "day,color,size,answer,w"


def lines() -> list[str]:
    """Rows of which red ones say yes, but those that count say no."""
    found = []
    for i in range(400):
        color, heavy = ("red", "green")[i % 2], i % 3 == 0
        answer = ("yes" if color == "red" else "no") if not heavy else "no"
        found.append(f"2024-01-{1 + i % 28:02},{color},{i * 37 % 101 / 10},{answer},{9 if heavy else 0.5}")
    return found


@pytest.fixture
def place(longhaul: Command, tmp_path: Path) -> Place:
    (tmp_path / "toy.pbtxt").write_text(SCHEMA + 'feature { name: "w" type: FLOAT presence { min_count: 1 } }\n')
    (tmp_path / "table.csv").write_text("\n".join([HEADER, *lines(), ""]))
    document: dict[str, Any] = copy.deepcopy(CONFIG)
    document["data"]["weight"] = "w"
    document["trainer"] |= {"teacher": "trees", "epochs": 4}
    document["evaluation"] |= {"slices": [["color"]], "explain": {"permutation_rows": 200, "repeats": 1, "rows": 2}}
    return Place(tmp_path, longhaul, document)


def test_weights_count_from_the_table_to_the_verdict(place: Place) -> None:
    outcome, run = place.run()
    assert outcome.code == 0, outcome.text
    assert "weighted by w" in " ".join(outcome.text.split())
    verdict = run.verdict
    assert verdict
    assert verdict["weighted_by"] == "w"
    assert 0 < verdict["effective_rows"] < verdict["metrics"]["example_count"]
    # A third of the rows say yes, but only a twentieth of the weight; the trees know.
    beside = verdict["baselines"]["metrics"]
    assert beside["guess"]["accuracy"] > 0.85
    assert beside["trees"]["calibration"] == pytest.approx(1, abs=0.35)
    (statistics,) = run.artifacts["StatisticsGen"]
    (dataset,) = read_split(statistics.uri, "train").datasets
    assert dataset.weighted_num_examples > dataset.num_examples

    outcome = place.call("explain", "w")
    assert "how much a row counts (data.weight)" in outcome.text
    assert load(place.file).never_asked == ("day", "w")
