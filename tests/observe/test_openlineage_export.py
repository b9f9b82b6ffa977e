"""Events sent to a real receiver on this machine, and to none."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.lineage.openlineage import events
from pipeline.lineage.runs import find_run
from pipeline.observe.openlineage_export import send
from tests.lineage.story import TUESDAY, tell
from tests.receiver import Receiver, listening


@pytest.fixture
def catalogue() -> Iterator[Receiver]:
    with listening() as server:
        yield server


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The events of a run of five steps, two of them cached."""
    story = tell(tmp_path_factory.mktemp("workspace"))
    return events(story.store, find_run(story.store, "cats", TUESDAY))


def test_a_catalogue_gets_start_and_end_of_the_run_and_of_its_steps(catalogue: Receiver, told: list[Any]) -> None:
    assert send(told, catalogue.address, "") == len(told) == 14
    assert {(taken.path, taken.headers.get("Authorization")) for taken in catalogue.taken} == {
        ("/api/v1/lineage", None)
    }
    got = sorted((taken.content["job"]["name"], taken.content["eventType"]) for taken in catalogue.taken)
    steps = ("CuratedSchema", "Evaluator", "Pusher", "StatisticsGen", "TableExampleGen", "Trainer")
    assert got == [
        (job, kind) for job in ("cats", *(f"cats.{step}" for step in steps)) for kind in ("COMPLETE", "START")
    ]


def test_the_key_goes_along(catalogue: Receiver, told: list[Any]) -> None:
    assert send(told[:1], f"{catalogue.address}/behind/", "k3y") == 1
    (taken,) = catalogue.taken
    assert (taken.path, taken.headers["Authorization"]) == ("/behind/api/v1/lineage", "Bearer k3y")


def test_what_a_catalogue_refuses_is_counted_and_not_logged(
    catalogue: Receiver, told: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    catalogue.status = 400
    assert send(told, catalogue.address, "") == 0
    assert [record for record in caplog.records if record.name.startswith("openlineage")] == []


def test_a_dead_catalogue_costs_two_seconds_at_most(told: list[Any], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, never answers
        port = mute.getsockname()[1]
        began = time.monotonic()
        assert send(told, f"http://127.0.0.1:{port}", "") == 0
        assert time.monotonic() - began < 30  # two on a machine with nothing else to do; for ever, if it waited
    assert send(told, f"http://127.0.0.1:{port}", "") == 0  # and this one refuses


def test_a_slow_catalogue_is_waited_for_as_long_as_it_takes_events(catalogue: Receiver, told: list[Any]) -> None:
    catalogue.slow_s = 1.0  # each; eight at a time, so that all together take longer than one pause may
    assert send(told * 2, catalogue.address, "") == 2 * len(told)
