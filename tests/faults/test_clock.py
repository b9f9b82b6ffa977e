"""The clock is set back, and far ahead: runs, versions and records stay in order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.place import Place
from tests.zygote import Zygote

SLEEP = [["sleep_without_clock"]]
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.extra]


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """What stands in it is added to the time, in every process of `skewed`."""
    return tmp_path / "clock"


@pytest.fixture
def skewed(clock: Path) -> Iterator[Zygote]:
    root = os.environ.get("LONGHAUL_FAKETIME", "/")
    library = Path(root, "usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
    if not library.exists():
        pytest.skip(f"no libfaketime here: {library} is missing (apt: libfaketime)")
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
    }  # fmt: skip
    zygote = Zygote(os.environ | faked)
    yield zygote
    zygote.close()


def test_the_clock_jumps(tmp_path: Path, clock: Path, skewed: Zygote, undisturbed: Place) -> None:
    place = Place(tmp_path, skewed)
    assert place.call("run", faults=SLEEP).code == 0
    assert place.result() == undisturbed.expected
    versions = [place.latest().pushed]

    clock.write_text("-3d")
    place.write_config(trainer={"epochs": 2})
    assert place.call("run", faults=[*SLEEP, ["kill_at", "Evaluator", "start"]]).code == -9
    clock.write_text("-400d")
    outcome = place.call("resume", faults=SLEEP)
    assert outcome.code == 0, outcome.text
    place.check_records()
    versions.append(place.latest().pushed)

    clock.write_text("+400d")
    place.write_config(trainer={"epochs": 1})
    outcome = place.call("run", faults=SLEEP)
    assert outcome.code == 0, outcome.text
    versions.append(place.latest().pushed)
    clock.write_text("+0")
    outcome = place.call("run", faults=SLEEP)
    assert outcome.code == 0, outcome.text
    assert "loading" not in outcome.text  # nothing has changed since the last run, and that is the last

    newest_first = place.runs()
    assert [run.status for run in newest_first] == ["complete", "complete", "complete", "interrupted", "complete"]
    contexts = {c.name: c.id for c in place.store.get_contexts_by_type("pipeline_run")}
    assert [run.run_id for run in newest_first] == sorted(contexts, key=contexts.__getitem__, reverse=True)
    assert all(0 <= run.seconds < 600 for run in newest_first)
    numbers = [int(Path(version or "").name) for version in versions]
    assert numbers == sorted(set(numbers))
    place.check_records()
