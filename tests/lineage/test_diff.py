"""Two runs side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.commands.diff import moved_columns
from pipeline.errors import PipelineError
from pipeline.lineage.diff import Change, RunDiff, SliceChange, changes, compare, flat
from pipeline.lineage.runs import find_run
from tests.lineage.weeks import Weeks


def recorded(dropout: float, code: dict[str, str], tfx: str = "1.21.0") -> dict[str, str]:
    """What the runner records of what a run was made with."""
    return {
        "config": json.dumps({"name": "cats", "trainer": {"dropout": dropout, "hidden_units": [64]}}),
        "config_digest": str(dropout),
        "code_files": json.dumps(code),
        "code_digest": str(code),
        "package_versions": json.dumps({"tfx": tfx, "keras": "3.15.1"}),
    }


def between(weeks: Weeks, before: str = "previous", after: str = "latest") -> RunDiff:
    first, second = (find_run(weeks.store, "cats", name) for name in (before, after))
    return compare(weeks.store, first, second)


@pytest.fixture
def weeks(tmp_path: Path) -> Weeks:
    return Weeks(tmp_path)


def test_everything_that_was_changed_is_told_and_what_it_did(weeks: Weeks) -> None:
    made = recorded(0.4, {"trainer/model.py": "1", "trainer/old.py": "1", "pipeline/cli.py": "1"})
    weeks.week(1, auc=0.7, dropout=0.4, rows=80, slices={"black": 0.8, "red": 0.6}, properties=made)
    made = recorded(0.2, {"trainer/model.py": "2", "trainer/new.py": "1", "pipeline/cli.py": "1"}, "1.22.0")
    weeks.week(
        2,
        auc=0.65,
        dropout=0.2,
        rows=100,
        schema="# another\n",
        blessed=False,
        slices={"black": 0.79, "red": 0.5},
        properties=made,
    )
    diff = between(weeks)
    assert diff.config == [Change("trainer.dropout", 0.4, 0.2)]
    assert diff.code == [
        Change("trainer/model.py", "1", "2"),
        Change("trainer/old.py", "1", None),
        Change("trainer/new.py", None, "1"),
    ]
    assert diff.packages == [Change("tfx", "1.21.0", "1.22.0")]
    assert diff.data == [
        Change("spans", [1], [2]),
        Change("rows, train", 80, 100),
        Change("files", ["week-1.csv"], ["week-2.csv"]),
    ]
    assert diff.hyperparameters == [Change("dropout", 0.4, 0.2)]
    assert diff.schema[2:] == ["@@ -1 +1 @@", "-# a schema", "+# another"]
    assert diff.outcome == [
        Change("verdict", "blessed", "not blessed"),
        Change("pushed version", "1001", ""),
    ]
    overall, *slices = diff.metrics
    assert overall == SliceChange({}, {"auc": 0.7, "log_loss": pytest.approx(0.3)}, {"auc": 0.65, "log_loss": 0.35})
    assert [(one.slice, one.before["auc"], one.after["auc"]) for one in slices] == [
        ({"coat": "red"}, 0.6, 0.5),  # it moved most
        ({"coat": "black"}, 0.8, 0.79),
    ]
    assert diff.notes == []


def test_a_run_does_not_differ_from_itself(weeks: Weeks) -> None:
    weeks.week(1, slices={"red": 0.6}, properties=recorded(0.4, {"a.py": "1"}))
    diff = between(weeks, "latest", "latest")
    assert (diff.config, diff.code, diff.packages, diff.data, diff.schema) == ([], [], [], [], [])
    assert (diff.hyperparameters, diff.outcome, diff.notes) == ([], [], [])


def test_what_older_runs_did_not_record_is_said(weeks: Weeks) -> None:
    weeks.week(1, properties={"config_digest": "a", "code_digest": "b"})
    weeks.week(2, properties=recorded(0.4, {}))
    assert between(weeks).notes == [
        f"the configuration differs, but that of run {weeks.run_id(1)} is not on record (an older Longhaul)",
        f"the code differs, but that of run {weeks.run_id(1)} is not on record (an older Longhaul)",
    ]


def test_labels_and_changed_spans_are_told(weeks: Weeks) -> None:
    for number in (1, 2):
        weeks.week(number, rows=80)
        file = weeks.path(number, "Examples") / "ingestion.json"
        ingestion = json.loads(file.read_text())
        shards = {f"/x/{number}/Split-train/span-00001-data-0": "a", "/x/Split-train/span-00002-data-1": str(number)}
        ingestion["shards"] = shards
        ingestion["labels"]["classes"]["train"] = {"0": 40 + 20 * number, "1": 40}
        file.write_text(json.dumps(ingestion))
    assert between(weeks).data == [
        Change("spans", [1], [2]),
        Change("span 2", "its rows", "other rows, or split in another way"),
        Change("label 0, train", 0.6, 0.6667),
        Change("label 1, train", 0.4, 0.3333),
    ]


def test_models_that_sat_different_exams_are_said_to(weeks: Weeks) -> None:
    for number, rows in ((1, 20), (2, 30)):
        weeks.week(number)
        file = weeks.path(number, "Examples") / "ingestion.json"
        ingestion = json.loads(file.read_text())
        ingestion["labels"]["classes"]["eval"] = {"0": rows, "1": 10}
        file.write_text(json.dumps(ingestion))
    said = "the models were evaluated on different rows: their metrics differ for that reason too"
    assert between(weeks).notes == [said]


def test_what_is_gone_is_said(weeks: Weeks) -> None:
    weeks.week(1)
    weeks.week(2)
    (weeks.path(1, "Examples") / "ingestion.json").unlink()
    (weeks.path(1, "ModelEvaluation") / "verdict.json").unlink()
    diff = between(weeks)
    assert diff.notes == [
        f"the examples of {weeks.run_id(1)} are gone: files and labels cannot be compared",
        f"no evaluation of {weeks.run_id(1)} is there: slices cannot be compared",
    ]
    assert [one.slice for one in diff.metrics] == [{}]  # what the summaries recorded


def test_columns_that_moved_are_named(weeks: Weeks) -> None:
    for number in (1, 2):
        weeks.week(number)
    first, second = (find_run(weeks.store, "cats", name) for name in ("previous", "latest"))
    age, coat = moved_columns(first, second) or []
    # Ages from 0 to 2 against 0 to 4: half of the mass is where the other has none.
    assert (age.column, age.measure, age.what) == ("age", "jensen_shannon", "median from about 1 to about 2")
    assert age.distance == pytest.approx(0.3112781)
    assert (coat.column, coat.measure, coat.distance) == ("coat", "l_infinity", 0.0)
    assert moved_columns(first, first) == []
    (weeks.path(1, "ExampleStatistics") / "Split-train" / "FeatureStats.pb").unlink()
    assert moved_columns(first, second) is None


@pytest.mark.parametrize("name", ["previous", "latest~1"])
def test_runs_have_names_counted_from_the_latest(weeks: Weeks, name: str) -> None:
    weeks.failed(1)
    with pytest.raises(PipelineError, match=f"there is no run '{name}': pipeline 'cats' has 1"):
        find_run(weeks.store, "cats", name)
    weeks.failed(2)
    assert find_run(weeks.store, "cats", name).run_id == weeks.run_id(1)
    assert find_run(weeks.store, "cats", "latest~0").run_id == weeks.run_id(2)


def test_plain_data_compared() -> None:
    assert flat({"a": {"b": 1, "c": [1, {"d": 2}]}, "e": None}) == {"a.b": 1, "a.c": [1, {"d": 2}], "e": None}
    assert changes({"a": 1, "b": 2}, {"b": 2, "c": 3}) == [Change("a", 1, None), Change("c", None, 3)]


def test_what_a_run_never_got_to_is_not_told_as_changed(weeks: Weeks) -> None:
    weeks.week(1, auc=0.7, dropout=0.4)
    weeks.week(2, auc=0.7, dropout=0.4)
    complete = find_run(weeks.store, "cats", "latest")
    failed = replace(find_run(weeks.store, "cats", "previous"), status="failed")
    names = ("hyperparameters", "rows", "metrics", "spans", "verdict")
    failed = replace(failed, properties={k: v for k, v in failed.properties.items() if k not in names})
    for nodes, told in (
        ((), "spans, rows, files and labels are not recorded: run {} failed before TableExampleGen"),
        (("TableExampleGen",), "the hyperparameters are not recorded: run {} failed before Trainer"),
    ):
        kept = {node: made for node, made in failed.artifacts.items() if node in nodes}
        left = replace(failed, steps=[step for step in failed.steps if step.node in nodes], artifacts=kept)
        for pair in ((left, complete), (complete, left)):
            diff = compare(weeks.store, *pair)
            assert diff.hyperparameters == []
            assert told.format(failed.run_id) in diff.notes
            assert not any(None in (change.before, change.after) for change in diff.data)
