"""Where a prediction keeps its finished parts: a hidden folder beside the output, on the same disk.

Its name holds a digest of all that the parts depend on, so that parts of one table by one model are never put
together with others. Whoever runs the same prediction again finds them and goes on; whoever runs another one to the
same output removes them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from pipeline.errors import DiskFullError, LockedError, PipelineError, WorkspaceError, causes, tells_of_full_disk
from pipeline.files import locked

OUTCOME = ".json"
"""Ending of the file that says what a finished part holds; it is written last."""
_LOCK = "lock"
_KEY_DIGITS = 16


def key_of(*depends_on: Any) -> str:
    """Return a digest of plain data."""
    return hashlib.sha256(json.dumps(depends_on, default=str).encode()).hexdigest()[:_KEY_DIGITS]


@contextmanager
def workplace(output: Path, key: str) -> Iterator[Path]:
    """Give the folder of the parts of `output`; it goes at the end, and stays when the work was interrupted or killed.

    Raises:
        WorkspaceError: another process writes the same output, the disk is full, or the folder cannot be written.
    """
    beside = output.absolute().parent
    folder = beside / f".{output.name}.{key}"

    def refuse(_: int) -> None:
        raise LockedError(f"another process is writing {output}", "wait for it, or name another --output")

    try:
        for other in beside.glob(f".{escape(output.name)}.{'[0-9a-f]' * _KEY_DIGITS}"):
            if other != folder and (other / _LOCK).exists():
                with suppress(OSError, WorkspaceError), locked(other / _LOCK, refuse):
                    shutil.rmtree(other)
        folder.mkdir(exist_ok=True)
        with locked(folder / _LOCK, if_held=refuse):
            try:
                yield folder
            except PipelineError:  # what was read or asked is wrong: there is nothing to go on with
                shutil.rmtree(folder)
                raise
            except BaseException:
                if not any(folder.glob(f"*{OUTCOME}")):
                    shutil.rmtree(folder)
                raise
            shutil.rmtree(folder)
    except PipelineError:
        raise
    except Exception as exc:
        if (known := _translated(exc, output)) is not None:
            raise known from exc
        raise


def _translated(exc: Exception, output: Path) -> BaseException | None:
    """Say what an error means to the user; None if it is a bug."""
    story = list(causes(exc))
    if any(isinstance(cause, KeyboardInterrupt) for cause in story):  # Beam makes an ordinary error of a Ctrl-C
        return KeyboardInterrupt()
    if tells_of_full_disk("\n".join(map(str, story))):
        return DiskFullError(
            output.parent,
            f"the disk that holds {output.parent.absolute()} is full; {output.name} was not written",
            "free some space (about twice what the predictions take) and run again, which goes on with the "
            "parts that are finished; or name an --output elsewhere",
        )
    if isinstance(exc, PermissionError):
        return WorkspaceError(f"{exc.filename} cannot be written: {exc.strerror}", "fix its permissions")
    return None
