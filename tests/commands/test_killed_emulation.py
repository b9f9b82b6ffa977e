"""An emulated job whose command is killed: nobody else would end its steps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.waiting import eventually
from tests.workspace.test_scratch import ROOT, is_alive

EMULATES = """
import pathlib, sys
from pipeline.commands import vertex
from pipeline.config.loading import load
from tests.runners.vertex.test_emulator import job, shell, task

folder = pathlib.Path(sys.argv[1])
says = f'sleep 300 & echo $! $$ > {folder}/writing; mv {folder}/writing {folder}/pids; wait'
plan = job({"one_executor": shell(says)}, {"one": task("one", componentRef={"name": "one_executor"})})
vertex.vertex_of = lambda config: None
vertex.compile_quietly = lambda *_, **__: vertex.Compiled(plan | {"labels": {vertex.MADE_WITH: "0"}}, b"{}")
vertex.emulate(load(workspace=str(folder / "workspace")))
"""


def test_the_steps_of_an_emulated_job_end_with_its_killed_command(tmp_path: Path) -> None:
    """Seen failing: both went on."""
    command = [sys.executable, "-c", EMULATES, str(tmp_path)]
    pids = tmp_path / "pids"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as process:
        assert process.stdout
        try:
            eventually(lambda: pids.exists() or process.poll() is not None)
            assert pids.exists(), process.stdout.read()
        finally:
            process.kill()
    started = [int(pid) for pid in pids.read_text().split()]
    try:
        eventually(lambda: not any(map(is_alive, started)), within_s=30)
    finally:
        for pid in started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
