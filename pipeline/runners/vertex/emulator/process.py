"""A step's command as a process of this machine."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path
from typing import Protocol

_PRELOADED = (
    "pipeline.runners.vertex.container",
    "tfx.orchestration.kubeflow.v2.file_based_example_gen.driver",
    *(f"pipeline.components.{name}" for name in ("example_gen", "statistics_gen", "data_gate", "transform")),
    *(f"pipeline.components.{name}" for name in ("example_validator", "trainer", "evaluator", "infra_check", "pusher")),
    "trainer.train",
)
_POLL_S = 0.2


class Launch(Protocol):
    """Run a command to its end."""

    def __call__(self, command: Sequence[str], log: Path, is_cancelled: Callable[[], bool]) -> int:
        """Append all output to `log`; return the exit code, negative after a signal."""


def run_exactly(command: Sequence[str], log: Path, is_cancelled: Callable[[], bool]) -> int:
    """Start a fresh process of the very command."""
    command = _with_this_python(command)
    with log.open("ab") as file:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
        except OSError as exc:  # no such program; too long an argument
            file.write(f"{command[0]} cannot be started: {exc.strerror}\n".encode())
            return 127
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(_POLL_S)
                if is_cancelled():
                    break
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the step's own children, too
        return process.wait()


def start_fork_server() -> None:
    """Have a process import TFX, to fork steps from; do nothing where there is one. It writes what it has to say to
    where this process's output goes now."""
    forkserver.set_forkserver_preload(list(_PRELOADED))
    forkserver.ensure_running()


def run_in_fork(command: Sequence[str], log: Path, is_cancelled: Callable[[], bool]) -> int:
    """Start a fork of a process that has imported TFX: seconds less for every step. Only `python -m MODULE …` can do
    that."""
    if list(command[:2]) != ["python", "-m"]:
        return run_exactly(command, log, is_cancelled)
    start_fork_server()
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_become, args=(command[2], list(command[3:]), str(log), tempfile.gettempdir()))
    process.start()
    while process.exitcode is None:
        process.join(_POLL_S)
        if is_cancelled():
            process.kill()
    return process.exitcode


def _become(module: str, arguments: list[str], log: str, temporary: str) -> None:
    """Do in the fork what the command says; its temporary files belong to who asks, not to who started the server."""
    os.environ["TMPDIR"] = tempfile.tempdir = temporary
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def as_script(command: Sequence[str]) -> str:
    """Return the command for a terminal: to run one step again, or under a debugger."""
    return f"cd {shlex.quote(str(Path.cwd()))}\nexec {shlex.join(_with_this_python(command))}\n"


def _with_this_python(command: Sequence[str]) -> list[str]:
    """Take the container's `python` for the one that runs this."""
    return [sys.executable if command[0] in ("python", "python3") else command[0], *command[1:]]
