"""No room left on the disk, in every step; then there is room again, and `longhaul resume` goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.place import Place
from tests.zygote import Zygote

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_the_disk_is_full_in_every_step(tmp_path: Path, small_disk: Path, zygote: Zygote, undisturbed: Place) -> None:
    place = Place(tmp_path, zygote)
    place.workspace = small_disk / "workspace"
    steps = [step.node for step in undisturbed.latest().steps if step.node not in ("SeenSpans", "Champion")]
    for number, node in enumerate(steps):
        command = "resume" if number else "run"
        outcome = place.call(command, faults=[["fill_disk_at", node, str(small_disk), 0]])
        (small_disk / "ballast").unlink()
        assert outcome.code == 74, (node, outcome.text)
        assert f"the disk that holds the workspace {place.workspace} is full" in outcome.text
        assert "a bug of ours" not in outcome.text
        place.check_records()
    outcome = place.call("resume")
    assert outcome.code == 0, outcome.text
    place.check_records()
    assert place.result() == undisturbed.expected
    print(f"{len(steps)} full disks survived")
