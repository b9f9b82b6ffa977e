"""A Flink cluster on the loopback interface, as small as it may be: the real programs, in a folder of their own.

Flink lies where tests/stand_ins/fetch_job_server.sh puts it, with Beam's job server.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import requests

from tests.stand_ins.programs import JAVA_OPENED, Programs, free_ports

_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
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
web.refresh-interval: 300
# A task manager that is killed refuses two heartbeats and is given up at once; one that is only slow is waited for.
# Its work is done again on a slot that is free.
heartbeat.interval: 1000
heartbeat.timeout: 120000
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 50
restart-strategy.fixed-delay.delay: 1 s
"""


class FlinkCluster:
    """A job manager, task managers, and a pool of Python workers.

    Attributes:
        rest: address of Flink's REST service and page.
        settings: the section beam.flink that leads here.
        task_managers: their processes.
    """

    def __init__(
        self,
        home: Path,
        folder: Path,
        slots: int = 2,
        cores: Sequence[Collection[int]] = ((), ()),
    ) -> None:
        """Nothing is started yet.

        Args:
            home: what fetch_job_server.sh filled.
            folder: for settings, logs and temporary files.
            slots: parallel tasks that each task manager takes.
            cores: for each task manager those that it is kept on, any when empty; the pool is kept on all of them.
        """
        self._home, self._folder = home, folder
        self._ports = dict(zip(("rpc", "rest", "pool"), free_ports(3), strict=True))
        self.rest = f"localhost:{self._ports['rest']}"
        self.settings: dict[str, Any] = {
            "master": self.rest,
            "job_server_jar": f"{home}/job-server/job-server.jar",
            "worker_pool": f"localhost:{self._ports['pool']}",
        }
        self._slots, self._cores = slots, cores
        self.programs = Programs(folder)
        self.task_managers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> FlinkCluster:
        for name in ("tmp", "conf"):
            (self._folder / name).mkdir(parents=True)
        (self._folder / "conf" / "config.yaml").write_text(
            _SETTINGS.format(**self._ports, folder=self._folder, slots=self._slots)
        )
        with self.programs.all_or_none():
            self._java("job-manager", 256, _JOB_MANAGER)
            self.task_managers = [
                self._java(f"task-manager-{number}", 384, _TASK_MANAGER, cores)
                for number, cores in enumerate(self._cores)
            ]
            all_cores = {core for cores in self._cores for core in cores}
            self.programs.start_worker_pool(self._ports["pool"], all_cores)
            self.programs.wait_until(lambda: self.slots() == len(self._cores) * self._slots)
        return self

    def __exit__(self, *exc: object) -> None:
        self.programs.close()

    def get(self, path: str) -> Any:
        """What Flink's REST service says."""
        return requests.get(f"http://{self.rest}/{path}", timeout=10).json()

    def slots(self) -> int:
        """Those of the task managers that the job manager knows."""
        try:
            return int(self.get("overview")["slots-total"])
        except (requests.RequestException, KeyError):
            return 0

    def _java(self, name: str, heap_mb: int, main: str, cores: Collection[int] = ()) -> subprocess.Popen[bytes]:
        heap = [f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-XX:MaxDirectMemorySize=640m"]
        classes = ["-cp", f"{self._home}/job-server/*", main, "--configDir", str(self._folder / "conf")]
        return self.programs.start(name, "java", *heap, *JAVA_OPENED, *classes, cores=cores)
