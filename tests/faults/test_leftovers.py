"""Rows in temporary files go with the run, also when it is killed: the next command finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.place import Place

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1200)]


def with_rows(folder: Path) -> list[Path]:
    """The files that hold a value of the table as a row does."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if path.suffix != ".py" and b"green" in path.read_bytes()]


def test_no_row_is_left_in_temporary_files_by_a_run_that_was_killed(place: Place, tmp_path: Path) -> None:
    system = tmp_path / "system"
    system.mkdir()
    outcome = place.call("run", faults=[["kill_while_probing", str(system)]])
    assert outcome.code == -9, outcome.text
    assert list(system.iterdir()) == []  # nothing of a run lies elsewhere
    (left,) = (path for path in (place.workspace / "tmp").iterdir() if path.is_dir())
    assert with_rows(left)
    assert {path.stat().st_mode & 0o077 for path in (left, left.parent)} == {0}
    named = place.call("doctor")
    assert f"{left}: of commands that were killed, and may hold rows" in named.text
    assert "temporary files" in place.call("gc").text
    assert left.exists()
    collected = place.call("gc", "--apply")
    assert collected.code == 0, collected.text
    assert not left.exists()
    assert [path for path in (place.workspace / "tmp").iterdir() if path.is_dir()] == []
    assert place.call("resume").code == 0
    assert [path for path in (place.workspace / "tmp").iterdir() if path.is_dir()] == []
    approve = ("schema", "approve", "--as-is", "--reviewer", "Ann", "--note", "looked at it")
    for moment in (0, 2):  # of a command that changes files and what is on record
        killed = place.call(*approve, faults=[["kill_at_change", moment, str(place.folder)]])
        assert killed.code == -9, killed.text
    approved = place.call(*approve)
    assert approved.code == 0, approved.text
    assert "Ann" in place.call("schema", "history").text
