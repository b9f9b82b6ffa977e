"""The tutorial, command by command as it stands there: who follows it comes to a served model."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests import small
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.long]
ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
BLOCKED = ("longhaul validate lacking.csv", "mv penguins.csv")
"""How what ends with exit code 1 begins: a command, and a block of which a command does."""


def blocks() -> list[str]:
    """What is to be typed, a block at a time; what is answered is none."""
    found = re.findall(r"(?m)((?:^ {4}\S.*\n(?: {4}.*\n)*)+)", TUTORIAL)
    typed = ["\n".join(line[4:] for line in block.splitlines()) for block in found]
    return [block for block in typed if not block.startswith("{")]


def commands(block: str) -> Iterator[str]:
    """A line each, but for one whose quotation goes on."""
    waiting = ""
    for line in block.splitlines():
        waiting = f"{waiting}\n{line}" if waiting else line
        try:
            shlex.split(waiting)
        except ValueError:
            continue
        yield waiting
        waiting = ""
    assert not waiting


def test_each_command_of_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    with socket.socket() as one:  # 8501 may be taken on this machine
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "examples").symlink_to(ROOT / "examples")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "BROWSER": "true", "PYTHONPATH": str(ROOT)}
    serving: list[subprocess.Popen[str]] = []
    said: dict[str, str] = {}
    try:
        for block in blocks():
            for command in commands(block):
                if command in ("make setup", ". .venv/bin/activate"):  # this test has them behind it
                    continue
                if command.startswith("cd "):
                    folder = (folder / command.removeprefix("cd ")).resolve()
                    continue
                if command.startswith("longhaul serve"):
                    words = [*shlex.split(command), "--port", port, "--grpc-port", "-1"]
                    serving.append(subprocess.Popen(words, cwd=folder, env=env, text=True))
                    eventually(lambda: answers(port))
                    continue
                typed = command.replace(":8501/", f":{port}/")
                done = subprocess.run(["bash", "-c", typed], cwd=folder, env=env, capture_output=True, text=True)
                said[command] = done.stdout + done.stderr
                blocked = command.startswith(BLOCKED[0]) or (block.startswith(BLOCKED[1]) and " run " in command)
                assert done.returncode == (1 if blocked else 0), (command, said[command])
                if command.startswith("longhaul init"):
                    cheapen(folder / "penguins.yaml")
    finally:
        for process in serving:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    runs = [text for command, text in said.items() if command.startswith("longhaul run")]
    assert "cached" in runs[-1]  # the last of equal commands: all is well again
    (asked,) = (text for command, text in said.items() if command.startswith("curl"))
    told, _ = json.JSONDecoder().raw_decode(asked[asked.index("{") :])  # curl's progress follows
    assert "predictions" in told, asked
    (answer,) = told["predictions"]
    assert (len(answer["prediction"]), answer["predicted_class"]) == (3, "0")
    assert (folder / "scored.csv").read_text().count("\n") == 335
    stopped = next(text for command, text in said.items() if command.startswith(BLOCKED[0]))
    assert "Blocked" in stopped
    assert "body_mass_g" in stopped


def answers(port: str) -> bool:
    """The port is open before the model is loaded."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def cheapen(file: Path) -> None:
    """How well a network learns is not the subject."""
    document = yaml.safe_load(file.read_text())
    document["trainer"] = small.TRAINER | {"hidden_units": [16], "epochs": 30, "batch_size": 32}
    document["infra_check"] = small.INFRA_CHECK
    document["evaluation"]["explain"] = small.EVALUATION["explain"]
    file.write_text(yaml.safe_dump(document))
