"""What is told of a run, and that telling never changes how the run ends."""

from __future__ import annotations

import io
import json
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import DataError
from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run
from pipeline.observe.after_run import news, told
from pipeline.observe.notifications import News
from tests.lineage.story import MONDAY, WEDNESDAY, settings, tell

EVERY = ["failed", "interrupted", "blocked", "not_blessed", "infra_refused", "complete"]


def config(workspace: Path, **sections: Any) -> PipelineConfig:
    return PipelineConfig.model_validate(settings(workspace) | sections)


def keeping(workspace: Path) -> dict[str, Any]:
    """Settings whose command keeps the news in the file `news`."""
    program = f"import sys; open({str(workspace / 'news')!r}, 'a').write(sys.stdin.read() + '\\n')"
    return {"notify": {"command": [sys.executable, "-c", program], "on": EVERY}}


def kept(workspace: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (workspace / "news").read_text().splitlines()]


def a_run(folder: Path, status: str = "complete", reason: str = "", **files: dict[str, Any]) -> Run:
    """A run whose artifacts hold verdicts: `Evaluator={…}`, `InfraCheck={…}`."""
    kinds = {"Evaluator": ("ModelEvaluation", "verdict.json"), "InfraCheck": ("InfraBlessing", "infra.json")}
    artifacts = {}
    for node, content in files.items():
        kind, file = kinds[node]
        (folder / node).mkdir()
        (folder / node / file).write_text(json.dumps(content))
        artifacts[node] = [Artifact(kind, str(folder / node), {})]
    return Run("r1", "cats", status, "2026-01-05T08:00:00+00:00", 61.0, reason, {}, artifacts=artifacts)


# What is told


def test_a_run_that_got_through(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "r1.html").touch()
    verdict = {"blessed": True, "failures": [], "metrics": {"auc": 0.7, "calibration": None}}
    infra = {"blessed": True, "checked": True, "failures": []}
    run = a_run(tmp_path, Evaluator=verdict, InfraCheck=infra)
    run.properties["pushed_version"] = "100"
    assert news("cats", tmp_path, run) == News(
        pipeline="cats", ending="complete", run_id="r1", reason="", started="2026-01-05T08:00:00+00:00", seconds=61.0,
        metrics={"auc": 0.7}, pushed_version="100", workspace=str(tmp_path),
        report=str(tmp_path / "reports" / "r1.html"), log="",
    )  # fmt: skip


def test_a_model_that_is_not_blessed(tmp_path: Path) -> None:
    verdict = {"blessed": False, "failures": ["auc 0.5 < 0.6", "log_loss is high"], "metrics": {"auc": 0.5}}
    told_of = news("cats", tmp_path, a_run(tmp_path, Evaluator=verdict))
    assert (told_of.ending, told_of.reason) == ("not_blessed", "auc 0.5 < 0.6\nlog_loss is high")
    assert told_of.metrics == {"auc": 0.5}


def test_a_model_that_is_not_fit_to_serve(tmp_path: Path) -> None:
    infra = {"blessed": False, "checked": True, "failures": ["p99 of 80 ms"]}
    verdict = {"blessed": True, "failures": [], "metrics": {}}
    told_of = news("cats", tmp_path, a_run(tmp_path, Evaluator=verdict, InfraCheck=infra))
    assert (told_of.ending, told_of.reason) == ("infra_refused", "p99 of 80 ms")


def test_data_that_the_gate_blocked_and_a_run_that_failed(tmp_path: Path) -> None:
    blocked = news("cats", tmp_path, a_run(tmp_path, "blocked", "purrs is new"))
    assert (blocked.ending, blocked.reason) == ("blocked", "purrs is new")
    failed = news("cats", tmp_path, a_run(tmp_path, "failed", "no memory"), MemoryError())
    assert (failed.ending, failed.reason) == ("failed", "no memory")


# When, and what comes of it


