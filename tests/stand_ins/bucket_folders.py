"""Folders as the content of the stand-in of Cloud Storage: gs://bucket/name is FOLDER/bucket/name."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import Path


class Objects(MutableMapping[tuple[str, str], bytes]):
    """Content by bucket and name; links are followed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, key: tuple[str, str]) -> Path:
        return self.folder / key[0] / key[1]

    def __getitem__(self, key: tuple[str, str]) -> bytes:
        if not self.file(key).is_file():
            raise KeyError(key)
        return self.file(key).read_bytes()

    def __setitem__(self, key: tuple[str, str], content: bytes) -> None:
        self.file(key).parent.mkdir(parents=True, exist_ok=True)
        self.file(key).write_bytes(content)

    def __delitem__(self, key: tuple[str, str]) -> None:
        self.file(key).unlink()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for bucket in self.folder.iterdir():
            for file in bucket.resolve().rglob("*"):
                if file.is_file():
                    yield bucket.name, str(file.relative_to(bucket.resolve()))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Generations(MutableMapping[tuple[str, str], int]):
    """The generation of each: the time of its last change."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def __getitem__(self, key: tuple[str, str]) -> int:
        if key not in self._objects:
            raise KeyError(key)
        return self._objects.file(key).stat().st_mtime_ns

    def __setitem__(self, key: tuple[str, str], generation: int) -> None:
        """The file system has done it."""

    def __delitem__(self, key: tuple[str, str]) -> None:
        """The file system has done it."""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)
