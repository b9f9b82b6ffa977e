"""Several processes that serve behind the same ports: they are started, and replaced when they die."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace

from pipeline.errors import WorkspaceError
from pipeline.serving.server.process import Options, ending_signals, say

_AGAIN_S = 1.0
"""Between the end of a worker and the start of the next in its place."""


def _answers(listener: socket.socket) -> bool:
    """Return whether somebody listens where the socket has its address."""
    try:
        socket.create_connection(listener.getsockname()[:2], timeout=1).close()
    except OSError:
        return False
    return True


def _worker(options: Options, metrics: str) -> subprocess.Popen[bytes]:
    """Start a worker that speaks where this command does: file descriptor 2 of a command leads nowhere, for C++."""
    ours = replace(options, supervisor=os.getpid())
    command = [sys.executable, "-m", "pipeline.serving.server", ours.to_text()]
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": metrics}
    return subprocess.Popen(command, env=environment, stderr=sys.stderr.fileno())


def supervise(options: Options, listener: socket.socket, announce: Callable[[], None]) -> None:
    """Keep `options.workers` processes alive until SIGTERM, SIGHUP or Ctrl-C; one that dies is replaced.

    Args:
        listener: holds the port, so that workers may come and go; it does not listen for connections itself.
        announce: called when one answers.
    """
    ending = announced = False

    def end(*_: object) -> None:
        nonlocal ending
        ending = True
        for process in processes:
            process.terminate()

    with tempfile.TemporaryDirectory(prefix="longhaul-serve-") as folder:
        processes: list[subprocess.Popen[bytes]] = []
        for number in ending_signals():
            signal.signal(number, end)
        processes += [_worker(options, folder) for _ in range(options.workers)]
        while not ending:
            time.sleep(0.05)
            if not announced and _answers(listener):
                announced = True
                announce()
            for place, process in enumerate(processes):
                if process.poll() is None or ending:
                    continue
                if not announced:
                    end()
                    raise WorkspaceError(
                        f"a worker ended with {process.returncode} before it answered",
                        "read above what it said; `longhaul serve` without --workers is the same in one process",
                    )
                say(f"a worker ended ({process.returncode}); another takes its place")
                time.sleep(_AGAIN_S)
                processes[place] = _worker(options, folder)
        for process in processes:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(options.drain_s + 5)
            process.kill()
    listener.close()
