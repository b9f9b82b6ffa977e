"""`longhaul loop` from harm to a model that serves, and from a challenger that is worse live to none: real runs, in a
process of their own, and a request log that is written as the server writes it."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pipeline.serving import rollout
from pipeline.serving.versions import newest_manifest, read_manifest
from tests.e2e.test_rejudge import write_span
from tests.faults.place import CONFIG, SCHEMA
from tests.place import Command, Place

pytestmark = [pytest.mark.slow, pytest.mark.long]


class Live:
    """Requests and their labels, an hour after the other, from now on: steps of a rollout begin now, too."""

    def __init__(self, place: Place) -> None:
        self.place, self.hour, self.asked = place, 0, 0
        self.begin = datetime.now(UTC) + timedelta(minutes=1)

    def answer(self, rows: int, champion: str, stable: float, other: tuple[str, str, float] | None = None) -> None:
        """Log requests and deliver their labels.

        Args:
            stable: how sure the champion is of the right answer, 0 to 1; other: route, version and the same of the
                challenger. In a canary, it alone answers.
        """
        ids = [f"r{self.asked + k}" for k in range(rows)]
        self.asked += rows
        draw = np.random.default_rng(self.asked)
        truth = draw.random(rows) < 0.5
        times = [self.begin + timedelta(hours=self.hour, seconds=k) for k in range(rows)]
        self.hour += 1
        tables = []
        for route, version, sure in [("stable", champion, stable), *([other] if other else [])]:
            if route == "stable" and other and other[0] == "canary":
                continue
            sureness = np.clip(sure + draw.normal(0, 0.05, rows), 0.02, 0.98)
            features = pa.StructArray.from_arrays(
                [
                    pa.array(["2026-01-05"] * rows),
                    pa.array(["red"] * rows),
                    pa.array(np.where(truth, 9.0, 1.0) + draw.normal(0, 0.1, rows)),
                ],
                names=["day", "color", "size"],
            )
            tables.append(
                pa.table(
                    {
                        "request_id": ids,
                        "row": pa.array([0] * rows, pa.int32()),
                        "version": [version] * rows,
                        "time": pa.array(times, pa.timestamp("us", "UTC")),
                        "route": [route] * rows,
                        "error": pa.nulls(rows, pa.string()),
                        "features": features,
                        "scores": pa.array([[float(one)] for one in np.where(truth, sureness, 1 - sureness)],
                                           pa.list_(pa.float64())),
                    }
                )
            )  # fmt: skip
        folder = self.place.workspace / "requests" / self.place.name / "day"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.concat_tables(tables), folder / f"{self.hour:02}-a-1.parquet")
        labels = self.place.folder / "labels.csv"
        pyarrow.csv.write_csv(pa.table({"request_id": ids, "answer": np.where(truth, "yes", "no")}), labels)
        assert self.place.call("labels", labels).code == 0

    def look(self, *more: str, code: int = 0) -> Any:
        outcome = self.place.call("loop", "--once", "--json", *more)
        assert outcome.code == code, outcome.text
        return json.loads(outcome.text.splitlines()[-1])


def serves(place: Place) -> Any:
    return newest_manifest(place.serving)


def two_spans(folder: Path, **continuous: Any) -> dict[str, Any]:
    """Write two spans and their schema; return the settings of a loop over them, with more of `continuous`."""
    (folder / "toy.pbtxt").write_text(SCHEMA)
    for span in (1, 2):
        write_span(folder, span)
    document: dict[str, Any] = copy.deepcopy(CONFIG)
    document["data"]["path"] = "span-{SPAN}/table.csv"
    document["split"] = {"by": "time", "column": "day", "eval": "last 1 span"}
    document["evaluation"]["thresholds"] = {"auc": {"at_least": 0.0, "may_lose": 1.0}}
    document["watch"] = {"window": "day"}
    rolled_out = {"approval": "none", "canary": [10], "min_pairs": 300, "may_lose": 0.2}
    return document | {"continuous": continuous | rolled_out}


def test_harm_is_renewed_and_what_is_worse_live_is_taken_back(longhaul: Command, tmp_path: Path) -> None:
    document = two_spans(tmp_path, harm=True)
    told = tmp_path / "told.jsonl"
    document["notify"] = {"command": ["/bin/sh", "-c", f"cat >> {told}; echo >> {told}"], "on": ["loop"]}
    place = Place(tmp_path, longhaul, document)
    assert place.run()[0].code == 0
    first = str(serves(place).version)
    live = Live(place)

    live.answer(600, first, 0.9)
    assert live.look()["waits"] == "nothing asks for a run"

    # The world turns: what the champion is sure of is wrong.
    live.answer(3_000, first, 0.1)
    write_span(tmp_path, 3)
    explained = place.call("loop", "--explain")
    assert (explained.code, len(place.runs())) == (0, 1)
    began = live.look()
    assert began["events"][0]["kind"] == "harm"
    assert began["waits"].startswith("shadow: 0 of 300 labelled rows")
    trying = rollout.under_way(place.serving)
    assert trying
    assert (trying.mode, str(trying.stable), len(place.runs())) == ("shadow", first, 2)
    candidate = str(trying.version)

    # In the shadow it is better; in the canary it has too few rows at first.
    live.answer(400, first, 0.1, ("shadow", candidate, 0.8))
    stepped = live.look()
    (decided,) = [one for one in stepped["entries"] if one["kind"] == "decided"]
    assert (decided["told"]["action"], decided["told"]["rows"], decided["told"]["share"]) == ("step", 400, 10)
    assert decided["told"]["most"] < 0
    live.answer(120, first, 0.1, ("canary", candidate, 0.8))
    assert live.look()["waits"].startswith("canary 10 %: 120 of 300 labelled rows")
    live.answer(600, first, 0.1, ("canary", candidate, 0.98))
    promoted = live.look()
    assert promoted["attempt"]["ended"] == "promoted", promoted
    assert str(serves(place).version) == candidate
    assert rollout.under_way(place.serving) is None

    # A challenger that is better offline, since it learns for longer, and worse live.
    write_span(tmp_path, 4)
    place.document["trainer"] = place.document["trainer"] | {"epochs": 40, "hidden_units": [16]}
    place.write()
    asked = live.look("--trigger", "manual", "--key", "ann")
    assert asked["waits"].startswith("shadow: 0 of 300"), asked
    worse = rollout.under_way(place.serving)
    assert worse
    assert str(worse.stable) == candidate
    offline = [read_manifest(place.serving / str(one)) for one in (worse.version, candidate)]
    better, usual = (one.metrics["log_loss"] for one in offline if one)
    assert better < usual
    live.answer(500, candidate, 0.8, ("shadow", str(worse.version), 0.4))
    aborted = live.look(code=1)
    assert aborted["attempt"]["ended"] == "aborted"
    served = serves(place)
    assert (served.copy_of, rollout.under_way(place.serving)) == (int(candidate), None)

    news = [json.loads(line) for line in told.read_text().splitlines() if line]
    assert [one["event"] for one in news] == ["promoted", "aborted"]
    assert news[1]["decision"]["least"] > 0
    decisions = place.store.get_executions_by_type("longhaul.Decision")
    journal = (place.workspace / "continuous" / place.name / "journal.jsonl").read_text().splitlines()
    assert len(decisions) == len(journal)