def run_ends(config: PipelineConfig, run_id: str = "", error: BaseException | None = None) -> str:
    """What is printed while a run ends so."""
    console = Console(file=io.StringIO(), width=200)
    with suppress(*([type(error)] if error else [])), told(config, console) as about:
        about.run_id = run_id
        if error:
            raise error
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_the_news_of_a_run_on_record(tmp_path: Path) -> None:
    tell(tmp_path)
    assert run_ends(config(tmp_path, **keeping(tmp_path)), WEDNESDAY, MemoryError("x")) == ""
    assert run_ends(config(tmp_path, **keeping(tmp_path)), MONDAY) == ""
    assert [(one["run_id"], one["ending"], one["reason"]) for one in kept(tmp_path)] == [
        (WEDNESDAY, "failed", "<b>no</b> memory"),
        (MONDAY, "complete", ""),
    ]


def test_a_run_that_failed_before_it_was_on_record(tmp_path: Path) -> None:
    said = run_ends(config(tmp_path, **keeping(tmp_path)), error=DataError("cats.csv: no such file", "give one"))
    assert said == ""
    ((one),) = kept(tmp_path)
    assert (one["run_id"], one["ending"], one["reason"]) == ("", "failed", "cats.csv: no such file")


def test_a_run_stopped_from_the_keyboard_is_told_of_once_it_was_on_record(tmp_path: Path) -> None:
    tell(tmp_path)
    run_ends(config(tmp_path, **keeping(tmp_path)), error=KeyboardInterrupt())
    assert not (tmp_path / "news").exists()
    run_ends(config(tmp_path, **keeping(tmp_path)), WEDNESDAY, KeyboardInterrupt())
    assert [(one["run_id"], one["ending"]) for one in kept(tmp_path)] == [(WEDNESDAY, "interrupted")]


def test_whoever_stops_a_run_does_not_wait_for_those_who_do_not_answer(tmp_path: Path) -> None:
    tell(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, never answers
        address = f"http://127.0.0.1:{mute.getsockname()[1]}"
        sections = {
            "observe": {"openlineage_url": address},
            "notify": {"webhook": address, "command": ["sleep", "60"], "timeout_s": 60},
        }
        began = time.monotonic()
        said = run_ends(config(tmp_path, **sections), WEDNESDAY, KeyboardInterrupt())
    assert time.monotonic() - began < 60  # five on a machine with nothing else to do; each of them would take 60
    assert said.splitlines() == [
        "Warning   observe.openlineage_url: the catalogue took 0 of 10 events",
        "Warning   notify.webhook: no answer (TimeoutError)",
        "Warning   notify.command: sleep was stopped after 1.5 s",
    ]


def test_nothing_is_done_unless_the_configuration_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.observe.after_run._warnings", None)  # calling it would be a warning
    assert run_ends(config(tmp_path), error=DataError("x")) == ""


def test_what_goes_wrong_is_a_warning_also_in_the_log(tmp_path: Path) -> None:
    tell(tmp_path)
    log = tmp_path / "logs" / f"{MONDAY}.log"
    log.parent.mkdir()
    log.write_text("all is well\n")
    sections = {
        "observe": {"openlineage_url": "http://127.0.0.1:1"},
        "notify": {"command": ["false"], "on": EVERY},
    }
    said = run_ends(config(tmp_path, **sections), MONDAY)
    lines = [
        "observe.openlineage_url: the catalogue took 0 of 14 events",
        "notify.command: false ended with 1",
    ]
    assert said.splitlines() == [f"Warning   {line}" for line in lines]
    assert log.read_text().splitlines() == ["all is well", *lines]


def test_a_store_that_is_gone_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "metadata.db").write_bytes(b"not a database" * 100)
    run_ends(config(tmp_path, **keeping(tmp_path)), MONDAY, DataError("the store is damaged"))
    assert [(one["ending"], one["reason"]) for one in kept(tmp_path)] == [("failed", "the store is damaged")]
