"""A workspace that cannot be written still holds a model that scores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.place import ROWS, Place

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount"),
]


def test_a_read_only_workspace_scores_and_what_writes_says_what_and_where(undisturbed: Place, tmp_path: Path) -> None:
    read_only = [["make_read_only", str(undisturbed.folder)]]
    undisturbed.zygote.start(
        undisturbed.argv("predict", str(undisturbed.folder / "table.csv"), "-o", str(tmp_path / "scored.csv")),
        tmp_path / "out.txt",
        read_only,
    )
    assert undisturbed.zygote.end() == 0, (tmp_path / "out.txt").read_text()
    said = (tmp_path / "out.txt").read_text()
    assert "cannot be written (Read-only file system); no log is kept" in said
    assert "not recorded: ML Metadata failed: attempt to write a readonly database" in said
    assert len((tmp_path / "scored.csv").read_text().splitlines()) == ROWS + 1
    refusals = {
        "run": "longhaul: workspace ",
        "schema approve --reviewer Ann --note fine --as-is": "longhaul: ",
        "backup": "longhaul: ",
    }
    for command, begins in refusals.items():
        undisturbed.zygote.start(undisturbed.argv(*command.split()), tmp_path / "out.txt", read_only)
        assert undisturbed.zygote.end() == 2, (tmp_path / "out.txt").read_text()
        said = (tmp_path / "out.txt").read_text()
        assert said.startswith(begins), said
        assert "Read-only file system" in said or "Permission denied" in said
        assert str(undisturbed.folder) in said
        assert "Remedy: " in said
