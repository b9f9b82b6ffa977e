"""InfraCheck's process, forked from one that has imported TensorFlow: one second instead of five in every whole run.

What is forked is what the check would start: the same program with the same arguments, in a process of its own that
may die or hang. That it also works from nothing is proved where it is the subject: tests/serving/test_check.py and
tests/e2e/test_whole_run.py.
"""

from __future__ import annotations

import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn
from unittest import mock

ROOT = Path(__file__).parents[1]


@contextmanager
def probe_server() -> Iterator[str]:
    """The one process; its address."""
    with tempfile.TemporaryDirectory(prefix="longhaul-probes-") as folder:
        command = [sys.executable, "-m", "tests.probes", f"{folder}/socket"]
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as server:
            yield f"{folder}/socket"
            server.terminate()


@contextmanager
def probing_by(server: str) -> Iterator[None]:
    """InfraCheck in this process, and in those forked from it, asks a process forked from the server's."""
    from pipeline.serving import check

    forking = SimpleNamespace(run=_Client(server).run, TimeoutExpired=subprocess.TimeoutExpired)
    with mock.patch.object(check, "subprocess", forking):
        yield


class _Client:
    """`run` stands for subprocess.run."""

    def __init__(self, address: str) -> None:
        self._address = address

    def run(
        self, command: Sequence[str], *, timeout: float, env: Mapping[str, str], **_: Any
    ) -> subprocess.CompletedProcess[str]:
        with socket.socket(socket.AF_UNIX) as connection, tempfile.NamedTemporaryFile() as errors:
            self._connect(connection)
            order = {"program": command[-2], "argument": command[-1], "errors": errors.name, "environment": dict(env)}
            connection.sendall(json.dumps(order).encode() + b"\n")
            connection.settimeout(timeout)
            try:
                answer = connection.recv(100)
            except TimeoutError:
                raise subprocess.TimeoutExpired(command, timeout) from None
            return subprocess.CompletedProcess(command, int(answer), "", Path(errors.name).read_text(errors="replace"))

    def _connect(self, connection: socket.socket) -> None:
        """When the process has imported TensorFlow, which may take a while."""
        until = time.monotonic() + 300
        while True:
            try:
                return connection.connect(self._address)
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)


def main(address: str) -> None:
    import tensorflow  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        while True:
            ready, _, _ = select.select([server, sys.stdin], [], [])
            if sys.stdin in ready:
                return  # whoever started this has died
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _answer(connection)
            connection.close()


def _answer(connection: socket.socket) -> None:
    """Runs a probe; if nobody waits for it any more, kills it. Never returns."""
    order = json.loads(connection.makefile().readline())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        connection.close()
        end_with(partial(_probe, order), broken=1)
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if select.select([connection], [], [], 0.01)[0]:  # closed
            os.kill(child, signal.SIGKILL)
    with suppress(OSError):
        connection.sendall(str(os.waitstatus_to_exitcode(ended[1])).encode())
    os._exit(0)


def _probe(order: dict[str, Any]) -> None:
    """In the child."""
    os.dup2(os.open(order["errors"], os.O_WRONLY), 2)
    os.dup2(2, 1)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = [order["program"], order["argument"]]
    runpy.run_path(order["program"], run_name="__main__")


def end_with(work: Callable[[], object], broken: int) -> NoReturn:
    """Does the work of a forked process and ends it, with `broken` as its exit code after an error."""
    code = broken
    try:
        work()
        code = 0
    except SystemExit as exc:
        code = int(exc.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
