"""A process that is killed before one of its changes of a file or of the store."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection
from typing import Any

from ml_metadata import MetadataStore

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.copyfile", "store", "open")


def killed_at(moment: int, work: Callable[[], Any], changes: Collection[str] = CHANGES) -> bool:
    """Does the work in a process of its own that is killed before its change number so and so, of a file or of
    the store; False if it came to its end first."""
    child = os.fork()
    if child == 0:
        left = [moment]

        def change(event: str, arguments: tuple[Any, ...]) -> None:
            reads = event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR))
            if event in changes and not reads:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        put = MetadataStore._call

        def call(self: Any, name: str, *arguments: Any) -> Any:
            if name.startswith("Put"):
                change("store", ())
            return put(self, name, *arguments)

        MetadataStore._call = call
        sys.addaudithook(change)
        work()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0
