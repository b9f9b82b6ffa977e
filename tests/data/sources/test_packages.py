"""Packed tables: .xz, and .tar with one file in it; archives that no reader opens get a remedy that works."""

from __future__ import annotations

import io
import lzma
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.data.columns import ColumnType
from pipeline.data.sources import source
from pipeline.data.sources.table_files import find_files, format_of
from pipeline.data.sources.text_bytes import open_bytes
from pipeline.errors import DataError

TEXT = b"a,b\n" + b"".join(b"%d,x\n" % i for i in range(40))
JSON = b'{"a": 1, "b": "x"}\n' * 40
TAR = b"t.csv".ljust(257, b"\0") + b"ustar\x0000" + bytes(2000)
TYPES = {"a": ColumnType.INT, "b": ColumnType.STRING}


def zstd(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


def tar(path: Path, **files: bytes) -> None:
    ending = path.suffix.lower().removeprefix(".").removeprefix("t")
    mode = {"ar": "w", "gz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}[ending]
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "/").replace("_csv", ".csv").replace("_jsonl", ".jsonl"))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def rows(path: Path) -> int:
    files = find_files(str(path))
    assert source.column_names(files) == ["a", "b"]
    parts = source.plan_fragments(files)
    return sum(batch.num_rows for part in parts for batch in source.read_fragment(part, TYPES))


@pytest.mark.parametrize("name", ["t.tar.gz", "t.csv.tgz", "t.tar", "t.tar.bz2", "T.TAR.XZ", "t.txz"])
@pytest.mark.parametrize(("member", "content", "kind"), [("x__t_csv", TEXT, "csv"), ("t_jsonl", JSON, "json")])
def test_one_file_in_a_tar_archive_is_read(tmp_path: Path, name: str, member: str, content: bytes, kind: str) -> None:
    if kind == "json" and ".csv" in name:
        return
    tar(tmp_path / name, **{member: content, f"x__._{member[-5:]}": b"what a Macintosh adds"})
    assert (format_of(str(tmp_path / name)), rows(tmp_path / name)) == (kind, 40)


@pytest.mark.parametrize(("name", "content"), [("t.csv.xz", TEXT), ("t.jsonl.xz", JSON)])
def test_xz_is_read_also_in_a_folder(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(lzma.compress(content))
    assert rows(tmp_path / name) == rows(tmp_path) == 40


@pytest.mark.parametrize(
    ("name", "content", "message", "remedy"),
    [
        ("t.7z", b"7z\xbc\xaf\x27\x1c" + bytes(99), "t.7z is a 7-Zip archive", "`7z x "),
        ("t.rar", b"Rar!\x1a\x07\x00" + bytes(99), "t.rar is a RAR archive", "`unrar x "),
        ("t.tar.zst", zstd(TAR), "t.tar.zst is a tar archive, which is not read", "`tar -xf "),
        ("t.csv.zst", zstd(TAR), "t.csv.zst is a tar archive", "`tar -xf "),
        ("t.xyz", TAR, "t.xyz is a tar archive, whatever its name says", "rename it to end in .tar"),
        ("t.csv", lzma.compress(TEXT), "t.csv is an xz file", "rename it to end in .xz"),
        ("t.csv.xz", lzma.compress(TEXT)[:60], "t.csv.xz cannot be read: it is damaged", "do so again"),
        ("t.tar.gz", b"\x1f\x8bjunk", "t.tar.gz cannot be unpacked", "again"),
    ],
)
def test_what_cannot_be_read_is_told_with_a_remedy(
    tmp_path: Path, name: str, content: bytes, message: str, remedy: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as told:
        rows(tmp_path / name)
    assert message in str(told.value)
    assert remedy in str(told.value)


def test_a_tar_archive_of_two_files_is_refused(tmp_path: Path) -> None:
    tar(tmp_path / "a table.tar.gz", a_csv=TEXT, b_csv=TEXT)
    with pytest.raises(DataError, match=r"holds 2 files \(a\.csv, b\.csv\)(?s:.*)`tar -xf '/.*/a table\.tar\.gz'`"):
        rows(tmp_path / "a table.tar.gz")


def test_a_tar_archive_is_searched_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen failing: each opening unpacked the whole archive before its first byte."""
    searched: list[str] = []
    members = tarfile.TarFile.getmembers

    def noted(self: tarfile.TarFile) -> list[tarfile.TarInfo]:
        searched.append(str(self.name))
        return members(self)

    monkeypatch.setattr(tarfile.TarFile, "getmembers", noted)
    path = tmp_path / "t.tar.gz"
    tar(path, t_csv=TEXT)
    for _ in range(3):
        with open_bytes(str(path)) as file:
            assert file.read() == TEXT
    assert len(searched) == 1
    tar(path, other_csv=TEXT * 2)
    with open_bytes(str(path)) as file:
        assert file.read() == TEXT * 2
    assert len(searched) == 2
