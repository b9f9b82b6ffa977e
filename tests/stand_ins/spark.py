"""A Spark cluster on the loopback interface, as small as it may be: the real programs, in a folder of their own.

Spark lies where tests/stand_ins/fetch_job_server.sh puts it, with Beam's job server.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.stand_ins.programs import JAVA_OPENED, Programs, free_ports, is_open

_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"
_WORKERS = 2
LOOPBACK = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "localhost"}
"""Where Spark's programs listen, also the job server's."""


class SparkCluster:
    """Spark's own master and two workers, each of which takes one task at a time, and a pool of Python workers.

    Attributes:
        settings: the section beam.spark that leads here.
        workers: Spark's, whose children are the executors.
    """

    def __init__(self, home: Path, folder: Path) -> None:
        """Nothing is started yet.

        Args:
            home: what fetch_job_server.sh filled.
            folder: for logs and temporary files.
        """
        self._home, self._folder = home, folder
        self._port, self._page, self._pool = free_ports(3)
        self.settings = {
            "master": f"spark://localhost:{self._port}",
            "job_server_jar": f"{home}/job-server/job-server.jar",
            "worker_pool": f"localhost:{self._pool}",
        }
        self.programs = Programs(folder)
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> SparkCluster:
        (self._folder / "home").mkdir(parents=True)
        (self._folder / "home" / "jars").symlink_to(self._home / "job-server")  # as Spark's workers look for it
        with self.programs.all_or_none():
            page = ["--host", "localhost", "--port", str(self._port), "--webui-port", str(self._page)]
            self._java("master", _MASTER, *page)
            self.programs.wait_until(lambda: is_open(self._page))
            for number in range(_WORKERS):
                place = ["--host", "localhost", "--work-dir", str(self._folder / f"work-{number}"), "--webui-port", "0"]
                place += ["--cores", "1", "--memory", "1g", self.settings["master"]]
                self.workers.append(self._java(f"worker-{number}", _WORKER, *place))
            self.programs.start_worker_pool(self._pool)
            self.programs.wait_until(lambda: self.told()["aliveworkers"] == _WORKERS)
        return self

    def __exit__(self, *exc: object) -> None:
        self.programs.close()

    def told(self) -> dict[str, Any]:
        """What the master says of its workers and of the applications on them."""
        found: dict[str, Any] = requests.get(f"http://localhost:{self._page}/json/", timeout=10).json()
        return found

    def kill_one_at_work(self) -> bool:
        """Kills a worker that has an executor to which a Python worker talks, as when its machine is lost."""
        talked_to = {
            connection.raddr.port
            for number in self.programs.python_workers()
            for connection in psutil.Process(number).net_connections()
            if connection.raddr
        }
        for worker in (psutil.Process(process.pid) for process in self.workers):
            executors = worker.children()
            if any(connection.laddr.port in talked_to for one in executors for connection in one.net_connections()):
                for process in (*executors, worker):
                    process.send_signal(signal.SIGKILL)
                return True
        return False

    def _java(self, name: str, main: str, *args: str) -> subprocess.Popen[bytes]:
        command = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", f"{self._home}/job-server/*", main, *args]
        # Executors have this, too.
        settings = {
            "SPARK_HOME": str(self._folder / "home"),
            "SPARK_SCALA_VERSION": "2.12",
            "JAVA_TOOL_OPTIONS": " ".join(JAVA_OPENED),
        }
        return self.programs.start(name, *command, **settings, **LOOPBACK)
