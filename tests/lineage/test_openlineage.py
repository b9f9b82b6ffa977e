"""Runs as OpenLineage events, read back from the JSON that a catalogue would get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde

from pipeline.lineage.openlineage import dataset_name, events
from pipeline.lineage.runs import find_run
from tests.lineage.weeks import Weeks


def told(weeks: Weeks, run_id: str = "latest") -> list[dict[str, Any]]:
    found = events(weeks.store, find_run(weeks.store, "cats", run_id))
    assert all(isinstance(event, RunEvent) for event in found)
    return [json.loads(Serde.to_json(event)) for event in found]


def of(found: list[dict[str, Any]], job: str) -> list[dict[str, Any]]:
    return [event for event in found if event["job"]["name"] == job]


def test_a_run_and_each_step_start_and_end(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.week(1)
    found = told(weeks)
    assert [(event["job"]["name"], event["eventType"]) for event in (found[0], found[-1])] == [
        ("cats", "START"),
        ("cats", "COMPLETE"),
    ]
    steps = ("TableExampleGen", "StatisticsGen", "Transform", "Trainer", "Evaluator", "Pusher")
    for step in steps:
        assert [event["eventType"] for event in of(found, f"cats.{step}")] == ["START", "COMPLETE"]
        assert {event["run"]["facets"]["parent"]["run"]["runId"] for event in of(found, f"cats.{step}")} == {
            found[0]["run"]["runId"]
        }
        assert len({event["run"]["runId"] for event in of(found, f"cats.{step}")}) == 1
    assert len({event["run"]["runId"] for event in found}) == 1 + len(steps)
    times = [event["eventTime"] for event in found[1:-1]]
    assert times == sorted(times)
    assert found[-1]["eventTime"] >= times[-1]


def test_artifacts_are_datasets_with_standard_facets(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.week(1)
    weeks.week(2)
    found = told(weeks)
    (made,) = of(found, "cats.TableExampleGen")[1]["outputs"]
    where = str(weeks.path(2, "Examples"))
    assert (made["namespace"], made["name"]) == ("file", where)
    assert [(field["name"], field["type"]) for field in made["facets"]["schema"]["fields"]] == [
        ("age", "int"),
        ("coat", "string"),
    ]
    assert made["facets"]["dataSource"]["uri"] == f"file://{where}"
    assert made["facets"]["dataSource"]["name"] == "Examples"
    assert made["facets"]["version"]["datasetVersion"] == str(weeks.made[2, "Examples"])
    statistics = made["outputFacets"]["outputStatistics"]
    size = 2000 + (weeks.path(2, "Examples") / "ingestion.json").stat().st_size
    assert (statistics["rowCount"], statistics["fileCount"], statistics["size"]) == (100, 2, size)
    judged = of(found, "cats.Evaluator")
    assert {one["name"] for one in judged[0]["inputs"]} == {
        str(weeks.path(*which)) for which in ((2, "Examples"), (2, "Model"), (1, "Model"))
    }
    assert judged[0]["outputs"] == []
    assert {one["name"] for one in judged[1]["outputs"]} == {
        str(weeks.path(2, kind)) for kind in ("ModelBlessing", "ModelEvaluation")
    }


def test_a_failure_tells_why(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.failed(1, "the disk is full")
    found = told(weeks)
    assert [event["eventType"] for event in of(found, "cats.Trainer")] == ["START", "FAIL"]
    assert [event["eventType"] for event in of(found, "cats.TableExampleGen")] == ["START", "COMPLETE"]
    for event in (of(found, "cats.Trainer")[1], found[-1]):
        assert event["eventType"] == "FAIL"
        assert event["run"]["facets"]["errorMessage"]["message"] == "the disk is full"


def test_a_run_at_work_has_not_ended(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.week(1)
    weeks.end(weeks.run_id(1), "running")
    assert [event["eventType"] for event in of(told(weeks), "cats")] == ["START"]
    weeks.end(weeks.run_id(1), "blocked", "the gate said no")
    assert [event["eventType"] for event in of(told(weeks), "cats")] == ["START", "ABORT"]


def test_a_cached_step_names_its_run_and_the_same_datasets(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.week(1)
    weeks.again(2, of=1)
    first, second = told(weeks, weeks.run_id(1)), told(weeks, weeks.run_id(2))
    assert of(second, "cats.Trainer")[1]["run"]["facets"]["tags"]["tags"] == [
        {"key": "cached_from", "value": weeks.run_id(1), "source": "LONGHAUL"}
    ]
    trained = [of(found, "cats.Trainer")[1] for found in (first, second)]
    assert trained[0]["outputs"][0]["name"] == trained[1]["outputs"][0]["name"]
    assert trained[0]["run"]["runId"] != trained[1]["run"]["runId"]


def test_the_same_run_always_gives_the_same_events(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.week(1)
    assert told(weeks) == told(weeks)


def test_datasets_are_named_as_the_standard_asks() -> None:
    assert dataset_name("/data/flights") == ("file", "/data/flights")
    assert dataset_name("gs://bucket/models/1") == ("gs://bucket", "models/1")
