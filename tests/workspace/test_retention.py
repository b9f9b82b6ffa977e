"""How long logs, reports and backups stay: what `keep` says, `longhaul gc` plans and removes, and a run removes."""

from __future__ import annotations

import fcntl
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands.housekeeping import collect_garbage
from pipeline.config.serving import ServingSettings
from pipeline.lineage.pins import pin
from pipeline.lineage.retention import remove_outlived
from tests.lineage.weeks import Weeks

DAY = 86_400


def aged(file: Path, days: float) -> Path:
    file.parent.mkdir(exist_ok=True)
    if not file.exists():
        file.write_text("x")
    then = time.time() - days * DAY
    os.utime(file, (then, then))
    return file


def workspace(folder: Path, **keep: Any) -> tuple[Weeks, dict[str, list[Path]]]:
    """Five weeks, all of whose models serve or served, so that something of each stays; their files are 40 days old."""
    weeks = Weeks(folder / "workspace", keep={"runs": 2, **keep})
    files = {}
    for number in range(1, 6):
        run_id = weeks.week(number)
        files[run_id] = [
            *(aged(weeks.config.root / "logs" / f"{run_id}.{ending}", 40) for ending in ("log", "jsonl")),
            *(aged(weeks.config.root / "reports" / f"{run_id}{ending}", 40) for ending in (".html", "-card.md")),
        ]
    return weeks, files


@pytest.mark.parametrize("by", ["gc", "a run"])
@pytest.mark.parametrize(
    ("keep", "kinds"),
    [
        ({}, set()),  # something of each run stays, so its log and page do
        ({"logs": "50d", "reports": "50d"}, set()),
        ({"logs": "30d"}, {"logs"}),
        ({"reports": "30d"}, {"reports"}),
        ({"logs": "30d", "reports": "4d"}, {"logs", "reports"}),
    ],
    ids=lambda value: " and ".join(sorted(value)) or "nothing",  # a set's own text differs by process
)
def test_logs_and_reports_of_runs(tmp_path: Path, keep: dict[str, str], kinds: set[str], by: str) -> None:
    weeks, files = workspace(tmp_path, **keep)
    pin(weeks.store, "cats", weeks.run_id(1))
    mine = [aged(weeks.config.root / place, 900) for place in ("logs/notes.log", "reports/mine.html")]
    if by == "gc":
        planned = {item.path for item in collect_garbage(weeks.config, None, None, apply=False).items}
        collect_garbage(weeks.config, None, None, apply=True)
    else:
        remove_outlived(weeks.config.record_name, weeks.config.root, weeks.config.keep, weeks.store)
    gone = {file for of in files.values() for file in of if not file.exists()}
    # The newest two and the pinned one keep theirs.
    assert gone == {file for n in (2, 3) for file in files[weeks.run_id(n)] if file.parent.name in kinds}
    assert all(file.exists() for file in mine)
    if by == "gc":
        assert gone <= planned


def test_stray_logs_and_backups(tmp_path: Path) -> None:
    weeks, _ = workspace(tmp_path, stray_logs="10d", backups="10d")
    root = weeks.config.root
    old = [
        aged(root / "logs" / "predict-20250101-000000-000000.log", 11),
        aged(root / "logs" / "20250101-000000-000.jsonl", 11),
        aged(root / "backups" / "metadata-20250101-000000.db", 11),
        aged(root / "metadata.db.20250101-000000", 11),  # of an upgrade
    ]
    stay = [
        aged(root / "logs" / "predict-20250102-000000-000000.log", 9),
        *(aged(root / "backups" / f"metadata-2025010{day}-000000.db", 11) for day in (2, 3)),
        *(aged(root / f"metadata.db.2025010{day}-000000", 11) for day in (2, 3)),
    ]
    planned = {item.path for item in collect_garbage(weeks.config, None, None, apply=False).items}
    assert planned & {*old, *stay} == {*old}
    collect_garbage(weeks.config, None, None, apply=True)
    assert not [file for file in old if file.exists()]
    assert all(file.exists() for file in stay)


def test_the_log_of_requests(tmp_path: Path) -> None:
    weeks, _ = workspace(tmp_path)
    log = weeks.config.requests_folder / "cats"
    today = datetime.now(UTC)

    def hour(days: int, name: str) -> Path:
        file = log / f"{today - timedelta(days=days):%Y-%m-%d}" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
        return file

    old = [hour(32, "07-a-1.parquet"), hour(33, ".07-a-1.part")]
    stay = [hour(29, "07-a-1.parquet"), hour(29, ".08-a-1.part"), hour(34, "notes.txt")]
    written = hour(33, ".08-b-1.part")
    with written.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as the server that writes it has it
        planned = collect_garbage(weeks.config, None, None, apply=False).items
        assert {item.path for item in planned if item.kind == "log of requests"} == {*old}
        collect_garbage(weeks.config, None, None, apply=True)
    assert not [file for file in old if file.exists()]
    assert all(file.exists() for file in (*stay, written))
    assert not old[0].parent.exists()
    off = weeks.config.model_copy(update={"serving": ServingSettings(log=None)})
    assert "log of requests" not in {item.kind for item in collect_garbage(off, None, None, apply=False).items}


def test_the_numbers_of_the_file_count_unless_others_are_given(tmp_path: Path) -> None:
    weeks, _ = workspace(tmp_path, versions=3)
    plans = {
        (keep, served): collect_garbage(weeks.config, keep, served, apply=False)
        for keep, served in ((None, None), (5, None), (None, 1))
    }
    versions = {key: sum(item.kind == "served version" for item in plan.items) for key, plan in plans.items()}
    assert versions == {(None, None): 2, (5, None): 2, (None, 1): 4}
    assert any("newest 2 runs" in reason for reason in plans[None, None].kept)
    assert any("newest 5 runs" in reason for reason in plans[5, None].kept)
