"""What a whole run leaves and says: JSON lines, what each step cost, a catalogue and people that were told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.loading import load
from pipeline.lineage.runs import list_runs
from pipeline.lineage.store import open_store
from tests.receiver import Receiver, listening

pytestmark = [pytest.mark.slow, pytest.mark.in_order]

Longhaul = Callable[..., Any]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with listening() as server:
        yield server


@pytest.fixture(scope="module")
def config_file(
    small_pipeline: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> Path:
    """A pipeline of a few columns and months that asks for too good a model; it tells of its runs."""
    return small_pipeline(
        tmp_path_factory.mktemp("observe"),
        *("01", "11"),
        evaluation={"thresholds": {"auc": {"at_least": 0.999}}},
        observe={"openlineage_url": receiver.address},
        notify={"webhook_env": "LONGHAUL_TEST_HOOK"},
    )


@pytest.fixture(autouse=True)
def hook(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    monkeypatch.setenv("LONGHAUL_TEST_HOOK", f"{receiver.address}/s3cret")
    receiver.taken.clear()


def run_and_read(longhaul: Longhaul, config_file: Path) -> tuple[Any, Path, list[dict[str, Any]]]:
    """Outcome, readable log and JSON lines of a new run."""
    outcome = longhaul("run", "--config", config_file)
    config = load(config_file)
    log = config.root / "logs" / f"{list_runs(open_store(config), config.name)[0].run_id}.log"
    return outcome, log, [json.loads(line) for line in log.with_suffix(".jsonl").read_text().splitlines()]


def test_a_run_that_is_not_blessed(longhaul: Longhaul, config_file: Path, receiver: Receiver) -> None:
    outcome, log, lines = run_and_read(longhaul, config_file)
    assert outcome.code == 1, outcome.text
    assert "Warning" not in outcome.text
    run_id = log.stem
    assert {line["run_id"] for line in lines} == {run_id}

    finished = {line["step"]: line for line in lines if line.get("event") == "finished"}
    assert {line["step"] for line in lines if line.get("event") == "started"} == finished.keys()
    assert {"TableExampleGen", "Transform", "Trainer", "Evaluator"} < finished.keys()
    examples, trainer = finished["TableExampleGen"], finished["Trainer"]
    assert (examples["state"], examples["rows"]) == ("done", 3000)
    assert 1_000 < examples["bytes"] < 10_000_000
    assert 2**28 < trainer["peak_rss_bytes"] < 2**35
    assert any(line["step"] == "Trainer" and "event" not in line for line in lines)

    shown = json.loads(longhaul("show", "--json", "--config", config_file).text)
    recorded = {step["node"]: step["properties"] for step in shown["steps"]}
    for name in ("rows", "bytes", "peak_rss_bytes"):
        assert recorded["TableExampleGen"][name] == examples[name]

    (told,) = [taken for taken in receiver.taken if taken.path == "/s3cret"]
    assert (told.content["ending"], told.content["run_id"]) == ("not_blessed", run_id)
    assert "auc" in told.content["reason"]
    assert Path(told.content["report"]).exists()
    sent = [taken.content for taken in receiver.taken if taken.path == "/api/v1/lineage"]
    of_run = [event["eventType"] for event in sent if event["job"]["name"] == load(config_file).name]
    assert sorted(of_run) == ["COMPLETE", "START"]
    assert len(sent) == 2 + 2 * len(shown["steps"])
    for file in log.parent.iterdir():
        assert "s3cret" not in file.read_text()


def test_the_same_again(longhaul: Longhaul, config_file: Path, receiver: Receiver) -> None:
    outcome, _, lines = run_and_read(longhaul, config_file)
    assert outcome.code == 1, outcome.text
    states = {line["step"]: line["state"] for line in lines if line.get("event") == "finished"}
    assert {step for step, state in states.items() if state == "skipped"} == {"InfraCheck", "Pusher"}  # not blessed
    assert set(states.values()) == {"cached", "skipped"}
    shown = json.loads(longhaul("show", "--json", "--config", config_file).text)
    (examples,) = [step["properties"] for step in shown["steps"] if step["node"] == "TableExampleGen"]
    assert examples["rows"] == 3000
    assert "peak_rss_bytes" not in examples
    assert [taken.content["ending"] for taken in receiver.taken if taken.path == "/s3cret"] == ["not_blessed"]


def test_a_run_that_fails_at_once(longhaul: Longhaul, config_file: Path, receiver: Receiver) -> None:
    table = config_file.parent / "table"
    table.rename(table.with_name("elsewhere"))
    receiver.status = 500
    try:
        outcome = longhaul("run", "--config", config_file)
    finally:
        table.with_name("elsewhere").rename(table)
        receiver.status = 201
    assert outcome.code == 2
    assert "notify.webhook_env: the receiver answered 500 Internal Server Error" in outcome.text
    ((told),) = receiver.taken
    assert (told.content["ending"], told.content["run_id"]) == ("failed", "")
    assert str(table) in told.content["reason"]
