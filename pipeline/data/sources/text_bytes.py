"""The bytes of a text file as UTF-8, unpacked and decoded as they are read.

Where an ASCII byte is always that character (UTF-8, Latin-1, the code pages of Windows …), a plain file can be read in
ranges of bytes. UTF-16 and some encodings of East Asia, and whatever is packed, are one stream from the start.
"""

from __future__ import annotations

import bz2
import codecs
import functools
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, BinaryIO, cast

import pyarrow as pa

from pipeline.config.data import PACKED
from pipeline.data.convert import shorten
from pipeline.errors import DataError, as_argument

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""Archives that hold one file, as a .zip may."""
UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, pa.ArrowException)
"""What reading a damaged file raises."""

_TABLES = (".csv", ".tsv", ".tab", ".data", ".dat", ".jsonl", ".ndjson", ".json")
_CHUNK = 1 << 20


def is_packed(path: str) -> bool:
    """Return whether a file is packed, by its name."""
    return path.lower().endswith((*PACKED, *TARS))


def open_bytes(path: str) -> BinaryIO:
    """Open a file for reading what it holds, unpacked."""
    if path.lower().endswith(TARS):
        member = tar_member(path)
        tar = tarfile.open(path)  # noqa: SIM115 - the member reads it
        return cast(BinaryIO, tar.extractfile(member))
    kind = Path(path).suffix.lower()
    if kind == ".xz":
        return cast(BinaryIO, lzma.open(path, "rb"))
    if kind == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if kind == ".bz2":
        return cast(BinaryIO, bz2.open(path, "rb"))
    if kind == ".zst":
        return cast(BinaryIO, io.BufferedReader(unpacked(path), _CHUNK))
    if kind == ".zip":
        archive = zipfile.ZipFile(path)
        return cast(BinaryIO, archive.open(zip_member(path, archive)))
    return Path(path).open("rb")


def unpacked(path: str) -> pa.NativeFile | None:
    """Open a packed file with Arrow's own reader; None for a kind that it does not know."""
    if path.lower().endswith(TARS):
        return None
    codec = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}.get(Path(path).suffix.lower())
    return pa.CompressedInputStream(pa.OSFile(path), codec) if codec else None


def zip_member(path: str, archive: zipfile.ZipFile) -> str:
    """Return the name of the one file in an archive; those that a Macintosh adds do not count, nor those beside the
    only one that is named as a table."""
    return _only(path, archive.namelist(), "unzip")


def tar_member(path: str) -> tarfile.TarInfo:
    """Return where the one file of a tar archive stands; the whole archive is unpacked to find out, once."""
    stat = Path(path).stat()
    return _tar_member(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache
def _tar_member(path: str, size: int, mtime_ns: int) -> tarfile.TarInfo:
    with tarfile.open(path) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
    name = _only(path, [member.name for member in members], "tar -xf")
    return next(member for member in members if member.name == name)


def members(names: Sequence[str]) -> list[str]:
    """Return the files among what an archive holds, but for those that a Macintosh adds."""
    return [
        name for name in names if not name.endswith("/") and not name.startswith("__MACOSX/")
        and not Path(name).name.startswith(".")
    ]  # fmt: skip


def _only(path: str, names: Sequence[str], unpack: str) -> str:
    names = members(names)
    tables = [name for name in names if name.lower().endswith(_TABLES)]
    names = tables if len(tables) == 1 else names  # beside a file that says what it is
    if len(names) != 1:
        raise DataError(
            f"{path} holds {len(names)} files ({', '.join(names[:5])}) where one is expected",
            f"unpack it (`{unpack} {as_argument(path)}`), and name the file or the folder",
        )
    return names[0]


@functools.lru_cache
def is_utf8(encoding: str) -> bool:
    """Return whether an encoding is UTF-8, with or without a byte order mark, or its part ASCII."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


@functools.lru_cache
def keeps_ascii(encoding: str) -> bool:
    """Return whether a byte below 128 is always that character of ASCII, so that a file can be cut at a line feed."""
    if is_utf8(encoding):
        return True
    ascii_bytes = bytes(range(128))
    if ascii_bytes.decode(encoding, "replace") != ascii_bytes.decode("ascii"):
        return False
    pairs = (bytes([byte, trail]) for byte in range(128, 256) for trail in b"0@A\\n|~;")
    return all(pair.decode(encoding, "replace")[-1:].encode() == pair[1:] for pair in pairs)


def open_utf8(path: str, encoding: str, start: int = 0, end: int | None = None) -> BinaryIO:
    """Open a file for reading its text as UTF-8, whatever its own encoding.

    Args:
        start, end: bytes of the file; both only where it can be read in ranges.
    """
    file = open_bytes(path)
    if start:
        file.seek(start)
    if end is not None:
        file = cast(BinaryIO, io.BufferedReader(_Part(file, end - start), _CHUNK))
    if is_utf8(encoding):
        return file
    return cast(BinaryIO, io.BufferedReader(_Decoded(path, file, encoding), _CHUNK))


class _Part(io.RawIOBase):
    """The next bytes of a file, `size` of them."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Decoded(io.RawIOBase):
    """A file's text as UTF-8."""

    def __init__(self, path: str, file: IO[bytes], encoding: str) -> None:
        self._path = path
        self._file = file
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""
        self._lines = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready and not self._ended:
            data = self._file.read(_CHUNK)
            self._ended = not data
            try:
                self._ready = self._decoder.decode(data, final=self._ended).encode()
            except UnicodeError as exc:
                raise self._undecodable(exc) from exc
            self._lines += self._ready.count(b"\n")
        part = self._ready[: len(buffer)]
        buffer[: len(part)] = part
        self._ready = self._ready[len(part) :]
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _undecodable(self, exc: UnicodeError) -> DataError:
        detail = ""
        line = self._lines + 1
        if isinstance(exc, UnicodeDecodeError):
            before = exc.object[: exc.start].decode(self._encoding, "replace")
            line += before.count("\n")
            detail = f": byte 0x{exc.object[exc.start]:02x} after {shorten(before.rpartition(chr(10))[2][-20:])}"
        return DataError(
            f"{self._path}, line {line:,}: the text is not {self._encoding}{detail}",
            "correct data.format.encoding, or write the file again in that encoding",
        )
