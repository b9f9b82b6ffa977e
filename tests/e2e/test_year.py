"""Fifteen months of a small table, by the recipes of docs/operate alone: docs/operate/year.md is what is done and what
has to come of it, and this test does it, row by row.

The year has, by the numbers of that table: a first run and a second without news (1, 2), a month that is late, one
before its turn, and both together (3, 4, 5), a short one and its redelivery (6, 7), drift (8), wrong labels (9), a
full disk (10), a corrected month (11), a value that the schema lacks (12), an upgrade (13), a backup and its restore
elsewhere (14, 15), a step that hangs (16), a rollback (17), a kill (18), a move of the records to a server (19), that
server away and back (20, 21), and a push that a person approves (22). Without a disk that can be mounted, rows 10 and
11 fill none; without PostgreSQL, rows from 19 on are left out.

What is timed is each command of the table, by wall clock and by processor time, with all processes that it starts. A
command is forked from a process that has imported TensorFlow, so imports are not in it, and `--wait-for-data 6h` waits
for a second. The year is meant to take at most five minutes on two cores; a busy machine takes longer, so nothing here
fails by time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from pipeline.lineage.runs import Run, StepState
from tests import small
from tests.e2e.job import CONFIG, Job
from tests.e2e.servers import PASSWORD, postgresql
from tests.operate.pages import FOLDER, PAGES, commands, recipe, script
from tests.place import state
from tests.receiver import listening
from tests.waiting import cpu_s_of_children
from tests.zygote import Zygote

TABLE = FOLDER / "year.md"
SCHEMA = """
feature { name: "price" type: FLOAT presence { min_fraction: 1 } }
feature {
  name: "kind" type: BYTES presence { min_fraction: 1 }
  string_domain { name: "kind" value: "red" value: "green" }
}
feature { name: "sold" type: INT int_domain { min: 0 max: 1 } presence { min_fraction: 1 } }
"""
SIGNALS = {
    0: ["start", "sales"],
    1: ["start", "fail"],
    66: ["log"],
    69: ["log"],
    74: ["start", "fail"],
    124: ["start", "log"],
    137: ["start"],
}
"""What the dead man's switch hears of a run, by its exit code."""
FIRST_ON_A_SERVER = 19
OF_A_FULL_DISK = ("74", "--serving-keep")


@dataclass(frozen=True)
class Row:
    """Of the table: what happens, a command and what has to come of it; `number` is "" where nothing new happens."""

    number: str
    event: str
    command: str
    code: int
    verdict: str
    words: tuple[str, ...]


def rows() -> list[Row]:
    found = []
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")][1:-1]
        if len(cells) == 6 and cells[3].isdecimal():
            number, event, command, code, verdict, words = cells
            found.append(
                Row(number, event, command.strip("`"), int(code), verdict, tuple(re.findall("“([^”]+)”", words)))
            )
    return found


def begins(job: Job) -> None:
    for month in ("2024-01", "2024-02", "2024-03", "2024-04"):
        job.arrives(month)


def nothing(_: Job) -> None:
    pass


EVENTS: dict[str, Callable[[Job], None]] = {
    "1": begins,
    "2": nothing,
    "3": nothing,
    "4": lambda job: job.arrives("2024-06"),
    "5": lambda job: job.arrives("2024-05"),
    "6": lambda job: job.arrives("2024-07", rows=20),
    "7": lambda job: job.arrives("2024-07"),
    "8": lambda job: job.arrives("2024-08", dearer=3),
    "9": lambda job: job.arrives("2024-09", flipped=True),
    "10": Job.disk_fills,
    "11": Job.disk_is_bigger,
    "12": lambda job: job.arrives("2024-11", purple=True),
    "13": Job.is_upgraded,
    "14": nothing,
    "15": Job.is_replaced,
    "16": Job.step_hangs,
    "17": nothing,
    "18": Job.process_is_killed,
    "19": nothing,
    "20": Job.server_goes,
    "21": Job.server_comes,
    "22": Job.people_decide,
}


