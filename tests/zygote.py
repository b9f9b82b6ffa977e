"""Processes that run the command line, forked from one that has imported TensorFlow and the pipeline once.

Each can really be killed, and costs no seconds of imports. Run as a program this file is that one process: on standard
input a line of JSON per command: {"argv": [...], "cwd": folder, "out": file, "err": file or null, "faults": [[function
of tests/faults/faults.py, argument, ...], ...]}. `out` may be a terminal or a pipe; without `err` errors go there, too.
On standard output two lines: the process's number, and how it ended (an exit code, or minus a signal) with the
seconds of processor time that it took. {"twin": address} forks a process that takes such orders at a socket.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from copy import copy
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, TextIO

from tests.place import Outcome
from tests.probes import end_with, probe_server, probing_by

ROOT = Path(__file__).parents[1]
ELSEWHERE = ("pipeline.runners.vertex", "pipeline.beam", "pipeline.serving.server", "pipeline.__main__")
"""Rooms that no command on this machine's own workspace enters."""


class Zygote:
    """The one process, and orders to it.

    Args:
        probes: the address of a `probe_server`, instead of one of its own.

    Attributes:
        cpu_s: seconds of processor time that its commands took.
    """

    cpu_s = 0.0

    def __init__(self, environment: dict[str, str] | None = None, probes: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.zygote", probes], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip
        assert self._process.stdin
        assert self._process.stdout
        self._orders, self._answers = self._process.stdin, self._process.stdout
        assert self._readline() == "ready"

    def twin(self) -> Zygote:
        """Another one, forked from this one without its imports: commands of both run at the same time."""
        twin = copy(self)
        twin.cpu_s = 0.0
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as door:
            door.bind(f"{folder}/door")
            door.listen()
            door.settimeout(300)
            print(json.dumps({"twin": f"{folder}/door"}), file=self._orders, flush=True)
            connection, _ = door.accept()
        with connection:
            twin._orders, twin._answers = connection.makefile("w"), connection.makefile()
        return twin

    def start(self, argv: list[str], out: Path, faults: list[Any], err: Path | None = None) -> int:
        """Begins a command; the number of its process. `end` must follow."""
        order = {"argv": argv, "out": str(out), "err": err and str(err), "cwd": str(Path.cwd()), "faults": faults}
        print(json.dumps(order), file=self._orders, flush=True)
        return int(self._readline())

    def end(self) -> int:
        """How the command ended."""
        code, cpu_s = self._readline().split()
        self.cpu_s += float(cpu_s)
        return int(code)

    def __call__(self, *arguments: str | Path, faults: Sequence[Any] = ()) -> Outcome:
        """Runs a command line in a process of its own, with the functions of faults.py called first."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out.txt"), Path(folder, "err.txt")
            self.start([str(argument) for argument in arguments], out, list(faults), err)
            code, errors = self.end(), err.read_text()
            return Outcome(code, out.read_text() + errors, errors)

    def close(self) -> None:
        """Ends a twin, or the process; twins must have ended before it."""
        self._orders.close()
        if self._orders is self._process.stdin:
            self._process.wait(timeout=300)
        self._answers.close()

    def _readline(self) -> str:
        line = self._answers.readline()
        assert line, "the zygote has died"
        return line.strip()


def main(probes: str) -> None:
    import pipeline
    import trainer.train  # noqa: F401
    from pipeline.lineage.import_closure import all_files, source
    from tests.faults import faults

    for module in walk_packages(pipeline.__path__, "pipeline."):  # which took a third of an unchanged run
        if not module.name.startswith(ELSEWHERE):
            import_module(module.name)
    for file in all_files():  # what a step's code uses is looked up once, and again in files that have changed since
        source(file)
    gc.freeze()  # what is imported stays: no collection in a command need go through it, which is a fifth of a run
    with nullcontext(probes) if probes else probe_server() as server, probing_by(server):
        print("ready", flush=True)
        _obey(sys.stdin, sys.stdout, faults)


def _obey(orders: Iterable[str], answers: TextIO, faults: Any) -> None:
    for line in orders:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            end_with(partial(_twin if "twin" in order else _run, order, faults), broken=99)
        if "twin" in order:
            continue
        print(child, file=answers, flush=True)
        _, status, used = os.wait4(child, 0)
        print(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, file=answers, flush=True)


def _twin(order: dict[str, Any], faults: Any) -> None:
    """In the child."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(order["twin"])
        _obey(connection.makefile(), connection.makefile("w"), faults)


def _run(order: dict[str, Any], faults: Any) -> None:
    """In the child."""
    from pipeline import cli

    os.setsid()
    os.chdir(order["cwd"])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(out, 1)
    err = order["err"]
    os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644) if err else out, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = os.fdopen(1, "w", 1, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, closefd=False)
    logging.getLogger().handlers.clear()  # as it is in a process that has imported nothing yet
    sys.argv = ["longhaul", *order["argv"]]
    for name, *arguments in order["faults"]:
        getattr(faults, name)(*arguments)
    cli.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
