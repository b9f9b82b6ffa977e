"""Commands that take a lock: each says who holds it, names only options that it has, and waits as long as it may; one
that looks again and again goes on."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli import app, repeating
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import EXIT_LOCKED, ConfigError, LockedError
from pipeline.serving import rollout
from pipeline.workspace.lock import BRIEFLY
from tests.cli.test_copied_commands import PARSER, parsed
from tests.serving.test_rollback import config, pushed  # noqa: F401

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from contextlib import ExitStack
from pathlib import Path
from pipeline.workspace.lock import AT_ONCE, alone, locked, serving_locked
root, which = Path(sys.argv[1]), sys.argv[2:]
with ExitStack() as held:
    if "run" in which:
        held.enter_context(locked(root))
    if "serving" in which:
        held.enter_context(serving_locked(root))
    for room in {"watch", "continuous"} & {*which}:
        held.enter_context(alone(root / room / "flights", room, AT_ONCE))
    print("held", flush=True)
    sys.stdin.read()
"""
COMMANDS = {
    "run": "run",
    "resume": "run",
    "gc --apply": "run",
    "import run.zip": "run",
    "relocate": "run",
    "move-records postgresql://ml@127.0.0.1:1/lineage": "run",
    "pin latest": "serving",
    "unpin latest": "serving",
    "rollback": "serving",
    "approve latest --by Ann --note seen": "serving",
    "rollout start NEWEST --shadow": "serving",
    "rollout promote": "serving",
    "rollout abort": "serving",
    "watch --once": "watch",
    "watch --silence harmful:1 --reason known": "watch",
    "loop --once --trigger manual": "continuous",
}
"""Each command, with the lock that it meets first."""


