"""Files: written whole, flushed to the disk, locked, under one spelling, and only where a person may name one."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import ConfigError, cannot_write

_LOOK_S = 0.05


def flush_to_disk(folder: Path) -> None:
    """Have the system write out a folder with all that is in it; else a power cut could leave empty files behind what
    is on record as done."""
    for path in [folder, *folder.rglob("*")]:
        flush_file(path)


def flush_file(path: Path) -> None:
    """Have the system write out one file, or a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def one_spelling(path: str | Path, base: str | Path = "") -> Path:
    """Resolve `~`, `.`, `..`, doubled slashes and links; what is not there yet keeps its name.

    Args:
        base: where a relative path begins; the current folder when empty.
    """
    return Path(os.path.realpath(Path(base, os.path.expanduser(path))))  # noqa: PTH111 (Path's own fails on `~nobody`)


def is_same_file(one: str | Path, other: str | Path) -> bool:
    """Return whether both names lead to one file or folder that is there, by whatever links."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121
    except OSError:
        return False


def is_local(uri: str) -> bool:
    """Return whether a recorded address is a path, and not one of Cloud Storage or of nothing."""
    return bool(uri) and "://" not in uri


PAGE, MARKDOWN, JSON, SQLITE = b"<!doctype html>", b"# ", b"{", b"SQLite format 3\0"
"""How the files begin that commands write."""


def check_output(output: Path | None, option: str = "--output", replaces: tuple[bytes, ...] = ()) -> None:
    """Refuse a place that cannot be written before any work is done; nothing is touched. None, where no file was named,
    passes.

    Args:
        replaces: how a file begins that may be written anew: one that the command wrote. Any when there is none: the
            caller sees to it.

    Raises:
        ConfigError: the file's folder does not exist, the file is a folder, or a file of another kind is there.
    """
    if output is None:
        return
    if output.is_dir():
        raise ConfigError(f"{option} {output}: {output} is a folder", "name a file in a folder that exists")
    if not output.parent.is_dir():
        raise ConfigError(
            f"{option} {output}: there is no folder {output.parent}", "name a file in a folder that exists"
        )
    if replaces and output.is_file():
        with output.open("rb") as file:
            begins = file.read(max(map(len, replaces)))
        if begins and not begins.startswith(replaces):
            raise ConfigError(
                f"{option} {output}: a file is there that this command did not write", "name another, or remove it"
            )


@contextmanager
def incoming(path: Path, ending: str = "") -> Iterator[Path]:
    """Give a hidden name beside `path` to write a file or folder to: it becomes `path` when the block ends well, and
    goes when it does not. What a killed process left there under the same name goes first.

    Args:
        ending: of the hidden name, where several processes may write at a time.
    """
    hidden = path.with_name(f".incoming-{path.name}{ending}")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove(hidden)
    try:
        yield hidden
        hidden.replace(path)
    except BaseException:  # a full disk, Ctrl-C
        with suppress(OSError):
            remove(hidden)
        raise


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(file: Path, if_held: Callable[[int], None] | None = None, limit_s: float | None = None) -> Iterator[int]:
    """Hold a lock on a file, which is made where there is none, and give its descriptor. The lock goes with the
    process, however that ends.

    Args:
        if_held: called with the descriptor when another process holds the lock, before waiting for it; it may raise.
        limit_s: how long to wait; None for as long as it takes.

    Raises:
        TimeoutError: another process held the lock for all that time.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if if_held:
                if_held(descriptor)
            _wait_for(descriptor, limit_s)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, limit_s: float | None) -> None:
    if limit_s is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    until = time.monotonic() + limit_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise TimeoutError from None
            time.sleep(_LOOK_S)
        else:
            return


def is_held(lock: Path) -> bool:
    """Tell whether a process holds the lock; one that asks for it at the same instant would be refused."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def write_whole(text: str, path: Path, what: str, remedy: str) -> Path:
    """Write `text` to `path` by way of a hidden file beside it, and return `path`.

    Args:
        what: of what kind the file is, for the message.

    Raises:
        WorkspaceError: it cannot be written there.
    """
    try:
        with incoming(path, f".{os.getpid()}") as hidden:
            hidden.write_text(text, encoding="utf-8", errors="replace")
    except OSError as exc:
        problem = f"the {what} {path} cannot be written: {exc.strerror}"
        raise cannot_write(path.parent, exc, problem, remedy) from exc
    return path
