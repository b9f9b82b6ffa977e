"""Ends what a command has started when the command itself was killed: nobody else would, and it may write for hours.

    python -I -S guard.py FOLDER

A process of its own, which waits until its standard input ends. A word on it says that the command has come to its end
by itself. What the command has started is known by its folder for temporary files, whoever started it: this
package, TensorFlow or Beam.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TRIES = 600
"""A process may hang on a dead disk, where no signal reaches it."""
_AGAIN_S = 0.1


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """End, if this process is killed in the block, all processes whose TMPDIR is the folder."""
    guard = None
    with suppress(OSError):  # no room for another process is no reason to stop
        command = [sys.executable, "-I", "-S", __file__, str(folder)]
        # Another command that started this one, and has a guard itself, would take ours for its own process.
        unmarked = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
        guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, env=unmarked)
    try:
        yield
    finally:
        if guard:
            guard.communicate(b"done")


def processes_of(folder: str) -> list[int]:
    """Return the processes whose temporary files go into the folder."""
    mark, found = f"TMPDIR={folder}".encode(), []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is another user's
            if mark in file.read_bytes().split(b"\0"):
                found.append(int(file.parent.name))
    return found


def main() -> None:
    """Wait, and end what is left."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which goes to all processes of a service
    if sys.stdin.buffer.read():
        return
    for _ in range(_TRIES):
        if not (left := processes_of(sys.argv[1])):
            return
        for number in left:
            with suppress(OSError):
                os.kill(number, signal.SIGKILL)
        time.sleep(_AGAIN_S)


if __name__ == "__main__":
    main()
