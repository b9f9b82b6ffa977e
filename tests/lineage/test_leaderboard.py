"""Summaries of runs, and runs filtered, sorted and compared by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.many_runs import fill
from pipeline.config.loading import load
from pipeline.errors import PipelineError
from pipeline.lineage.leaderboard import (
    best_and_worst,
    differing_hyperparameters,
    extremes_of_same_rows,
    select,
    value_of,
)
from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import RUN_CONTEXT, Run, find_run
from pipeline.lineage.summary import BLESSED, Listed, Summary, list_summaries, summarize
from tests.lineage.weeks import Weeks


def listed(name: str, status: str = "complete", started: str = "", **summary: Any) -> Listed:
    properties = {"schema_version": "3"}
    return Listed(Run(name, "cats", status, started, 60.0, "", properties), Summary(**summary))


RUNS = [
    listed("e", status="failed", started="2026-03-05T00:00:00+00:00"),
    listed("d", metrics={"auc": 0.71, "log_loss": 0.52, "calibration": 1.2}, hyperparameters={"dropout": 0.1}),
    listed("c", metrics={"auc": 0.69, "log_loss": 0.55, "calibration": 0.9}, verdict="not blessed"),
    listed("b", metrics={"auc": 0.73, "log_loss": 0.51, "calibration": 1.05}, verdict="blessed", pushed_version="7"),
    listed("a", started="2026-03-01T00:00:00+00:00", rows={"train": 90, "eval": 10}),
]


def names(*conditions: str, sort: str | None = None, **how: Any) -> str:
    return "".join(one.run.run_id for one in select(RUNS, conditions, sort, **how))


def test_without_wishes_the_newest_come_first() -> None:
    assert names() == "edcba"
    assert names(limit=2) == "ed"
    assert names(reverse=True) == "abcde"


def test_metrics_sort_best_first_and_runs_without_them_come_last() -> None:
    assert names(sort="auc") == "bdcea"
    assert names(sort="log_loss") == "bdcea"  # the smaller the better
    assert names(sort="calibration") == "bcdea"  # the nearer to one the better
    assert names(sort="auc", reverse=True) == "cdbea"
    assert names(sort="auc", limit=1) == "b"


def test_other_values_sort_largest_first() -> None:
    assert names(sort="started") == "eadcb"
    assert names(sort="rows")[0] == "a"


def test_conditions_must_all_hold() -> None:
    assert names("auc>0.7") == "db"
    assert names("auc>0.7", "log_loss<=0.51") == "b"
    assert names("status=complete", "verdict!=blessed") == "c"  # a run that has no verdict is not asked
    assert names("started>=2026-03-02") == "e"
    assert names("pushed=yes") == "b"
    assert names("pushed=no", "status=failed") == "e"
    assert names("rows=100") == "a"
    assert names("schema=3", "dropout<0.2") == "d"
    assert names(" auc >= 0.73 ") == "b"


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("auc", "--filter 'auc' is not a condition\n  Remedy: write a name, one of = != > >= < <=, and a value"),
        ("acu>1", "no run has a value 'acu'\n  Remedy: did you mean auc?"),
        ("auc>high", "--filter: auc is a number, 'high' is not"),
        ("auc>nan", "--filter: auc is a number, 'nan' is not"),
        ("xyz=1", "there are run, started, status"),
    ],
)
def test_a_condition_that_cannot_be_understood(condition: str, message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        select(RUNS, [condition])
    assert message in str(caught.value)


def test_of_no_runs_any_name_may_be_asked_for() -> None:
    assert select([], ["auc>0.7"], "auc") == []


def test_the_best_and_the_worst_are_named_if_there_are_both() -> None:
    assert best_and_worst(RUNS, "auc") == ("b", "c")
    assert best_and_worst(RUNS, "log_loss") == ("b", "c")
    assert best_and_worst(RUNS, "calibration") == ("b", "d")
    assert best_and_worst(RUNS[3:4], "auc") is None
    assert [*filter(None, extremes_of_same_rows(RUNS, "auc"))] == [("b", "c")]
    (b,) = (one for one in RUNS if one.run.run_id == "b")
    others = replace(b, summary=replace(b.summary, judged_rows="other rows"))
    alone = [others if one is b else one for one in RUNS]
    assert all("b" not in (found or ()) for found in extremes_of_same_rows(alone, "auc"))  # it is compared with none
    assert best_and_worst(RUNS[:1], "auc") is None
    best = next(one for one in RUNS if one.run.run_id == "b")
    assert best_and_worst([*RUNS, replace(best, run=replace(best.run, run_id="like b"))], "auc") == ("", "c")


def test_hyperparameters_that_differ_are_told() -> None:
    same = {"epochs": 8, "units": [64, 32]}
    runs = [listed("a", hyperparameters={**same, "dropout": rate}) for rate in (0.1, 0.2)]
    assert differing_hyperparameters([*runs, listed("x")]) == ["dropout"]
    assert differing_hyperparameters([*runs, listed("y", hyperparameters={"epochs": 8})]) == ["units", "dropout"]
    assert differing_hyperparameters([listed("x")]) == []
    assert value_of(runs[0], "units") == "[64, 32]"


# Summaries


def test_a_summary_tells_what_came_of_a_run(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.week(1, auc=0.75, dropout=0.3)
    weeks.week(2, auc=0.5, blessed=False)
    weeks.failed(3)
    failed, bad, good = (one.summary for one in list_summaries(weeks.store, "cats"))
    assert good == Summary(
        spans=(1,),
        rows={"train": 80, "eval": 20},
        metrics={"auc": 0.75, "log_loss": 0.25},
        verdict=BLESSED,
        pushed_version="1001",
        hyperparameters={"dropout": 0.3, "epochs": 8},
        judged_rows=bad.judged_rows,
    )
    assert good.judged_rows
    assert (bad.verdict, bad.pushed_version) == ("not blessed", "")
    assert failed == Summary(judged_rows=failed.judged_rows)


def test_what_stood_beside_a_model_is_on_record_and_older_runs_have_nothing() -> None:
    beside = {"auc": {"trees": 0.72, "guess": 0.5}}
    properties = Summary(metrics={"auc": 0.7}, baselines=beside).to_properties()
    assert Summary.from_properties(properties) == Summary(metrics={"auc": 0.7}, baselines=beside)
    del properties["baselines"]
    assert Summary.from_properties(properties) == Summary(metrics={"auc": 0.7})


def test_a_model_that_says_how_it_was_trained_is_believed(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.week(1, dropout=0.3)
    (model,) = weeks.store.get_artifacts_by_id([weeks.made[1, "Model"]])
    for name, text in {"dropout": "0.25", "units": "[64, 32]", "distribute": '"none"'}.items():
        model.custom_properties[f"hp.{name}"].string_value = text
    weeks.store.put_artifacts([model])
    run = find_run(weeks.store, "cats", weeks.run_id(1))
    run.properties.clear()
    told = {"dropout": 0.25, "units": [64, 32], "distribute": "none"}
    assert summarize(weeks.store, run).hyperparameters == told


def test_a_run_without_a_recorded_summary_is_read_from_what_it_made(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.week(1)
    (recorded,) = list_summaries(weeks.store, "cats")
    (context,) = weeks.store.get_contexts_by_type(RUN_CONTEXT)
    for name in recorded.summary.to_properties():
        del context.custom_properties[name]
    weeks.store.put_contexts([context])
    (found,) = list_summaries(weeks.store, "cats")
    assert "verdict" not in found.run.properties
    assert found.summary == recorded.summary


def test_what_the_data_gate_stopped_is_blocked(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.failed(1)
    run = find_run(weeks.store, "cats", weeks.run_id(1))
    run.properties.clear()
    run.artifacts["DataGate"] = [Artifact("longhaul.DataVerdict", "", {"blessed": 0})]
    assert summarize(weeks.store, run).verdict == "blocked"


def test_a_model_that_failed_the_check_before_the_push_is_unfit(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path)
    weeks.week(1)
    run = find_run(weeks.store, "cats", weeks.run_id(1))
    run.properties.clear()
    (tmp_path / "infra.json").write_text('{"checked": true, "blessed": false}')
    run.artifacts["InfraCheck"] = [Artifact("InfraBlessing", str(tmp_path), {"blessed": 0})]
    assert summarize(weeks.store, run).verdict == "unfit to serve"


def test_a_list_of_many_runs_takes_one_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fill(load(workspace=str(tmp_path)), 12)
    asked: list[str] = []
    call = store._call
    monkeypatch.setattr(store, "_call", lambda name, *rest: (asked.append(name), call(name, *rest)))
    assert len(list_summaries(store, "flights")) == 12
    assert asked == ["GetContextsByType"]
