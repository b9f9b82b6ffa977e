"""On a terminal of 80 columns nothing is cut or wraps in mid-word: every command that only looks, on a real store."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from pipeline.cli import app
from pipeline.cli.options import LOOK
from pipeline.terminal.wrapping import for_terminal, wrapped
from tests.lineage.weeks import Weeks, cats_document

COLUMNS = 80
COMMANDS = (
    *("runs", "runs --sort auc", "show 20260101-000000-000", "show 20260102-000000-000", "show 20260103-000000-000"),
    *("diff 20260101-000000-000 20260102-000000-000", "lineage 20260101-000000-000", "versions", "schema history"),
    *("runs --all", "lineage --up", "lineage --down week-1.csv", "lineage --all", "schema show", "schema diff"),
    *("plan", "validate week-1.csv", "explain age", "rollout status", "requests", "schedule list", "doctor"),
    *(
        "report 20260103-000000-000",
        "card 20260101-000000-000",
        "gc --dry-run",
        "watch --once",
        "help",
        "help evaluation",
    ),
    *("show no-such-run", "lineage no-such-file.csv", "explain no_such_column", "suspects", "replay"),
)
"""Each command that only looks or writes a page; some of them end with an error, which must not wrap either."""
ALL_OF_THEM = f"""
import shlex
import sys
from pipeline.cli import main
for line in {COMMANDS!r}:
    print(chr(0), line, flush=True)
    words = shlex.split(line)
    sys.argv = ["longhaul", *words, *(() if words[0] == "help" else ("-c", "cats.yaml"))]
    try:
        main()
    except SystemExit as ended:
        print(chr(1), ended.code, flush=True)
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each command writes to a terminal."""
    return in_a_workspace(tmp_path_factory.mktemp("width"))


@pytest.fixture(scope="module")
def said_of_long_names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same, where columns, values, metrics, settings, files and spans have long names."""
    folder = tmp_path_factory.mktemp("long")
    weeks = Weeks(folder / "workspace")
    slices = {f"{LONG}_{place}": 0.5 + place / 100 for place in range(12)}
    settings = weeks.config.model_dump(mode="json", by_alias=True)
    settings["schema"]["file"] = f"{LONG}.pbtxt"
    told = json.dumps(settings)
    weeks.week(1, slices=slices, properties={"config": told, "git_commit": "a" * 40})
    changed = told.replace(f"{LONG}.pbtxt", f"{LONG}/{LONG}.pbtxt")
    weeks.week(2, auc=0.512345678, blessed=False, slices=slices, properties={"config": changed})
    for number in (1, 2):
        file = weeks.path(number, "ModelEvaluation") / "verdict.json"
        verdict = json.loads(file.read_text())
        verdict["metrics"] |= {f"{LONG}_{place}": 1234567.891 + place + number for place in range(3)}
        verdict["failures"] = [f"{LONG} on {LONG} is 0.5, needs at least 0.6 and {LONG} too"]
        file.write_text(json.dumps(verdict))
    weeks.failed(3, f"{LONG} holds {LONG}, " * 3)
    return in_a_workspace(folder)


LONG = "a_name_that_somebody_took_from_a_database_of_a_ministry"


def in_a_workspace(folder: Path) -> dict[str, str]:
    if (folder / "workspace").exists():
        (folder / "cats.yaml").write_text(yaml.safe_dump(cats_document(folder / "workspace")))
        return by_command(on_a_terminal(folder))
    weeks = Weeks(folder / "workspace")
    told = json.dumps(weeks.config.model_dump(mode="json", by_alias=True))
    weeks.week(1, auc=0.7, intervals={"auc": (0.65, 0.75)}, properties={"config": told})
    weeks.week(2, auc=0.5, blessed=False, dropout=0.1)
    weeks.failed(3, "the disk is full: " + "so that nothing could be written, " * 5)
    (weeks.config.root / "reports" / "20260101-000000-000.html").write_text("a page")
    (folder / "cats.yaml").write_text(yaml.safe_dump(cats_document(folder / "workspace")))
    return by_command(on_a_terminal(folder))


