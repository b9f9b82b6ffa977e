"""Imports TensorFlow and the pipeline once, then forks a process for every command line that it is asked to run.

Each is a process that can really be killed, without the seconds that imports take. On standard input a line of JSON
per command: {"argv": [...], "out": file, "err": file or null, "faults": [[function of faults.py, argument, ...], ...]}.
`out` may be a terminal or a pipe; without `err` errors go there, too. On standard output two lines: the process's
number, and how it ended (an exit code, or minus a signal).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import traceback
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

import faults  # noqa: E402 (and with it everything heavy)

import pipeline.commands.run  # noqa: E402
import pipeline.reports.page  # noqa: E402, F401
import trainer.train  # noqa: E402, F401
from pipeline import cli  # noqa: E402


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(order)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _run(order: dict[str, object]) -> None:
    """In the child: never returns."""
    code = 99
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        out = os.open(str(order["out"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(out, 1)
        err = order["err"]
        os.dup2(os.open(str(err), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644) if err else out, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = os.fdopen(1, "w", 1, closefd=False)
        sys.stderr = os.fdopen(2, "w", 1, closefd=False)
        logging.getLogger().handlers.clear()  # as it is in a process that has imported nothing yet
        sys.argv = ["longhaul", *order["argv"]]  # type: ignore[misc]
        for name, *arguments in order["faults"]:  # type: ignore[attr-defined]
            getattr(faults, name)(*arguments)
        cli.main()
        code = 0
    except SystemExit as exc:
        code = int(exc.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


main()
