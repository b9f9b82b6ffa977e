"""Tables as people have them: public tables through `longhaul init` and `longhaul run`, without an edit.

    python -m bench.public_tables init FOLDER OUT [NAME ...]   # what init makes of each: read or refused, and its types
    python -m bench.public_tables run FOLDER OUT [NAME ...]    # as init, then the whole chain with a small network
    python -m bench.public_report OUT                          # writes docs/tables.md of what is in OUT

FOLDER holds the files of bench/public_tables.toml, each under its `file`: fetch them from the repositories that it
names. OUT takes a folder a table and results.json; a run only adds to it. The smallest table comes first, and none
runs for longer than LIMIT_S. The types are judged by what a person read in
each column; see the head of bench/public_tables.toml.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.place import Outcome as Ended
from tests.zygote import Zygote

HERE = Path(__file__).parent
ENDS = {1: "blocked", 2: "refused", -9: "stopped"}
"""Of commands that end with this exit code, or by LIMIT_S."""
MANY_ROWS = 2000
LIMIT_S = 1200.0

# What each letter of a person's reading allows; see bench/public_tables.toml.
ALLOWED: Mapping[str, frozenset[str]] = {
    letter: frozenset(kinds.split())
    for letter, kinds in {
        "n": "number",
        "m": "number category time",
        "o": "number category boolean",
        "b": "boolean category number",
        "y": "number category date",
        "c": "category boolean",
        "g": "category text identifier out",
        "z": "category text identifier out",
        "t": "text identifier out",
        "i": "identifier text out",
        "d": "date time",
        "e": "date category text out",
        "x": "constant out",
    }.items()
}


@dataclass(frozen=True)
class Table:
    """A public table, as bench/public_tables.toml describes it.

    Attributes:
        index: whether its first column has no name.
        options: what init's refusal tells a person to add; tried when it refuses.
    """

    file: str
    repository: str
    commit: str
    path: str
    licence: str
    label: str
    kinds: str = ""
    index: bool = False
    options: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return its name as a folder and a pipeline."""
        return re.sub(r"[^a-z0-9]+", "-", self.file.lower()).strip("-")

    def read_by_person(self, columns: Iterable[str]) -> dict[str, str]:
        """Return the letter of each column; an index without a name may be no column at all."""
        names = list(columns)
        kinds = self.kinds[1:] if self.index and len(names) < len(self.kinds) else self.kinds
        return dict(self.columns) or dict(zip(names, kinds, strict=False))


@dataclass
class Outcome:
    """What became of a table.

    Attributes:
        read: the kind that init took each column for.
        misread: the columns where a person says otherwise, as `letter, kind`.
        ended: served, not blessed, blocked, refused or failed; read where only init ran.
        said: what was printed.
        refusal, options: what init said at first, and the options that it named and that lifted it.
    """

    table: str
    ended: str
    said: str = ""
    refusal: str = ""
    options: tuple[str, ...] = ()
    rows: int = 0
    read: dict[str, str] = field(default_factory=dict)
    misread: dict[str, tuple[str, str]] = field(default_factory=dict)
    init_s: float = 0.0
    run_s: float = 0.0


def tables() -> list[Table]:
    """Return the tables of the list."""
    with (HERE / "public_tables.toml").open("rb") as file:
        return [Table(**entry) for entry in tomllib.load(file)["table"]]


def command(folder: Path, *arguments: str) -> tuple[int, str, float]:
    """Run a command in `folder`; return its exit code, what it printed and its seconds."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=_environment(),
    )
    return done.returncode, done.stdout, time.monotonic() - began


def _environment() -> dict[str, str]:
    return os.environ | {"COLUMNS": "200", "PYTHONPATH": str(HERE.parent), "PYTHONUNBUFFERED": "1"}


def try_init(table: Table, source: Path, folder: Path) -> Outcome:
    """Give the table to `longhaul init`, and judge the types that it wrote down."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    plain = ("init", str(source), "--label", table.label, "--name", table.name, "--json")
    code, said, took = command(folder, *plain)
    outcome = Outcome(table.file, ENDS.get(code, "failed"), said.strip(), init_s=took)
    if code == 2 and table.options:
        outcome.refusal, outcome.options = outcome.said, table.options
        code, said, _ = command(folder, *plain, *table.options)
        outcome.ended, outcome.said = ENDS.get(code, "failed"), said.strip()
    (folder / "init.txt").write_text(said)
    if code == 0:
        found = json.loads(said[said.index("{") :])
        outcome.ended, outcome.said, outcome.rows = "read", "", found["rows"]
        outcome.read = {column["name"]: kind_of(column) for column in found["columns"]}
        outcome.misread = judge(table, outcome.read)
    return outcome


