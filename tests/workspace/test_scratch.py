"""Folders for temporary files: private, one for each command, and gone with it or with whoever comes next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from pipeline.errors import WorkspaceError
from pipeline.lineage import garbage, removal
from pipeline.workspace.guard import processes_of
from pipeline.workspace.scratch import abandoned, scratch, sweep
from tests.lineage.weeks import Weeks
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
CHILD = """
import sys, tempfile, pathlib
from pipeline.workspace.guard import processes_of
from pipeline.workspace.scratch import scratch
with scratch(pathlib.Path(sys.argv[1])):
    pathlib.Path(tempfile.mkdtemp(), "rows").write_text("a row")
    print("written", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process at work that has written a row."""
    command = [sys.executable, "-c", CHILD, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == "written\n"
        yield process
        process.kill()


@pytest.fixture(autouse=True)
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder for temporary files."""
    folder = tmp_path / "system"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "workspace"
    root.mkdir()
    return root


def test_temporary_files_lie_in_a_private_folder_that_goes(root: Path, system: Path) -> None:
    with scratch(root) as folder:
        assert folder.parent == root / "tmp"
        assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}
        assert Path(tempfile.mkdtemp()).parent == folder
        asked = [sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"]
        assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() == str(folder)
    assert not folder.exists()
    assert (tempfile.gettempdir(), os.environ["TMPDIR"]) == (str(system), str(system))
    with pytest.raises(ZeroDivisionError), scratch(root) as folder:
        _ = 1 / 0
    assert not folder.exists()


def test_who_comes_next_removes_what_a_killed_one_left_and_no_more(root: Path) -> None:
    with another(root) as living, another(root) as killed:
        assert abandoned(root) == []
        killed.send_signal(signal.SIGKILL)
        killed.wait(timeout=30)
        (left,) = abandoned(root)
        assert list(left.rglob("rows"))
        with scratch(root):
            assert not left.exists()
            (own, other) = sorted(
                (path for path in (root / "tmp").iterdir() if path.is_dir()),
                key=lambda path: str(living.pid) in path.name,
            )
            assert own.name.startswith(f"{os.getpid()}-")
            assert list(other.rglob("rows"))


def test_a_workspace_that_cannot_be_written_has_its_temporary_files_elsewhere(system: Path) -> None:
    with scratch(Path("/proc")) as folder:
        assert folder.parent == system / f"longhaul-{os.getuid()}"
        assert folder.parent.stat().st_mode & 0o777 == 0o700
    with another(Path("/proc")) as killed:
        killed.send_signal(signal.SIGKILL)
        killed.wait(timeout=30)
    assert len(abandoned(Path("/proc"))) == 1
    sweep(Path("/proc"))
    assert abandoned(Path("/proc")) == []


def test_the_workspace_will_do_where_the_system_has_no_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with scratch(root) as folder:
        assert folder.parent == root / "tmp"
    assert abandoned(root) == []


def test_a_folder_that_another_has_laid_out_is_not_taken(system: Path, tmp_path: Path) -> None:
    (tmp_path / "trap").mkdir()
    (system / f"longhaul-{os.getuid()}").symlink_to(tmp_path / "trap")
    with pytest.raises(WorkspaceError, match="no folder for temporary files can be written"), scratch(Path("/proc")):
        pytest.fail("not in the trap")
    assert list((tmp_path / "trap").iterdir()) == []


def test_gc_takes_what_belongs_to_no_run_and_is_old(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "here")
    weeks.week(1)
    root = weeks.config.root
    old = [
        *(root / "logs" / name for name in ("predict-20260101-000000-000000.log", "20250101-000000-000.log")),
        *(root / "logs" / name for name in ("20250101-000000-000.jsonl", "job-server-flink.log")),
        root / "backups" / "metadata-20250101-000000.db",
        *(root / folder / ".incoming-text.7" for folder in (".", "backups", "logs", "reports", "watch/cats")),
    ]
    stays = [
        *(root / "logs" / name for name in (f"{weeks.run_id(1)}.jsonl", "notes.log", "predict-of-mine.log")),
        *(root / "backups" / name for name in ("metadata-20250102-000000.db", "mine.db")),
    ]
    fresh = [root / "logs" / "predict-20260102-000000-000000.log", root / "logs" / "20250102-000000-000.log"]
    halves = [root / "artifacts/imported/.incoming-1", root / "tuning" / "digest" / ".rows-1"]
    (root / "backups").mkdir()
    (root / "watch" / "cats").mkdir(parents=True)
    for file in (*old, *stays, *fresh):
        file.write_text("x")
    for folder in halves:
        folder.mkdir(parents=True)
        (folder / "rows").write_text("a row")
    long_ago = time.time() - 31 * 86_400
    for file in (*old, *stays):
        os.utime(file, (long_ago, long_ago))
    with another(root) as killed:
        killed.kill()
        killed.wait(timeout=30)
    todo = garbage.plan(weeks.store, weeks.config, keep=1)
    assert {item.path for item in todo.items} == {*old, *halves, *abandoned(root)}
    removal.remove(weeks.store, weeks.config.record_name, todo)
    assert not [path for path in (*old, *halves) if path.exists()]
    assert all(path.exists() for path in (*stays, *fresh))
    assert abandoned(root) == []


def test_gc_takes_every_page_of_a_forgotten_run(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "here")
    for number in (1, 2, 3):
        weeks.week(number, blessed=False)
    pages = [
        weeks.config.root / "reports" / f"{weeks.run_id(1)}{end}" for end in (".html", "-lineage.html", "-card.md")
    ]
    for page in pages:
        page.write_text("a page")
    removal.remove(weeks.store, weeks.config.record_name, garbage.plan(weeks.store, weeks.config, keep=1))
    assert not [page for page in pages if page.exists()]
    assert (weeks.config.root / "reports" / f"{weeks.run_id(3)}.html").exists()


STARTS = """
import os, pathlib, subprocess, sys
from pipeline.workspace.guard import processes_of
from pipeline.workspace.scratch import scratch
with scratch(pathlib.Path(sys.argv[1])):
    command = ["sh", "-c", "sleep 300 & echo $!; exec sleep 300"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    print(child.pid, child.stdout.readline(), flush=True)
    sys.stdin.readline()
print("ended", flush=True)
sys.stdin.readline()
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("is_killed", [True, False])
def test_what_a_killed_command_has_started_ends_with_it(root: Path, is_killed: bool) -> None:
    """Also what its children have started, in sessions of their own; one that ends by itself sees to them itself. Seen
    failing: both went on."""
    command = [sys.executable, "-c", STARTS, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdin
        started = [int(pid) for pid in process.stdout.readline().split()]
        try:
            assert len(started) == 2
            assert all(map(is_alive, started))
            if not is_killed:
                process.stdin.write("go on\n")
                process.stdin.flush()
                assert "ended" in process.stdout.read(7)
            process.kill()
            process.wait()
            if is_killed:
                eventually(lambda: not any(map(is_alive, started)))
            assert any(map(is_alive, started)) != is_killed
        finally:
            for pid in started:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def test_a_guard_is_none_of_the_processes_that_another_guard_ends(system: Path, root: Path) -> None:
    """A command within a command, both killed: what the inner one started ends, too. Seen failing."""
    with scratch(root):
        (guard,) = (one for one in psutil.Process().children() if "guard.py" in " ".join(one.cmdline()))
        assert "TMPDIR" not in guard.environ()
        assert guard.pid not in processes_of(str(system))
