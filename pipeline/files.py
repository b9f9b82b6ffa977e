"""Files: written whole, flushed to the disk, under one spelling, and only where a person may name one."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import ConfigError, DiskFullError, WorkspaceError, tells_of_full_disk


def flush_to_disk(folder: Path) -> None:
    """Has the system write out a folder with all that is in it; else a power cut could leave empty files behind what is
    on record as done."""
    for path in [folder, *folder.rglob("*")]:
        flush_file(path)


def flush_file(path: Path) -> None:
    """The same of one file, or of a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def one_spelling(path: str | Path, base: str | Path = "") -> Path:
    """Resolves `~`, `.`, `..`, doubled slashes and links; what is not there yet keeps its name.

    Args:
        base: where a relative path begins; the current folder when empty.
    """
    return Path(os.path.realpath(Path(base, os.path.expanduser(path))))  # noqa: PTH111 (Path's own fails on `~nobody`)


def is_same_file(one: str | Path, other: str | Path) -> bool:
    """Whether both names lead to one file or folder that is there, by whatever links."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121
    except OSError:
        return False


def is_local(uri: str) -> bool:
    """Whether a recorded address is a path, and not one of Cloud Storage or of nothing."""
    return bool(uri) and "://" not in uri


def check_output(output: Path | None, option: str = "--output") -> None:
    """Before any work is done; nothing is touched. None, where no file was named, passes.

    Raises:
        ConfigError: the file's folder does not exist, or the file is a folder.
    """
    if output is None:
        return
    if output.is_dir():
        raise ConfigError(f"{option} {output}: {output} is a folder", "name a file in a folder that exists")
    if not output.parent.is_dir():
        raise ConfigError(
            f"{option} {output}: there is no folder {output.parent}", "name a file in a folder that exists"
        )


def write_whole(text: str, path: Path, what: str, remedy: str) -> Path:
    """Writes `text` to `path` by way of a hidden file beside it, and returns `path`.

    Args:
        what: of what kind the file is, for the message.

    Raises:
        WorkspaceError: it cannot be written there.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(text, encoding="utf-8", errors="replace")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as exc:
        if tells_of_full_disk(str(exc)):
            raise DiskFullError(path.parent) from exc
        raise WorkspaceError(f"the {what} {path} cannot be written: {exc.strerror}", remedy) from exc
    return path
