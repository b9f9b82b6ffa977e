"""The workspace: its folders, and a lock that keeps a second run out and never outlives its process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import LockedError, WorkspaceError
from pipeline.workspace.identity import own_id, read_id, workspace_id
from pipeline.workspace.lock import FOLDERS, Wait, locked, serving_locked

HOLD = """
import sys
from pathlib import Path
from pipeline.workspace import lock
with getattr(lock, sys.argv[2])(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_run(workspace: Path, which: str = "locked") -> Iterator[subprocess.Popen[str]]:
    """A second process that holds the lock `which` until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(workspace), which], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(timeout=300)
        process.stdout.close()


def test_the_folders_are_made(tmp_path: Path) -> None:
    with locked(tmp_path / "new" / "workspace"):
        assert {path.name for path in (tmp_path / "new" / "workspace").iterdir()} == {*FOLDERS, ".lock"}


def test_a_second_run_is_refused_and_told_who_is_at_work(tmp_path: Path) -> None:
    with other_run(tmp_path) as process:
        with pytest.raises(WorkspaceError) as caught, locked(tmp_path):
            pytest.fail("two runs in one workspace")
        assert caught.value.what.startswith(f"another run (process {process.pid}, since 20")
        assert caught.value.what.endswith(f": -c {tmp_path} locked) is at work in {tmp_path}")
        assert "--workspace" in caught.value.remedy
        with locked(tmp_path / "another"):
            pass
    with locked(tmp_path):  # the other run has ended
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()


def test_who_waits_is_told_for_whom_and_comes_next(tmp_path: Path) -> None:
    told = []
    with other_run(tmp_path) as process:

        def tell(behind: str) -> None:
            told.append(behind)
            process.kill()  # not before: now this test stands in line

        with locked(tmp_path, Wait(None, tell)):
            # The system frees the lock first, and makes a corpse of the process an instant later.
            assert process.wait(timeout=300) == -signal.SIGKILL
    assert len(told) == 1
    assert told[0].startswith(f"another run (process {process.pid}, since 20")


def test_who_waits_for_so_long_at_most_is_told_in_the_end(tmp_path: Path) -> None:
    told: list[str] = []
    with other_run(tmp_path) as process:
        began = time.monotonic()
        with pytest.raises(LockedError) as caught, locked(tmp_path, Wait(0.3, told.append)):
            pytest.fail("two runs in one workspace")
        assert 0.3 <= time.monotonic() - began < 5
    assert caught.value.exit_code == 75
    assert caught.value.what.startswith(f"another run (process {process.pid}, since 20")
    assert caught.value.what.endswith("; waited 0.3 s")
    assert len(told) == 1


def test_the_short_lock_is_another_one(tmp_path: Path) -> None:
    with other_run(tmp_path), serving_locked(tmp_path, Wait(0)):
        with pytest.raises(LockedError, match="another command"), serving_locked(tmp_path, Wait(0)):
            pytest.fail("two at once")
        assert not (tmp_path / "serving" / "toy").exists()


def test_a_number_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / ".workspace").write_bytes(b"\xff\x00")
    assert read_id(tmp_path) == ""
    assert own_id(tmp_path) == read_id(tmp_path) != ""


def test_a_copy_of_a_workspace_is_another_one(tmp_path: Path) -> None:
    with locked(tmp_path / "a"):
        first = workspace_id(tmp_path / "a")
        assert workspace_id(tmp_path / "a") == first
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with locked(tmp_path / "b"):
        assert workspace_id(tmp_path / "b") != first


def test_the_lock_goes_with_a_killed_process(tmp_path: Path) -> None:
    with other_run(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=300)
        with locked(tmp_path):
            pass


def test_the_lock_goes_with_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        _ = 1 / 0
    with other_run(tmp_path):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkspaceError) as caught, locked(tmp_path / "file"):
        pytest.fail("a file is no workspace")
    assert caught.value.what == f"workspace {tmp_path / 'file'} cannot be written: Not a directory"
    with (
        pytest.raises(WorkspaceError, match="workspace /proc/longhaul cannot be written"),
        locked(Path("/proc/longhaul")),
    ):
        pytest.fail("/proc is no workspace")


def test_relocate_waits_for_so_long_at_most(tmp_path: Path) -> None:
    """Whoever is told of `--wait` has it."""
    (tmp_path / "metadata.db").touch()
    with other_run(tmp_path):
        asked = CliRunner().invoke(app, ["relocate", "--wait=1s", "--workspace", str(tmp_path)])
    assert isinstance(asked.exception, LockedError)
    assert asked.exception.what.endswith("; waited 1 s")
