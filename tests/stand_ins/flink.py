"""A Flink cluster on the loopback interface, as small as it may be: the real programs, in a folder of their own.

Flink lies where tests/stand_ins/fetch_flink.sh puts it, with Beam's job server.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import requests

_ROOT = Path(__file__).parent.parent.parent
_START_S = 180
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_OPENED = {
    "exports": ("java.base/sun.net.util", "java.rmi/sun.rmi.registry"),
    "opens": tuple(
        f"java.base/{package}"
        for package in (
            *("java.lang", "java.lang.reflect", "java.net", "java.io", "java.nio", "sun.nio.ch", "java.text"),
            *("java.time", "java.util", "java.util.concurrent", "java.util.concurrent.atomic"),
            "java.util.concurrent.locks",
        )
    ),
}
"""What Flink's own scripts open of Java 17."""
_SETTINGS = """\
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {rpc}
jobmanager.bind-host: localhost
taskmanager.host: localhost
taskmanager.bind-host: localhost
rest.address: localhost
rest.bind-address: localhost
rest.port: {rest}
blob.server.port: 0
io.tmp.dirs: {folder}/tmp
taskmanager.numberOfTaskSlots: {slots}
taskmanager.load-balance.mode: SLOTS
taskmanager.cpu.cores: 1.0
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.heap.size: 256m
taskmanager.memory.task.off-heap.size: 0m
taskmanager.memory.network.min: 256m
taskmanager.memory.network.max: 256m
taskmanager.memory.managed.size: 256m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 192m
taskmanager.memory.jvm-overhead.max: 192m
# What a job brings lies beside Flink already, and is loaded once for all jobs.
classloader.resolve-order: parent-first
# An evaluation has many shuffles at the same time, each with 512 buffers if it were not said.
taskmanager.network.sort-shuffle.min-buffers: 32
cluster.registration.error-delay: 500
# A task manager that is killed refuses two heartbeats and is given up at once; one that is only slow is waited for.
# Its work is done again on a slot that is free.
heartbeat.interval: 1000
heartbeat.timeout: 120000
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 5
restart-strategy.fixed-delay.delay: 1 s
"""


class FlinkCluster:
    """A job manager, task managers, and a pool of Python workers.

    Attributes:
        rest: address of Flink's REST service and page.
        worker_pool: address of the pool that starts Python workers.
        task_managers: their processes.
    """

    def __init__(self, home: Path, folder: Path, task_managers: int = 2, slots: int = 2) -> None:
        """Nothing is started yet.

        Args:
            home: what fetch_flink.sh filled.
            folder: for settings, logs and temporary files.
            slots: parallel tasks that each task manager takes.
        """
        self._home, self._folder = home, folder
        self._ports = dict(zip(("rpc", "rest", "pool"), free_ports(3), strict=True))
        self.rest, self.worker_pool = (f"localhost:{self._ports[name]}" for name in ("rest", "pool"))
        self._number, self._slots = task_managers, slots
        self._processes = ExitStack()
        self.task_managers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> FlinkCluster:
        for name in ("tmp", "conf"):
            (self._folder / name).mkdir(parents=True)
        (self._folder / "conf" / "config.yaml").write_text(
            _SETTINGS.format(**self._ports, folder=self._folder, slots=self._slots)
        )
        with self._processes:
            classes = f"{self._home}/job-server/*"
            conf = ["--configDir", str(self._folder / "conf")]
            self._java("job-manager", 256, classes, _JOB_MANAGER, *conf)
            for _ in range(self._number):
                self.add_task_manager()
            self._start(
                "workers", sys.executable, "-m", "pipeline.runners.worker_pool", f"--port={self._ports['pool']}"
            )
            wait_until(lambda: self.slots() == self._number * self._slots, _START_S, self._folder)
            wait_until(lambda: is_open(self._ports["pool"]), _START_S, self._folder)
            self._processes = self._processes.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._processes.close()

    def add_task_manager(self) -> None:
        """Starts one more."""
        self.task_managers.append(
            self._java(
                f"task-manager-{len(self.task_managers)}",
                384,
                f"{self._home}/job-server/*",
                _TASK_MANAGER,
                *("--configDir", str(self._folder / "conf")),
            )
        )

    def get(self, path: str) -> Any:
        """What Flink's REST service says."""
        return requests.get(f"http://{self.rest}/{path}", timeout=10).json()

    def slots(self) -> int:
        """Those of the task managers that the job manager knows."""
        try:
            return int(self.get("overview")["slots-total"])
        except (requests.RequestException, KeyError):
            return 0

    def _java(self, name: str, heap_mb: int, classes: str, main: str, *args: str) -> subprocess.Popen[bytes]:
        opened = [f"--add-{how}={package}=ALL-UNNAMED" for how, packages in _OPENED.items() for package in packages]
        return self._start(
            name,
            "java",
            f"-Xmx{heap_mb}m",
            "-XX:+UseSerialGC",
            "-XX:MaxDirectMemorySize=640m",
            *opened,
            "-cp",
            classes,
            main,
            *args,
        )

    def _start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=_ROOT)
        self._processes.callback(stop, process)
        return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """Asks, then insists."""
    process.terminate()
    try:
        process.wait(15)
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


def wait_until(is_so: Callable[[], bool], timeout_s: float, logs: Path) -> None:
    """Raises AssertionError, with the ends of the logs, when it takes too long."""
    until = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > until:
            ends = [f"{log.name}:\n{log.read_text(errors='replace')[-2000:]}" for log in sorted(logs.glob("*.log"))]
            raise AssertionError("\n\n".join(ends))
        time.sleep(0.2)
