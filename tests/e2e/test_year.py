"""Fifteen months of a small table, by the recipes of docs/operate alone: docs/operate/year.md is what is done and what
has to come of it, and this test does it, row by row."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from pipeline.config.loading import load
from pipeline.lineage.runs import Run, StepState, find_run
from pipeline.lineage.store import open_store
from tests import small
from tests.e2e.servers import PASSWORD, PostgreSQL, postgresql
from tests.operate.pages import FOLDER, PAGES, commands, recipe, script
from tests.place import Command, Outcome, state
from tests.receiver import Receiver, listening

TABLE = FOLDER / "year.md"
CONFIG = "sales.yaml"
SCHEMA = """
feature { name: "price" type: FLOAT presence { min_fraction: 1 } }
feature {
  name: "kind" type: BYTES presence { min_fraction: 1 }
  string_domain { name: "kind" value: "red" value: "green" }
}
feature { name: "sold" type: INT int_domain { min: 0 max: 1 } presence { min_fraction: 1 } }
"""
WAITED = {"6h": "1s"}
"""The one thing that a test does otherwise than the recipes: it does not wait so long."""
SIGNALS = {0: ["start", "sales"], 1: ["start", "fail"], 66: ["log"], 69: ["log"]}
"""What the dead man's switch hears of a run, by its exit code."""
FIRST_ON_A_SERVER = 20


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


@dataclass
class Job:
    """A project folder, what arrives there, and who calls the commands."""

    folder: Path
    tools: Path
    longhaul: Command
    receiver: Receiver
    server: PostgreSQL | None

    def arrives(self, month: str, *, seed: int = 0, rows: int = 300, **how: Any) -> None:
        """A month's table: `price` tells what is sold; `how` says what is wrong with it."""
        draw = random.Random(f"{month} {seed}")
        lines = ["price,kind,sold"]
        for place in range(rows):
            price = draw.gauss(10, 3)
            sold = price < draw.gauss(10, 1)
            kind = "purple" if how.get("purple") and place % 10 == 0 else draw.choice(("red", "green"))
            lines.append(f"{price + how.get('dearer', 0):.4f},{kind},{int(sold is not how.get('flipped', False))}")
        file = self.folder / "data" / month / "sales.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")

    def call(self, command: str) -> Outcome:
        """A line of the table. The places that the pages name are folders of the test."""
        places = {"/srv/sales": self.folder, "/backups/sales": self.tools.parent / "backups"}
        for name, folder in places.items():
            command = command.replace(name, str(folder))
        words = [WAITED.get(word, word) for word in shlex.split(command)]
        if words[0] == "longhaul":
            os.chdir(self.folder)
            url = self.server.url if self.server else ""
            return self.longhaul(*(url if "://" in word else word for word in words[1:]))
        path = f"{self.tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", command], cwd="/", env=os.environ | {"PATH": path}, capture_output=True, text=True
        )
        return Outcome(done.returncode, done.stdout + done.stderr)

    def latest(self) -> Run:
        config = load(self.folder / CONFIG, workspace=str(self.folder / "workspace"))
        return find_run(open_store(config), config.name, "latest")

    def pinged(self) -> list[str]:
        """What the dead man's switch has heard since it was asked last."""
        heard = [urlsplit(taken.path).path.rpartition("/")[2] for taken in self.receiver.taken]
        self.receiver.taken.clear()
        return heard

    def is_upgraded(self) -> None:
        """The records were written before they had a number."""
        config = load(self.folder / CONFIG, workspace=str(self.folder / "workspace"))
        store = open_store(config)
        context = store.get_context_by_type_and_name("pipeline", config.name)
        context.custom_properties["records_version"].int_value = 0
        store.put_contexts([context])

    def is_replaced(self) -> None:
        """Nothing is left of the old machine, and on the new one the project lies elsewhere."""
        os.chdir("/")
        shutil.rmtree(self.folder)
        self.folder = self.folder.parent / "elsewhere" / "sales"

    def server_goes(self) -> None:
        self.arrives("2025-02")
        assert self.server
        self.server.stop()

    def server_comes(self) -> None:
        assert self.server
        self.server.start()

    def people_decide(self) -> None:
        self.arrives("2025-04")
        file = self.folder / CONFIG
        file.write_text(file.read_text() + "push: {approval: manual}\n")


def begins(job: Job) -> None:
    for month in ("2024-01", "2024-02", "2024-03"):
        job.arrives(month)


def nothing(_: Job) -> None:
    pass


EVENTS: dict[str, Callable[[Job], None]] = {
    "1": begins,
    "2": lambda job: job.arrives("2024-04"),
    "3": nothing,
    "4": nothing,
    "5": lambda job: job.arrives("2024-06"),
    "6": lambda job: job.arrives("2024-05"),
    "7": lambda job: job.arrives("2024-07", rows=20),
    "8": lambda job: job.arrives("2024-07"),
    "9": lambda job: job.arrives("2024-08", dearer=3),
    "10": lambda job: job.arrives("2024-09", flipped=True),
    "11": lambda job: job.arrives("2024-10"),
    "12": lambda job: job.arrives("2024-08", seed=1),
    "13": lambda job: job.arrives("2024-11", purple=True),
    "14": Job.is_upgraded,
    "15": nothing,
    "16": Job.is_replaced,
    "17": lambda job: job.arrives("2024-12"),
    "18": nothing,
    "19": lambda job: job.arrives("2025-01"),
    "20": nothing,
    "21": Job.server_goes,
    "22": Job.server_comes,
    "23": lambda job: job.arrives("2025-03"),
    "24": Job.people_decide,
}


@pytest.fixture
def job(tmp_path: Path, longhaul: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LONGHAUL_METADATA_PASSWORD", PASSWORD)
    folder, tools = tmp_path / "sales", tmp_path / "tools"
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
            "notify": {"heartbeat": f"{receiver.address}/ping/sales"},
        }
        (folder / CONFIG).write_text("# written once, by `longhaul init` and a person\n" + yaml.safe_dump(document))
        (folder / "sales.pbtxt").write_text(SCHEMA)
        yield Job(folder, tools, longhaul, receiver, server)


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
    is_on_a_server, wrong = False, []
    for row in rows():  # all of them: one that is answered otherwise says little without the next
        is_on_a_server |= row.number == str(FIRST_ON_A_SERVER)
        if is_on_a_server and job.server is None:
            continue
        if row.number:
            EVENTS[row.number](job)
        began = time.monotonic()
        outcome = job.call(row.command)
        said = " ".join(outcome.text.split())
        found = {
            "exit code": (outcome.code, row.code),
            "not said": ([words for words in row.words if words not in said], []),
            "verdict": (verdict_of(job.latest()) if row.verdict else "", row.verdict),
            "silent": (bool(said) if "--quiet" in row.command and row.code == 0 else False, False),
            "heard": (job.pinged(), SIGNALS[row.code] if " run " in row.command else []),
        }
        differs = {what: pair for what, pair in found.items() if pair[0] != pair[1]}
        seconds = time.monotonic() - began
        print(f"{row.number:>2} {outcome.code:>2} {seconds:5.1f} s {row.command} {differs or ''}", flush=True)
        if differs:
            wrong.append(f"{row.number} {row.event}: {row.command}\n{differs}\n{outcome.text}")
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
