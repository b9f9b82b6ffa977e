"""Compressed files: .gz, .bz2, .zst, .xz; and .zip and .tar with one file in it.

Readers that must jump about in a file are given an unpacked copy, which lives as long as the process.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from functools import lru_cache
from pathlib import Path

from pipeline.config.data import PACKED
from pipeline.data.sources.damage import damaged_package
from pipeline.data.sources.text_bytes import TARS, UNREADABLE, open_bytes, tar_member, zip_member

_CHUNK = 1 << 20
_COPIES_KEPT = 64


def compression_of(path: str) -> str | None:
    """Return the ending that tells how a file is compressed, in small letters; None of a plain one."""
    return next((ending for ending in (*reversed(TARS), *PACKED) if path.lower().endswith(ending)), None)


def inner_name(path: str) -> str:
    """Return the name of the file that is compressed; of a plain one its own.

    Raises:
        DataError: a .zip that holds no file or several, or is damaged.
    """
    ending = compression_of(path)
    name = Path(path).name
    if ending is None:
        return name
    stem = name[: -len(ending)]
    return _member(path) if ending in (".zip", *TARS) and not Path(stem).suffix else stem


def plain_file(path: str) -> str:
    """Return the path of the uncompressed file: itself, or a copy in a temporary folder, made once per process.

    Raises:
        DataError: it is damaged, cut off, protected, or a .zip that holds no file or several.
    """
    if compression_of(path) is None:
        return path
    stat = Path(path).stat()
    return _copy(path, stat.st_size, stat.st_mtime_ns)[1]


@lru_cache(_COPIES_KEPT)
def _copy(path: str, size: int, mtime_ns: int) -> tuple[tempfile.TemporaryDirectory[str], str]:
    folder = tempfile.TemporaryDirectory(prefix="longhaul-unpacked-")  # goes with the cache's entry
    copy = Path(folder.name) / "table"
    try:
        with open_bytes(path) as packed, copy.open("wb") as file:
            shutil.copyfileobj(packed, file, _CHUNK)
    except (*UNREADABLE, NotImplementedError, RuntimeError) as exc:  # the last of an archive with a password
        raise damaged_package(path, exc) from exc
    return folder, str(copy)


def _member(path: str) -> str:
    try:
        if not path.lower().endswith(".zip"):
            return tar_member(path).name
        with zipfile.ZipFile(path) as archive:
            return zip_member(path, archive)
    except UNREADABLE as exc:
        raise damaged_package(path, exc) from exc
