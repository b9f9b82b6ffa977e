"""Who is told of an alarm, and when: once, once more if it calls a person and stays, nobody while it is silenced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.commands.watch import silence
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.watch import Watch
from pipeline.files import locked
from pipeline.terminal.watched import print_watched
from pipeline.watch.alarm_life import merged, silenced
from pipeline.watch.alarms import PAGE, TICKET, Alarm
from pipeline.watch.state import opened
from pipeline.watch.watched import Watched

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
HARM = Alarm("harmful:7", "harmful", PAGE, "7", "2026-01-05", "2026-01-05", "it loses more")
GAP = Alarm("log_gap", "log_gap", TICKET, "", "2026-01-05", "2026-01-05", "no row")


class Desk:
    """Looks hour by hour; what is to be told reaches people, if they are there."""

    def __init__(self) -> None:
        self.alarms: dict[str, Alarm] = {}

    def look(self, hour: float, *found: Alarm, reached: bool = True) -> list[tuple[str, str]]:
        self.alarms, tell = merged(self.alarms, found, Watch(), BEGIN + timedelta(hours=hour))
        if reached:
            self.alarms |= {one.key: replace(one, told=event) for event, one in tell}
        return [(event, one.key) for event, one in tell]

    def silence(self, key: str, until: float) -> None:
        self.alarms[key] = silenced(self.alarms[key], BEGIN + timedelta(hours=until), "known")


def test_each_is_told_once_and_a_page_that_stays_once_more() -> None:
    desk = Desk()
    assert desk.look(0, HARM, GAP) == [("opened", "harmful:7"), ("opened", "log_gap")]
    assert desk.look(1, HARM, GAP) == []
    assert desk.look(25, HARM, GAP) == [("escalated", "harmful:7")]
    assert desk.look(50, HARM, GAP) == []
    assert desk.look(51) == [("closed", "harmful:7"), ("closed", "log_gap")]
    assert desk.look(52) == []
    assert desk.look(53, HARM) == [("opened", "harmful:7")]  # it is a new one
    assert desk.alarms["harmful:7"].opened == "2026-01-07T05:00:00+00:00"


def test_nobody_is_told_while_it_is_silenced_and_what_happened_is_told_after() -> None:
    desk = Desk()
    desk.look(0, HARM)
    desk.silence("harmful:7", 48)
    assert desk.look(30, HARM) == []
    assert desk.look(49, HARM) == [("escalated", "harmful:7")]
    desk.silence("harmful:7", 72)
    assert desk.look(50) == []
    assert desk.look(73) == [("closed", "harmful:7")]


def test_who_was_not_reached_is_told_at_the_next_look() -> None:
    desk = Desk()
    assert desk.look(0, HARM, reached=False) == [("opened", "harmful:7")]
    assert desk.look(1, HARM) == [("opened", "harmful:7")]
    assert desk.look(2, reached=False) == desk.look(3) == [("closed", "harmful:7")]


def test_a_ticket_that_comes_to_call_a_person_does_so_at_once() -> None:
    """As harm that was taken for that of a season."""
    desk = Desk()
    desk.look(0, replace(HARM, severity=TICKET))
    assert desk.look(1, HARM) == [("opened", "harmful:7")]
    assert desk.look(2, HARM) == []
    assert desk.look(26, HARM) == [("escalated", "harmful:7")]
    assert desk.look(27, replace(HARM, severity=TICKET)) == []  # milder news wakes nobody


def test_a_silence_that_is_over_keeps_no_exit_code_at_zero() -> None:
    silent = silenced(HARM, BEGIN + timedelta(hours=48), "known")

    def calls(hour: float) -> bool:
        return Watched([], [], [silent], [], [], "", now=BEGIN + timedelta(hours=hour)).calls

    assert (calls(47), calls(49)) == (False, True)


def test_a_silence_that_is_over_is_shown_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    silent = silenced(HARM, BEGIN + timedelta(hours=48), "known")

    def printed(hour: float) -> str:
        seen = Watched([], [], [silent], [], [], "", now=BEGIN + timedelta(hours=hour))
        print_watched(seen, as_json=False)
        return capsys.readouterr().out

    assert "silenced until 2026-01-07T00:00:00+00:00: known" in printed(47)
    assert "silenced" not in printed(49)
    assert "harmful:7" in printed(49)


def test_a_silence_waits_for_a_look_that_would_write_over_it(tmp_path: Path) -> None:
    config = PipelineConfig.model_construct(workspace=str(tmp_path), name="toys")
    folder = tmp_path / "watch" / "toys"
    with opened(folder / "state.db") as state:
        state.put_alarm(HARM.key, HARM.to_json())
    with ThreadPoolExecutor() as others:
        with locked(folder / ".lock"), opened(folder / "state.db") as look:
            before = look.alarms()[HARM.key]
            asked = others.submit(silence, config.watch_folder, HARM.key, "2d", "known")
            with pytest.raises(TimeoutError):
                asked.result(0.5)
            look.put_alarm(HARM.key, before)
        asked.result(20)
    with opened(folder / "state.db") as state:
        assert state.alarms()[HARM.key]["reason"] == "known"
