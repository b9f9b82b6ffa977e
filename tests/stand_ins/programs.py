"""Real programs on the loopback interface, which end with whoever started them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

_START_S = 180
"""How long a program may take to answer, on a busy machine."""
_ROOT = Path(__file__).parent.parent.parent
_OPENED = {
    "exports": ("java.base/sun.net.util", "java.rmi/sun.rmi.registry"),
    "opens": tuple(
        f"java.base/{package}"
        for package in (
            *("java.lang", "java.lang.invoke", "java.lang.reflect", "java.net", "java.io", "java.nio", "sun.nio.ch"),
            *("java.text", "java.time", "java.util", "java.util.concurrent", "java.util.concurrent.atomic"),
            *("java.util.concurrent.locks", "sun.nio.cs", "sun.security.action", "sun.util.calendar"),
        )
    ),
}
JAVA_OPENED = [f"--add-{how}={package}=ALL-UNNAMED" for how, packages in _OPENED.items() for package in packages]
"""What Flink's and Spark's own scripts open of Java 17."""


class Programs:
    """Starts programs, each with a log of its name in `folder`; `close` ends them, the last first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running = ExitStack()

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """What is started inside stays, unless there is an error."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends all."""
        self._running.close()

    def start(
        self, name: str, *command: str, cores: Collection[int] = (), **environment: str
    ) -> subprocess.Popen[bytes]:
        """Args:
        cores: those that the program and its children are kept on; any when empty.
        environment: is added to this process's.
        """
        kept = ["taskset", "--cpu-list", ",".join(map(str, sorted(cores)))] if cores else []
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*kept, *command], stdout=log, stderr=log, cwd=_ROOT, env=os.environ | environment
            )
        self._running.callback(stop, process)
        return process

    def start_worker_pool(self, port: int, cores: Collection[int] = ()) -> None:
        """What starts Python workers; it answers."""
        module = "pipeline.beam.worker_pool"
        self._pool = self.start("workers", sys.executable, "-m", module, f"--port={port}", cores=cores)
        self.wait_until(lambda: is_open(port))

    def python_workers(self) -> list[int]:
        """The process numbers of those that the pool has now: it has a process fork them."""
        with suppress(psutil.NoSuchProcess):
            forks = psutil.Process(self._pool.pid).children()
            return [worker.pid for fork in forks for worker in fork.children()]
        return []

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float = _START_S) -> None:
        """Raises AssertionError, with the ends of the logs, when it takes too long."""
        until = time.monotonic() + timeout_s
        while not is_so():
            if time.monotonic() > until:
                logs = sorted(self.folder.glob("*.log"))
                raise AssertionError(
                    "\n\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-2000:]}" for log in logs)
                )
            time.sleep(0.2)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Asks, then insists."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with suppress(OSError), socket.create_connection(("localhost", port), 1):
        return True
    return False
