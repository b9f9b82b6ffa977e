"""A dead man's switch, as healthchecks.io has it: what it hears of a run, against a real receiver."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError
from rich.console import Console

from pipeline.config.notify import Ending, Notify
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import DataError, DiskFullError, LockedError, NotYetError, TimeLimitError, UnavailableError
from pipeline.observe import heartbeat
from pipeline.observe.after_run import told
from pipeline.observe.heartbeat import Heartbeat, signal_of
from tests.lineage.story import MONDAY, WEDNESDAY, settings, tell
from tests.receiver import Receiver, listening


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as server:
        yield server


def ends(workspace: Path, receiver: Receiver, run_id: str, error: BaseException | None = None) -> str:
    """A run that begins, unless it has no id, and ends so; what is printed."""
    config = PipelineConfig.model_validate(
        settings(workspace) | {"notify": {"heartbeat": f"{receiver.address}/ping/weekly?create=1"}}
    )
    console = Console(file=io.StringIO(), width=200)
    with suppress(*([type(error)] if error else [])), told(config, console) as about:
        if run_id:
            about.begins(run_id)
        if error:
            raise error
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


@pytest.mark.parametrize(
    ("run_id", "error", "paths"),
    [
        (MONDAY, None, ["/ping/weekly/start", "/ping/weekly"]),
        (WEDNESDAY, MemoryError("x"), ["/ping/weekly/start", "/ping/weekly/fail"]),
        (WEDNESDAY, KeyboardInterrupt(), ["/ping/weekly/start", "/ping/weekly/fail"]),
        ("", DataError("no such file"), ["/ping/weekly/fail"]),
        ("", NotYetError("span 7 is missing"), ["/ping/weekly/log"]),
        ("", KeyboardInterrupt(), []),
    ],
    ids=["complete", "failed", "interrupted", "refused", "not yet", "stopped before it began"],
)
def test_what_it_hears(
    tmp_path: Path, receiver: Receiver, run_id: str, error: BaseException | None, paths: list[str]
) -> None:
    tell(tmp_path)
    assert ends(tmp_path, receiver, run_id, error) == ""
    pings = [urlsplit(taken.path) for taken in receiver.taken]
    assert [ping.path for ping in pings] == paths
    queries = [parse_qs(ping.query) for ping in pings]
    assert all(query["create"] == ["1"] and uuid.UUID(query["rid"][0]) for query in queries)
    assert len({query["rid"][0] for query in queries}) == bool(paths)
    if paths:
        told_at_the_end: dict[str, Any] = receiver.taken[-1].content
        assert told_at_the_end["run_id"] == run_id
        assert told_at_the_end["ending"] == {MONDAY: "complete"}.get(
            run_id, "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        )


def test_every_ending_has_its_signal() -> None:
    signals = {ending: signal_of(ending, None) for ending in get_args(Ending)}
    good = {"complete": "", "waits_for_approval": ""}  # both with exit code 0
    assert signals == dict.fromkeys(signals, "fail") | good
    for error in (LockedError("x"), NotYetError("x"), UnavailableError("x"), TimeLimitError("x")):
        assert signal_of("failed", error) == "log"
    for error in (DataError("x"), DiskFullError(Path("x"))):
        assert signal_of("failed", error) == "fail"


def test_a_ping_that_is_lost_is_sent_again(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.status = 503

    def while_it_pauses(_: float) -> None:
        receiver.status = 200

    monkeypatch.setattr(heartbeat.time, "sleep", while_it_pauses)
    assert Heartbeat(Notify(heartbeat=receiver.address)).ping("", b"{}") == ""
    assert len(receiver.taken) == 2


@pytest.mark.parametrize(
    ("status", "says", "problem", "tries"),
    [
        (500, b"", "the receiver answered 500 Internal Server Error", 3),
        (404, b"", "the receiver answered 404 Not Found", 1),
        (200, b"OK (not found)", "the receiver answered OK (not found)", 1),  # of a check that it does not know
        (200, b"OK", "", 1),
    ],
)
def test_what_it_refuses_is_a_warning(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, status: int, says: bytes, problem: str, tries: int
) -> None:
    monkeypatch.setattr(heartbeat.time, "sleep", lambda _: None)
    monkeypatch.setenv("SWITCH", f"{receiver.address}/s3cret")
    receiver.status, receiver.says = status, says
    said = Heartbeat(Notify(heartbeat_env="SWITCH")).ping("fail", b"{}")
    assert said == (f"notify.heartbeat_env: {problem}" if problem else "")
    assert len(receiver.taken) == tries


def test_without_one_nothing_is_sent_and_an_unset_one_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCH", raising=False)
    assert Heartbeat(Notify()).ping("start", b"{}") == ""
    unset = Heartbeat(Notify(heartbeat_env="SWITCH")).ping("start", b"{}")
    assert unset == "notify.heartbeat_env: the environment variable SWITCH is not set"


def test_one_address_is_enough() -> None:
    with pytest.raises(ValidationError, match="give heartbeat or heartbeat_env, not both"):
        Notify(heartbeat="https://host/x", heartbeat_env="SWITCH")
