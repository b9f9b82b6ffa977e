"""No room left on the disk, in every step; then there is room again, and `longhaul resume` goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.lineage.runs import StepState
from tests.faults.place import Place
from tests.zygote import Zygote

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1200)]


def test_the_disk_is_full_in_every_step(
    tmp_path: Path, small_disk: Callable[[Path, str], Path], zygote: Zygote, undisturbed: Place
) -> None:
    disk, place = small_disk(tmp_path / "disk", "48m"), Place(tmp_path, zygote)
    place.workspace = disk / "workspace"
    steps = [step.node for step in undisturbed.latest().steps if step.node not in ("SeenSpans", "Champion")]
    full = f"the disk that holds the workspace {place.workspace} is full"
    for number, node in enumerate(steps):
        command = "resume" if number else "run"
        outcome = place.call(command, faults=[["fill_disk_at", node, str(disk), 0]])
        (disk / "ballast").unlink()
        assert outcome.code == 74, (node, outcome.text)
        assert full in outcome.text
        assert "a bug of ours" not in outcome.text
        run, states = place.latest(), place.states()
        assert (run.status, (run.reason or "").startswith(full)) == ("failed", True)
        assert states[node] == StepState.FAILED
        assert {states[earlier] for earlier in steps[:number]} <= {StepState.DONE, StepState.CACHED}
        place.check_records()
    outcome = place.call("resume")
    assert outcome.code == 0, outcome.text
    place.check_records()
    assert place.result() == undisturbed.expected
    print(f"{len(steps)} full disks survived")
