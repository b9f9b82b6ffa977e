"""What can go wrong in a process that runs the command line; installed in the forked child only."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ml_metadata import MetadataStore
from tfx.orchestration.portable import resolver_node_handler

from pipeline.lineage import relocation, renaming
from pipeline.runners.local import launch, limits, record

_LONGEST_HOLD_S = 600
"""So that no process outlives a test that failed."""


_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "shutil.copyfile"}
_NEW_MOUNTS = 0x00020000
"""CLONE_NEWNS, see unshare(2)."""


def kill_at(node: str, moment: str) -> None:
    """SIGKILL at some moment of a step.

    Args:
        moment: `start`: it is on record, and nothing done. `middle`: the first file of its outputs is there. `end`: all
            files are there, and ML Metadata does not know. `after`: ML Metadata knows, the run's own record does not.
    """
    run_without_cache(node)
    if moment == "after":
        _before(record.RunRecord, "step", lambda _, name, *__: _die() if name == node else None)
    elif moment == "end":
        _before(launch._Launcher, "_publish_successful_execution", lambda self, *_: _die() if _is(self, node) else None)
    elif moment == "start":
        _before(launch._Launcher, "_run_executor", lambda self, *_: _die() if _is(self, node) else None)
        _before(
            resolver_node_handler.ResolverNodeHandler,
            "run",
            lambda self, _, step, *__: _die() if step.node_info.id == node else None,
        )
    else:
        _before(
            launch._Launcher, "_run_executor", lambda self, info: _die_at_first_file(info) if _is(self, node) else None
        )
        _before(launch._Launcher, "_publish_successful_execution", lambda self, *_: _die() if _is(self, node) else None)


def killed_while_relocating(texts: int) -> None:
    """SIGKILL in the transaction that rewrites the store, after so many texts."""
    seen = 0

    def count(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > texts:
            _die()

    _before(relocation, "rename", lambda *_: _before(renaming.Renaming, "__call__", count))


def kill_at_change(number: int, below: str) -> None:
    """SIGKILL after so many changes of files below a folder, or of what is on record."""
    seen = 0

    def count(*_: Any, **__: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > number:
            _die()

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")):
            if not isinstance(arguments[2], int) or not arguments[2] & (os.O_WRONLY | os.O_RDWR):
                return
        elif event not in _CHANGES:
            return
        if any(isinstance(one, str | os.PathLike) and os.fspath(one).startswith(below) for one in arguments[:2]):
            count()

    sys.addaudithook(look)
    for name in dir(MetadataStore):
        if name.startswith(("put_", "delete_")):
            _before(MetadataStore, name, count)


def run_without_cache(node: str) -> None:
    """The step works, whatever is known of it."""

    def uncached(_: Any, step: Any) -> None:
        if step.node_info.id == node:
            step.execution_options.caching_options.enable_cache = False

    _before(launch.StepLauncher, "_try", uncached)


def _die_at_first_file(info: Any) -> None:
    folders = [Path(artifact.uri) for artifacts in info.output_dict.values() for artifact in artifacts]

    def watch() -> None:
        while not any(path.is_file() for folder in folders for path in folder.rglob("*")):
            time.sleep(0.0005)
        _die()

    threading.Thread(target=watch, daemon=True).start()


def kill_while_probing(temporary: str) -> None:
    """SIGKILL when InfraCheck has written rows for the process that it asks.

    Args:
        temporary: the system's folder for temporary files, from now on.
    """
    from pipeline.serving import check

    os.environ["TMPDIR"], tempfile.tempdir = temporary, None
    _before(check, "_ask", lambda *_: _die())


def fill_disk_at(node: str, folder: str, leave: int) -> None:
    """Before the step's work begins, a file takes all the room but `leave` bytes of the disk that holds `folder`."""

    def fill(self: Any, *_: Any) -> None:
        if _is(self, node):
            free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
            Path(folder, "ballast").write_bytes(bytes(max(0, free - leave)))

    run_without_cache(node)
    _before(launch._Launcher, "_run_executor", fill)


def make_read_only(folder: str) -> None:
    """For this process and its children; only root may."""
    assert ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS) == 0, os.strerror(ctypes.get_errno())
    for options in (["--make-rprivate", "/"], ["--bind", folder, folder], ["-o", "remount,bind,ro", folder]):
        subprocess.run(["mount", *options], check=True)


def set_environment(name: str, value: str) -> None:
    os.environ[name] = value


def sleep_without_clock() -> None:
    """Python sleeps until a moment of the monotonic clock, in which libfaketime 0.9.10 goes wrong."""
    time.sleep = lambda seconds: select.select([], [], [], seconds)


def hold(node: str, reached: str, go_on: str) -> None:
    """The step makes the file `reached` where its work would begin, and begins when there is a file `go_on`."""

    def wait(self: Any, *_: Any) -> None:
        if _is(self, node):
            Path(reached).touch()
            until = time.monotonic() + _LONGEST_HOLD_S
            while not Path(go_on).exists() and time.monotonic() < until:
                time.sleep(0.01)

    _before(launch._Launcher, "_run_executor", wait)


def take_hours(node: str, hours: float) -> None:
    """The step works so long, by the clock that limits of time look at, and does not end by itself."""
    passed = [0.0]

    def hang(self: Any, *_: Any) -> None:
        if _is(self, node):
            passed[0] = hours * 3600
            time.sleep(_LONGEST_HOLD_S)

    limits.time = SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0])  # type: ignore[attr-defined]
    run_without_cache(node)
    _before(launch._Launcher, "_run_executor", hang)


def fail_first(node: str, tries: int, kind: str, *arguments: Any) -> None:
    """The step's work fails as often as said, with an error of the kind OSError, DataError, ...; then it works."""
    from pipeline import errors

    kinds: dict[str, Any] = {"OSError": OSError, "DataError": errors.DataError, "RuntimeError": RuntimeError}
    left = [tries]
    original = launch._Launcher._run_executor

    def replaced(self: Any, info: Any) -> Any:
        """Fails where the executor would, after the folders for its outputs were made."""
        operator, inner = self._executor_operator, self._executor_operator.run_executor

        def run_executor(*args: Any, **kwargs: Any) -> Any:
            if _is(self, node) and left[0]:
                left[0] -= 1
                raise kinds[kind](*arguments)
            return inner(*args, **kwargs)

        operator.run_executor = run_executor
        return original(self, info)

    launch._Launcher._run_executor = replaced  # type: ignore[assignment, method-assign]


def _before(owner: Any, name: str, hook: Callable[..., Any]) -> None:
    original = getattr(owner, name)

    def replaced(*args: Any, **kwargs: Any) -> Any:
        hook(*args, **kwargs)
        return original(*args, **kwargs)

    setattr(owner, name, replaced)


def _is(step: Any, node: str) -> bool:
    return bool(step._pipeline_node.node_info.id == node)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