def on_a_terminal(folder: Path) -> str:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, COLUMNS))
    environment = os.environ | {"TERM": "xterm-256color", "PYTHONPATH": str(Path.cwd())}
    environment = {name: value for name, value in environment.items() if name not in ("COLUMNS", "NO_COLOR", "CI")}
    process = subprocess.Popen(
        [sys.executable, "-c", ALL_OF_THEM], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # it has closed its side
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    text = b"".join(parts).decode().replace("\r\n", "\n")
    assert process.wait() == 0, text
    return text


def by_command(text: str) -> dict[str, str]:
    blocks = [block.partition("\n") for block in text.split("\0")[1:]]
    return {name.strip(): rest for name, _, rest in blocks}


def visible(text: str) -> str:
    """Without colors and links."""
    return re.sub(r"\x1b\]8;[^\x1b]*\x1b\\|\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_wraps(said: dict[str, str], command: str) -> None:
    lines = visible(said[command]).splitlines()
    assert lines
    # A command, a path or another word that is longer stays whole, so that it can be copied.
    longer = [line.strip() for line in lines if len(line) > COLUMNS]
    assert [line for line in longer if " " in line and not line.startswith("longhaul ")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_wraps_or_is_cut_where_names_are_long(said_of_long_names: dict[str, str], command: str) -> None:
    text = visible(said_of_long_names[command])
    longer = [line.strip() for line in text.splitlines() if len(line) > COLUMNS]
    assert [line for line in longer if " " in line and not line.startswith("longhaul ")] == []
    assert "longhaul: a bug of ours" not in text
    for place in range(12 if command.startswith("diff") else 3 if command == "show 20260102-000000-000" else 0):
        assert f"_ministry_{place}" in text, "cut where all begin alike"
    if command == "show 20260102-000000-000":
        assert "threshold" in text
        assert "…" not in text, "a number that is cut"
    assert command == "help" or not re.search(r"`longhaul [^`\n]*\n[^`]*`", text), "a command that breaks"


def test_every_command_that_looks_is_among_them() -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    looking = {name for name, one in group.commands.items() if getattr(one, "rich_help_panel", "") == LOOK}
    assert looking
    assert looking - {"config", "open"} <= {line.split()[0] for line in COMMANDS}


def test_messages_break_between_words_and_stay_whole_elsewhere() -> None:
    long = "/a/very/long/path" * 6
    text = (
        f"longhaul: {long} cannot be read: No such file\n  Remedy: correct the path; "
        + "`longhaul init TABLE -l C` " * 4
    )
    lines = wrapped(text, 60).split("\n")
    assert long in lines[0] or long in lines[1]
    assert all(line.count("`") % 2 == 0 for line in lines)
    assert [line for line in lines if len(line) > 60 and " " in line.strip()] == []
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
    assert wrapped("10\N{NO-BREAK SPACE}km `a b`", 80) == "10\N{NO-BREAK SPACE}km `a b`"
    assert wrapped("short\n\n  also short", 60) == "short\n\n  also short"
    assert for_terminal(text, io.StringIO()) == text


def test_the_verdict_comes_first_with_what_was_set(said: dict[str, str]) -> None:
    text = visible(said["show 20260102-000000-000"])
    assert text.index("Not blessed") < text.index("Metric") < text.index("step")
    text = visible(said["show 20260101-000000-000"])
    assert text.index("Blessed") < text.index("evaluation.thresholds.auc.at_least: 0.6") < text.index("step")
    assert "trainer.epochs" not in text  # as it is by itself
    assert re.search(r"^auc .* 0\.6500 to 0\.7500", text, re.MULTILINE)


def test_a_page_is_linked_on_a_terminal(said: dict[str, str]) -> None:
    assert re.search(r"\x1b\]8;[^;]*;file:///\S+/20260101-000000-000\.html\x1b\\", said["show 20260101-000000-000"])