@pytest.fixture
def job(
    tmp_path: Path, small_disk: Callable[[Path, str], Path], zygote: Zygote, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Job]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LONGHAUL_METADATA_PASSWORD", PASSWORD)
    disk = None
    try:
        disk = small_disk(tmp_path / "disk", "384m")
    except pytest.skip.Exception as exc:
        print(f"rows of a full disk are left out: {exc}")
    folder, tools = (disk or tmp_path) / "sales", tmp_path / "tools"
    for one in (folder, tools):
        one.mkdir()
    script("backup.md", "/usr/local/bin/longhaul-backup", tools)
    with ExitStack() as held:
        receiver = held.enter_context(listening())
        server = None
        try:
            server = held.enter_context(postgresql())
            of_postgres = ("-h", "127.0.0.1", "-p", server.port, "-U", "longhaul", "-d", "postgres")
            server.call("psql", *of_postgres, "-c", "CREATE DATABASE lineage")
        except pytest.skip.Exception as exc:
            print(f"rows from {FIRST_ON_A_SERVER} are left out: {exc}")
        document = {
            "name": "sales",
            "data": {"path": "data/{YYYY}-{MM}/sales.csv", "spans": "last 5", "label": "sold", "task": "binary"},
            "split": {"by": "time", "eval": "last 1 span"},
            "schema": {"file": "sales.pbtxt"},
            "trainer": small.TRAINER | {"epochs": 12, "batch_size": 64, "learning_rate": 0.02},
            "evaluation": small.EVALUATION | {"thresholds": {"auc": {"at_least": 0.7, "may_lose": 0.05}}},
            "infra_check": small.INFRA_CHECK,
            "run": {"step_timeout": "2h"},
            "notify": {"heartbeat": f"{receiver.address}/ping/sales"},
        }
        (folder / CONFIG).write_text("# written once, by `longhaul init` and a person\n" + yaml.safe_dump(document))
        (folder / "sales.pbtxt").write_text(SCHEMA)
        yield Job(folder, tools, zygote, receiver, server, disk)


def test_every_event_is_planted_and_every_command_is_a_recipe() -> None:
    assert [row.number for row in rows() if row.number] == list(EVENTS)
    known = {recipe(command) for page in PAGES if page != TABLE for command in commands(page)}
    used = {row.command.removeprefix("longhaul ") for row in rows() if row.command.startswith("longhaul ")}
    assert [command for command in sorted(used) if recipe(command) not in known] == []
    restore = (FOLDER / "backup.md").read_text()
    shell = [line for row in rows() if not row.command.startswith("longhaul ") for line in row.command.split(" && ")]
    assert [line for line in shell if line not in restore] == []


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(2400)
def test_a_year_is_answered_as_the_table_says(job: Job) -> None:
    original = yaml.safe_load((job.folder / CONFIG).read_text())
    is_on_a_server, wrong, all_s, all_cpu_s = False, [], 0.0, 0.0
    for row in rows():  # all of them: one that is answered otherwise says little without the next
        is_on_a_server |= row.number == str(FIRST_ON_A_SERVER)
        if is_on_a_server and job.server is None:
            continue
        if job.disk is None and any(word in f"{row.code} {row.command}" for word in OF_A_FULL_DISK):
            continue
        if row.number:
            EVENTS[row.number](job)
        began, cpu_s = time.monotonic(), job.longhaul.cpu_s + cpu_s_of_children()
        outcome = job.call(row.command)
        seconds, cpu_s = time.monotonic() - began, job.longhaul.cpu_s + cpu_s_of_children() - cpu_s
        all_s, all_cpu_s = all_s + seconds, all_cpu_s + cpu_s
        said = " ".join(outcome.text.split())
        found = {
            "exit code": (outcome.code, row.code),
            "not said": ([words for words in row.words if words not in said], []),
            "verdict": (verdict_of(job.latest()) if row.verdict else "", row.verdict),
            "silent": (bool(said) if "--quiet" in row.command and row.code == 0 else False, False),
            "heard": (job.pinged(), SIGNALS[row.code] if " run " in row.command else []),
        }
        differs = {what: pair for what, pair in found.items() if pair[0] != pair[1]}
        print(
            f"{row.number:>2} {outcome.code:>3} {seconds:5.1f} s {cpu_s:5.1f} s of CPU {row.command} {differs or ''}",
            flush=True,
        )
        if differs:
            wrong.append(f"{row.number} {row.event}: {row.command}\n{differs}\n{outcome.text}")
    print(f"{all_s:.0f} s, {all_cpu_s:.0f} s of CPU")
    assert not wrong, "\n\n".join(wrong)
    final = yaml.safe_load((job.folder / CONFIG).read_text())
    if job.server:
        assert final.pop("metadata") == {"url": job.server.url}
        assert final.pop("push") == {"approval": "manual"}
    original["data"]["spans"] = {"use": "last 5", "except": ["2024-09"]}
    assert final == original  # which two commands have changed, and a person once


def verdict_of(run: Run) -> str:
    if run.status != "complete":
        return run.status
    if run.verdict and not run.verdict["blessed"]:
        return "not blessed"
    if not state(run, StepState.DONE):
        return "nothing new"
    return "pushed" if run.pushed and not run.served_already else "not pushed"
