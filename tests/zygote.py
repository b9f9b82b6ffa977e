"""Processes that run the command line, forked from one that has imported TensorFlow and the pipeline once.

Each can really be killed, and costs no seconds of imports. Run as a program this file is that one process: on standard
input a line of JSON per command: {"argv": [...], "cwd": folder, "out": file, "err": file or null, "faults": [[function
of tests/faults/faults.py, argument, ...], ...]}. `out` may be a terminal or a pipe; without `err` errors go there, too.
On standard output two lines: the process's number, and how it ended (an exit code, or minus a signal).
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

from tests.place import Outcome
from tests.probes import end_with, probe_server, probing_by

ROOT = Path(__file__).parents[1]
ELSEWHERE = ("pipeline.runners.vertex", "pipeline.beam", "pipeline.serving.server", "pipeline.__main__")
"""Rooms that no command on this machine's own workspace enters."""


class Zygote:
    """The one process, and orders to it."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.zygote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip
        assert self._readline() == "ready"

    def start(self, argv: list[str], out: Path, faults: list[Any], err: Path | None = None) -> int:
        """Begins a command; the number of its process. `end` must follow."""
        assert self._process.stdin
        self._process.stdin.write(
            json.dumps(
                {"argv": argv, "out": str(out), "err": err and str(err), "cwd": str(Path.cwd()), "faults": faults}
            )
            + "\n"
        )
        self._process.stdin.flush()
        return int(self._readline())

    def end(self) -> int:
        """How the command ended."""
        return int(self._readline())

    def __call__(self, *arguments: str | Path, faults: Sequence[Any] = ()) -> Outcome:
        """Runs a command line in a process of its own, with the functions of faults.py called first."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out.txt"), Path(folder, "err.txt")
            self.start([str(argument) for argument in arguments], out, list(faults), err)
            code, errors = self.end(), err.read_text()
            return Outcome(code, out.read_text() + errors, errors)

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=300)

    def _readline(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the zygote has died"
        return line.strip()


def main() -> None:
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
    with probe_server() as server, probing_by(server):
        print("ready", flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            child = os.fork()
            if child == 0:
                end_with(partial(_run, order, faults), broken=99)
            print(child, flush=True)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


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
    main()
