"""On a terminal of 80 columns nothing is cut or wraps in mid-word: every command that only looks, on a real store."""

from __future__ import annotations

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

from tests.lineage.weeks import Weeks, cats_document

COLUMNS = 80
COMMANDS = (
    *("runs", "runs --sort auc", "show 20260101-000000-000", "show 20260102-000000-000", "show 20260103-000000-000"),
    *("diff 20260101-000000-000 20260102-000000-000", "lineage 20260101-000000-000", "versions", "schema history"),
)
ALL_OF_THEM = f"""
import shlex
from pipeline.cli import app
for line in {COMMANDS!r}:
    print(chr(0), line, flush=True)
    app([*shlex.split(line), "-c", "cats.yaml"], standalone_mode=False)
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each command writes to a terminal."""
    folder = tmp_path_factory.mktemp("width")
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
    # A path or another word that is longer stays whole, so that it can be copied.
    assert [line for line in lines if len(line) > COLUMNS and " " in line.strip()] == []


def test_the_verdict_comes_first_with_what_was_set(said: dict[str, str]) -> None:
    text = visible(said["show 20260102-000000-000"])
    assert text.index("Not blessed") < text.index("Metric") < text.index("step")
    text = visible(said["show 20260101-000000-000"])
    assert text.index("Blessed") < text.index("evaluation.thresholds.auc.at_least: 0.6") < text.index("step")
    assert "trainer.epochs" not in text  # as it is by itself
    assert re.search(r"^auc .* 0\.6500 to 0\.7500", text, re.MULTILINE)


def test_a_page_is_linked_on_a_terminal(said: dict[str, str]) -> None:
    assert re.search(r"\x1b\]8;[^;]*;file:///\S+/20260101-000000-000\.html\x1b\\", said["show 20260101-000000-000"])
