"""What a file is by its first bytes, for one whose name says otherwise."""

from __future__ import annotations

import codecs
import json
import zipfile
from contextlib import suppress

from pipeline.data.sources.compressed import compression_of, plain_file
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.text_bytes import UNREADABLE, open_bytes
from pipeline.errors import DataError, as_argument

_HEAD_BYTES = 4096
_SQL = (
    b"create table ",
    b"insert into ",
    b"-- mysql dump",
    b"--\n-- postgresql",
    b"pragma foreign_keys",
    b"drop table ",
)
_SIGNS = (
    (0, b"PAR1", "parquet", "a Parquet file", ".parquet"),
    (0, b"ARROW1", "feather", "an Arrow file", ".arrow"),
    (0, b"FEA1", "feather", "a Feather file", ".feather"),
    (0, b"\xff\xff\xff\xff", "feather", "an Arrow stream", ".arrow"),
    (0, b"SQLite format 3\x00", "sqlite", "an SQLite database", ".sqlite"),
    (8, b"DUCK", "duckdb", "a DuckDB database", ".duckdb"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "excel", "an old Excel workbook (.xls), or one with a password", ".xls"),
    (0, b"\x1f\x8b", "gzip", "a gzip file", ".gz"),
    (0, b"BZh", "bzip2", "a bzip2 file", ".bz2"),
    (0, b"\x28\xb5\x2f\xfd", "zstd", "a zstd file", ".zst"),
    (0, b"\xfd7zXZ\x00", "xz", "an xz file", ".xz"),
    (257, b"ustar", "tar", "a tar archive", ".tar"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z", "a 7-Zip archive", ""),
    (0, b"Rar!\x1a\x07", "rar", "a RAR archive", ""),
    (0, b"%PDF", "pdf", "a PDF document", ""),
    (0, b"<!DOCTYPE", "html", "a web page", ""),
    (0, b"<html", "html", "a web page", ""),
    *((0, start, "sql", "a dump of a database in SQL", "") for start in _SQL),
    (0, b"version https://git-lfs", "lfs", "a pointer to a file that Git LFS keeps, not the file", ""),
)
_UNPACK = {"7z": "7z x", "rar": "unrar x", "tar.zst": "tar -xf"}
"""What unpacks an archive that no reader of ours opens."""


def what_is(path: str) -> tuple[str, str, str] | None:
    """Return the format, how people call it and the ending that it should have; None where its bytes do not tell.

    A compressed file is looked into.

    Raises:
        DataError: it cannot be unpacked.
    """
    try:
        with open_bytes(path) as file:
            head = file.read(_HEAD_BYTES)
    except UNREADABLE as exc:
        raise corrupt(path, exc) from exc
    if head.startswith(b"PK\x03\x04"):
        return _of_archive(plain_file(path))
    if found := sign_of(head):
        return found
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] in (b"{", b"["):
        return "json", "JSON", ".jsonl" if start[:1] == b"{" else ".json"
    if _is_text(head):
        return "csv", "text", ".csv"
    return None


def sign_of(head: bytes) -> tuple[str, str, str] | None:
    """Return format, words and ending of a file that is no delimited text, by its first bytes; None where they do not
    tell."""
    for offset, sign, kind, words, ending in _SIGNS:
        if head[offset : offset + len(sign)].lower() == sign.lower():
            return kind, words, ending
    first_line = head.partition(b"\n")[0].removeprefix(codecs.BOM_UTF8).strip()
    if first_line.startswith(b"{"):
        with suppress(ValueError):
            json.loads(first_line)
            return "json", "JSON", ".jsonl"
    return None


def check_is(path: str, kind: str) -> None:
    """Say so where the bytes of a file tell that it is no `kind`: a format as `what_is` gives it.

    Raises:
        DataError: it is something else.
    """
    found = what_is(path)
    if found and found[0] != kind:
        raise DataError(f"{path} is {found[1]}, whatever its name says", remedy(path, found))


def remedy(path: str, found: tuple[str, str, str]) -> str:
    """Return what to do with a file of that format, as `what_is` gives it, under a name of another."""
    kind, _, ending = found
    if kind == "tar" and compression_of(path) == ".zst":
        kind, ending = "tar.zst", ""
    if ending:
        return f"rename it to end in {ending}{compression_of(path) or ''}"
    if kind in _UNPACK:
        return f"unpack it (`{_UNPACK[kind]} {as_argument(path)}`), and name the file or the folder"
    if kind == "sql":
        return "load it into a database, as SQLite by `sqlite3 t.sqlite < FILE` or PostgreSQL, and name that"
    if kind == "lfs":
        return "fetch the file itself: `git lfs pull` in its repository"
    if kind == "html" and path.lower().endswith((".xls", ".xlsx")):
        return "open it with a spreadsheet program, and save it as .xlsx"
    return "give the table itself"


def _of_archive(path: str) -> tuple[str, str, str] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return None
    if any(name.startswith("xl/") for name in names):
        return "excel", "an Excel workbook", ".xlsx"
    if "content.xml" in names:
        return "excel", "an OpenDocument spreadsheet", ".ods"
    return "zip", "a zip archive", ".zip"


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        head[:-4].decode()
    except UnicodeDecodeError:
        return False
    return True
