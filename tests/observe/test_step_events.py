"""The log of a run as JSON lines, written through Python's own logging."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.lineage.records import Step
from pipeline.lineage.runs import StepState
from pipeline.lineage.states import Outcome
from pipeline.observe.step_events import JsonLines, StepEvents, json_lines

LOG = logging.getLogger("cats")


@pytest.fixture(autouse=True)
def info() -> Iterator[None]:
    """The level that a run sets, and a handler like that of its readable log, which leaves traces in records."""
    root, readable = logging.getLogger(), logging.StreamHandler(io.StringIO())
    readable.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    before = root.level
    root.setLevel(logging.INFO)
    root.addHandler(readable)
    yield
    root.removeHandler(readable)
    root.setLevel(before)


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


class Fixed:
    """A meter that finds the same of every step."""

    def __init__(self, cost: dict[str, int] | Exception) -> None:
        self._cost = cost

    def begin(self, node: str) -> None:
        pass

    def end(self, step: Step) -> dict[str, int]:
        if isinstance(self._cost, Exception):
            raise self._cost
        return self._cost


def events(lines: JsonLines, cost: dict[str, int] | None = None) -> StepEvents:
    return StepEvents(lines, Fixed(cost or {}))


def test_every_record_is_one_line(tmp_path: Path) -> None:
    with json_lines(tmp_path / "r1.jsonl", "r1"):
        LOG.info("%d cats\npurr", 2)
        LOG.debug("not this")
        try:
            raise ValueError("no cat")
        except ValueError:
            LOG.exception("it failed", extra={"cats": 0})
    LOG.info("nor this")
    told, failed = read(tmp_path / "r1.jsonl")
    time = datetime.fromisoformat(told.pop("time"))
    assert time.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)
    assert told == {"level": "INFO", "logger": "cats", "run_id": "r1", "step": None, "message": "2 cats\npurr"}
    assert (failed["level"], failed["message"], failed["cats"]) == ("ERROR", "it failed", 0)
    assert failed["exception"].startswith("Traceback")
    assert failed["exception"].endswith("ValueError: no cat")


def test_steps_are_told_with_what_they_cost(tmp_path: Path) -> None:
    cost = {"rows": 100, "bytes": 2048, "peak_rss_bytes": 4096}
    with json_lines(tmp_path / "r1.jsonl", "r1") as lines:
        watcher = events(lines, cost)
        watcher.planned(["Trainer"])
        watcher.started("Trainer")
        LOG.info("epoch 1")
        watcher.retrying("Trainer", "OSError: gone", 5.0)
        watcher.finished(Step("Trainer", StepState.DONE, 1.23456, 7))
        LOG.info("afterwards")
    told = [
        {k: v for k, v in line.items() if k not in ("time", "run_id", "logger")} for line in read(tmp_path / "r1.jsonl")
    ]
    assert told == [
        {"level": "INFO", "step": None, "message": "1 steps", "event": "planned", "steps": ["Trainer"]},
        {"level": "INFO", "step": "Trainer", "message": "Trainer started", "event": "started"},
        {"level": "INFO", "step": "Trainer", "message": "epoch 1"},
        {
            "level": "WARNING", "step": "Trainer", "message": "Trainer failed (OSError: gone); once more in 5 s",
            "event": "retrying", "wait_s": 5.0,
        },
        {
            "level": "INFO", "step": "Trainer", "message": "Trainer done after 1.2 s", "event": "finished",
            "state": "done", "seconds": 1.235, **cost,
        },
        {"level": "INFO", "step": None, "message": "afterwards"},
    ]  # fmt: skip


def test_a_line_is_of_the_step_whose_thread_logs(tmp_path: Path) -> None:
    def in_thread(name: str, work: Any) -> None:
        thread = threading.Thread(target=work, name=name)
        thread.start()
        thread.join()

    with json_lines(tmp_path / "r1.jsonl", "r1") as lines:
        watcher = events(lines)
        watcher.started("Trainer")
        in_thread("of Trainer alone", lambda: LOG.info("whoever is at work"))

        def beside() -> None:
            watcher.started("DataGate")
            LOG.info("the gate")
            in_thread("of either", lambda: LOG.info("who knows"))
            watcher.finished(Step("DataGate", StepState.DONE, 1.0, 8))

        in_thread("beside", beside)
        LOG.info("the trainer")
    steps = {line["message"]: line["step"] for line in read(tmp_path / "r1.jsonl") if line["logger"] == "cats"}
    assert steps == {
        "whoever is at work": "Trainer", "the gate": "DataGate", "who knows": None, "the trainer": "Trainer",
    }  # fmt: skip


def test_a_cost_that_cannot_be_measured_is_a_warning(tmp_path: Path) -> None:
    with json_lines(tmp_path / "r1.jsonl", "r1") as lines:
        StepEvents(lines, Fixed(OSError("the store is gone"))).finished(Step("Trainer", StepState.DONE, 1.0, 7))
    warning, finished = read(tmp_path / "r1.jsonl")
    assert (warning["level"], warning["message"]) == ("WARNING", "Trainer: what it cost could not be measured")
    assert (finished["event"], finished["state"]) == ("finished", "done")


def test_a_step_that_did_nothing_says_why(tmp_path: Path) -> None:
    with json_lines(tmp_path / "r1.jsonl", "r1") as lines:
        told = Outcome(StepState.SKIPPED, "not blessed")
        StepEvents(lines).finished(Step("Pusher", StepState.DONE, 0.1, 7, told=told))
    (finished,) = read(tmp_path / "r1.jsonl")
    assert (finished["state"], finished["reason"]) == ("skipped", "not blessed")
    assert finished["message"] == "Pusher skipped: not blessed after 0.1 s"


def test_a_full_disk_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with json_lines(Path("/dev/full"), "r1"):
        LOG.info("lost")
    assert "No space left on device" in capsys.readouterr().err  # which is the readable log, while a run is at work
