"""Copies of the metadata store: whole while somebody writes, and stores of other versions named."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.commands.housekeeping import collect_garbage
from pipeline.errors import ConfigError, WorkspaceError
from pipeline.lineage import backup
from pipeline.lineage.backup import back_up
from pipeline.lineage.runs import find_run, list_runs
from pipeline.lineage.store import open_store
from tests.lineage.weeks import Weeks, cats


def test_a_copy_takes_the_place_of_a_lost_store(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    copy = tmp_path / "backups" / "metadata.db"
    back_up(weeks.config, copy)
    assert [path.name for path in copy.parent.iterdir()] == ["metadata.db"]
    store = weeks.config.root / "metadata.db"
    weeks.week(2)
    del weeks.store
    store.write_bytes(b"lost")
    store.unlink()
    copy.rename(store)  # as the documentation says
    restored = open_store(weeks.config)
    assert [run.run_id for run in list_runs(restored, "cats")] == [weeks.run_id(1)]
    assert len(find_run(restored, "cats", "latest").steps) == 6


def test_a_copy_is_whole_while_a_run_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "_PAGES_AT_ONCE", 1)
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    stop = threading.Event()

    def write() -> None:
        number = 2
        while not stop.is_set() and number < 28:
            weeks.failed(number)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            back_up(weeks.config, tmp_path / f"{number}.db")
    finally:
        stop.set()
        writer.join()
    for number in range(3):
        with closing(sqlite3.connect(tmp_path / f"{number}.db")) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            (orphans,) = copy.execute(
                "SELECT COUNT(*) FROM Event WHERE execution_id NOT IN (SELECT id FROM Execution)"
            ).fetchone()
            assert orphans == 0


def test_nobody_removes_a_copy_that_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`longhaul backup` holds no lock. Seen failing: `longhaul gc` took its half, and no backup was made."""
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    flush = backup.flush_file

    def collect_then_flush(hidden: Path) -> None:
        assert collect_garbage(weeks.config, None, None, apply=True).items == []
        flush(hidden)

    monkeypatch.setattr(backup, "flush_file", collect_then_flush)
    back_up(weeks.config, copy := weeks.config.root / "backups" / "metadata-20260101-000000.db")
    assert copy.exists()


def test_there_is_nothing_to_copy_yet(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="nothing has run in workspace"):
        back_up(cats(tmp_path / "none"), tmp_path / "copy.db")
    assert not (tmp_path / "none").exists()


def test_a_damaged_store_is_not_copied_over_a_good_copy(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    copy = tmp_path / "copy.db"
    back_up(weeks.config, copy)
    good = copy.read_bytes()
    (weeks.config.root / "metadata.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(WorkspaceError, match="file is not a database"):
        back_up(weeks.config, copy)
    assert copy.read_bytes() == good
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "workspace"]


def test_an_emptied_store_is_no_new_one(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    store, copy = weeks.config.root / "metadata.db", tmp_path / "workspace" / "backups" / "metadata-20260101-000000.db"
    copy.parent.mkdir()
    back_up(weeks.config, copy)
    store.write_bytes(b"")
    for use in (lambda: open_store(weeks.config), lambda: back_up(weeks.config, tmp_path / "second.db")):
        with pytest.raises(WorkspaceError, match="is empty, though `artifacts` holds") as caught:
            use()
        assert str(copy) in caught.value.remedy
    assert store.stat().st_size == 0


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("postgresql://ann@db.example:6543/runs", "`pg_dump --host=db.example --port=6543 --username=ann runs`"),
        (
            "mysql://ann@db.example/runs",
            "`mysqldump --single-transaction --host=db.example --port=3306 --user=ann -p runs`",
        ),
    ],
)
def test_a_server_is_backed_up_by_its_own_tool(tmp_path: Path, url: str, command: str) -> None:
    with pytest.raises(ConfigError) as caught:
        back_up(cats(tmp_path, metadata={"url": url}), tmp_path / "copy.db")
    assert caught.value.remedy == f"back them up with its own tool: {command}"


@pytest.mark.parametrize(
    ("version", "said", "remedy"),
    [
        (9, "database version 9 is older than library version 10", "`longhaul run` brings it up to date"),
        (99, "database version 99 is greater than library version 10", "use the Longhaul that wrote to it last"),
    ],
)
def test_a_store_of_another_version_is_named(tmp_path: Path, version: int, said: str, remedy: str) -> None:
    weeks = Weeks(tmp_path)
    with closing(sqlite3.connect(tmp_path / "metadata.db")) as file, file:
        file.execute("UPDATE MLMDEnv SET schema_version = ?", [version])
    with pytest.raises(WorkspaceError) as caught:
        open_store(weeks.config)
    assert said in caught.value.what
    assert caught.value.remedy.startswith(remedy)