KINDS = {
    "whole number": "number",
    "duration": "time",
    "date or time": "date",
    "yes or no": "boolean",
    "text": "category",
}
"""In a person's words, the kinds that init prints."""
ROLES = {
    "identifier": "identifier",
    "constant": "constant",
    "empty": "constant",
    "free text": "text",
    "unusable": "out",
}


def kind_of(column: Mapping[str, Any]) -> str:
    """Return in a person's words what init took a column for, by what it printed of it."""
    if column["remark"].startswith("looks like free text"):  # and is kept, since nothing else is left
        return "text"
    if column["role"] in ROLES:
        return ROLES[column["role"]]
    kind = str(column["kind"] or "out")
    return "category" if column["setting"] == "features.categorical" else KINDS.get(kind, kind)


def judge(table: Table, read: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return where the kinds are none that the person's letter allows."""
    wrong = {}
    for column, letter in table.read_by_person(read).items():
        kind = read.get(column, "out")
        allowed = ALLOWED[letter.lower()] | ({"out", "constant", "identifier"} if letter.isupper() else frozenset())
        if kind not in allowed:
            wrong[column] = (letter, kind)
    return wrong


def try_run(table: Table, outcome: Outcome, folder: Path, longhaul: Zygote) -> Outcome:
    """Take the table through the chain; with many rows, for the sake of time only, train a small network briefly."""
    if outcome.ended != "read":
        return outcome
    config = folder / f"{table.name}.yaml"
    text = config.read_text()
    for setting, value in {"epochs": 4, "members": 2, "patience": 2}.items() if outcome.rows > MANY_ROWS else ():
        text = re.sub(rf"^  {setting}: \d+", f"  {setting}: {value}", text, flags=re.MULTILINE)
    config.write_text(text)
    began = time.monotonic()
    done = within_limit(longhaul, "run", "--config", config, "--workspace", folder / "workspace")
    outcome.run_s = time.monotonic() - began
    (folder / "run.txt").write_text(done.text)
    outcome.said = done.text.strip()
    outcome.ended = ENDS.get(done.code, "failed")
    if "Not blessed" in done.text:
        outcome.ended = "not blessed"
    if done.code == 0:
        outcome.ended = "served" if any(folder.rglob("serving/*/*/saved_model.pb")) else "unserved"
    return outcome


def within_limit(longhaul: Zygote, *arguments: str | Path) -> Ended:
    """Run a command, and end it after LIMIT_S."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.txt")
        process = longhaul.start([str(argument) for argument in arguments], out, [])
        timer = threading.Timer(LIMIT_S, os.killpg, (process, signal.SIGKILL))
        timer.start()
        code = longhaul.end()
        timer.cancel()
        return Ended(code, out.read_text())


def main(arguments: list[str]) -> None:
    """Run the command."""
    what, *rest = arguments
    source, out = Path(rest[0]).resolve(), Path(rest[1]).resolve()
    wanted = set(rest[2:])
    results = load(out)
    chain = Zygote() if what == "run" else None
    for table in sorted(tables(), key=lambda table: _size(source / table.file)):
        if (wanted and table.file not in wanted) or not (source / table.file).exists():
            continue
        folder = out / table.name
        outcome = try_init(table, source / table.file, folder)
        if chain:
            outcome = try_run(table, outcome, folder, chain)
        results[table.file] = asdict(outcome)
        (out / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False))
        print(line(outcome), flush=True)
    if chain:
        chain.close()
    columns, misread = tallies(results)
    print(f"{columns} columns, {misread} misread: {1 - misread / max(columns, 1):.1%} right")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def line(outcome: Outcome) -> str:
    """Return what the screen shows of a table."""
    last = "" if outcome.ended in ("read", "served") else outcome.said.splitlines()[-1][:150]
    counts = f"{len(outcome.misread)}/{len(outcome.read)}"
    return f"{outcome.table:28} {outcome.ended:11} {counts:>7} {outcome.init_s:5.1f} s {outcome.run_s:5.0f} s  {last}"


def tallies(results: Mapping[str, Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many columns were read, and how many of them were misread."""
    return (
        sum(len(result["read"]) for result in results.values()),
        sum(len(result["misread"]) for result in results.values()),
    )


def load(out: Path) -> dict[str, Any]:
    """Return what earlier runs left in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "results.json"
    return json.loads(file.read_text()) if file.exists() else {}


if __name__ == "__main__":
    main(sys.argv[1:])