@contextmanager
def held(root: Path, *which: str) -> Iterator[None]:
    """Another process holds these locks."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root), *which],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as other:  # fmt: skip
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == "held\n"
        try:
            yield
        finally:
            other.stdin.close()


@pytest.fixture
def line(config: PipelineConfig, pushed: list[int], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:  # noqa: F811
    """What goes behind a command: of a pipeline with versions, a rollout and a log, whose short waits are shorter."""
    base = config.serving_folder
    rollout.write(base, rollout.Rollout(pushed[2], pushed[1], pushed[2], rollout.SHADOW))
    log = config.requests_folder / config.name
    log.mkdir(parents=True)
    (log / "0.parquet").touch()
    (config.root.parent / "table.csv").write_text("carrier,distance_miles,late\nA,1,0\nB,2,1\n")
    monkeypatch.chdir(config.root.parent)
    object.__setattr__(BRIEFLY, "limit_s", 0.2)
    try:
        yield shlex.join(["-c", str(config.file)])
    finally:
        object.__setattr__(BRIEFLY, "limit_s", 10)


def refused(command: str, *options: str) -> LockedError:
    asked = CliRunner().invoke(app, [*shlex.split(command), *options])
    assert isinstance(asked.exception, LockedError), (command, asked.output, asked.exception)
    return asked.exception


@pytest.mark.parametrize(("command", "lock"), [*COMMANDS.items(), ("gc --apply", "serving")])
def test_each_command_that_meets_a_lock_ends_in_time_and_names_only_what_it_has(
    command: str, lock: str, config: PipelineConfig, pushed: list[int], line: str  # noqa: F811
) -> None:  # fmt: skip
    whole = f"{command} {line}".replace("NEWEST", str(pushed[2]))
    with held(config.root, lock):
        error = refused(whole)
        assert error.exit_code == EXIT_LOCKED
        assert re.match(r"another \w+ \(process \d+, since ", error.what)
        options = re.findall(r"`?--([a-z-]+)", error.remedy)
        assert "wait" in options
        assert parsed(f"longhaul {whole} --wait=10m").keys() >= {*options}, f"{command}: {error.remedy}"
        began = time.monotonic()
        assert rollout.last(config.serving_folder).ending == ""  # nothing is written before its turn
        error = refused(whole, "--wait=1s")
        assert 1 <= time.monotonic() - began < 4
    assert error.what.endswith("; waited 1 s")


@pytest.mark.parametrize("command", ["watch", "loop --trigger manual"])
def test_one_that_looks_again_and_again_ends_at_what_passes_only_at_its_first_look(
    command: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where another look is at work, as of cron: it tells it and tries again."""
    room = command.split()[0]
    looks: Iterator[Exception | None] = iter([None, LockedError("held", "wait"), None, ConfigError("changed")])

    def look(*_: Any, **__: Any) -> None:
        if problem := next(looks):
            raise problem

    monkeypatch.setattr(repeating, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(f"pipeline.commands.{room}.{room}_once", look)
    monkeypatch.setattr(f"pipeline.terminal.{'watched' if room == 'watch' else room}.print_{SAID[room]}", look_at)
    asked = CliRunner().invoke(app, [*shlex.split(f"{command} {line}"), "--every", "1s"])
    assert isinstance(asked.exception, ConfigError), asked.output
    assert next(looks, "none is left") == "none is left"
    assert "held" in asked.output
    looks = iter([LockedError("held at first", "wait")])
    asked = CliRunner().invoke(app, [*shlex.split(f"{command} {line}"), "--every", "1s"])
    assert isinstance(asked.exception, LockedError)


SAID = {"watch": "watched", "loop": "looked"}


def look_at(*_: Any) -> None:
    """Print nothing."""


def leaves(group: Any = PARSER, before: str = "") -> Iterator[tuple[str, Any]]:
    """Each command that does something, by its whole name."""
    for name, found in group.commands.items():
        if hasattr(found, "commands"):
            yield from leaves(found, f"{before}{name} ")
        else:
            yield f"{before}{name}", found


def test_each_command_that_can_wait_is_tried() -> None:
    can = {name for name, found in leaves() if any(one.name == "wait" for one in found.params)}
    assert can == {" ".join(one.split()[: 2 if one.startswith("rollout") else 1]) for one in COMMANDS}


LEFT_OUT = {
    *(("loop_rollout", one) for one in ("decide", "step", "promote", "abort")),
    ("loop_look", "watch_once"),
}
"""Calls of `longhaul loop`, which tries again at its next look."""


def test_no_command_takes_a_lock_and_leaves_out_how_long_to_wait() -> None:
    """A new command, too: whatever may be told how to wait is told by whoever calls it for the command line."""
    rooms = [file for room in ("commands", "cli") for file in sorted((ROOT / "pipeline" / room).glob("*.py"))]
    files = [ROOT / "pipeline/workspace/lock.py", ROOT / "pipeline/runners/local/recovery.py", *rooms]
    trees = {".".join(file.relative_to(ROOT).with_suffix("").parts): ast.parse(file.read_text()) for file in files}
    takes = {f"{module}.{name}": place for module, tree in trees.items() for name, place in _waiting(tree)}
    assert len(takes) > 15
    forgets, told = set(), 0
    for module, tree in trees.items():
        if module.startswith(("pipeline.commands.", "pipeline.cli.")):
            for name, call in _calls(module, tree):
                place = takes.get(name)
                if place is None:
                    continue
                if len(call.args) > place or any(one.arg == "wait" for one in call.keywords):
                    told += 1
                else:
                    forgets.add((module.rpartition(".")[2], name.rpartition(".")[2]))
    assert told > 20
    assert forgets == LEFT_OUT


def _waiting(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Functions with a parameter `wait: Wait`, and how many stand before it."""
    for found in tree.body:
        if isinstance(found, ast.FunctionDef):
            names = [one.arg for one in found.args.args]
            for one in (*found.args.args, *found.args.kwonlyargs):
                if one.arg == "wait" and isinstance(one.annotation, ast.Name) and one.annotation.id == "Wait":
                    yield found.name, names.index("wait") if "wait" in names else 99


def _calls(module: str, tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Calls with the whole names of what is called."""
    names = {found.name: f"{module}.{found.name}" for found in tree.body if isinstance(found, ast.FunctionDef)}
    for found in ast.walk(tree):
        if isinstance(found, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{found.module}.{alias.name}" for alias in found.names}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            begin, *rest = ast.unparse(call.func).split(".")
            yield ".".join([names.get(begin, begin), *rest]), call
