"""Files of jobs by their addresses gs://…: in Cloud Storage, or in the folders that the emulator takes for it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pipeline.files import incoming
from pipeline.runners.vertex.emulator.buckets import Buckets


class Objects(Protocol):
    """Where the files are."""

    def names(self, folder: str) -> list[str]:
        """Return the names of the files below a folder, relative to it."""

    def read(self, address: str) -> bytes | None:
        """Return the content of a file; None if it is not there."""

    def write_once(self, address: str, content: bytes) -> None:
        """Write a file, unless there is one of that name."""

    def write(self, address: str, content: bytes) -> None:
        """Write a file, over one of that name if there is one."""

    def remove(self, address: str) -> None:
        """Remove a file, if it is there."""


class EmulatedObjects:
    """Those of emulated jobs; `folder` is the emulator's."""

    def __init__(self, folder: Path) -> None:
        self._buckets = Buckets((folder / "buckets").absolute())

    def path(self, address: str) -> Path:
        """Return where something lies on this machine."""
        return self._buckets.path(address)

    def names(self, folder: str) -> list[str]:
        """See Objects."""
        top = self._buckets.path(folder)
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())

    def read(self, address: str) -> bytes | None:
        """See Objects."""
        file = self._buckets.path(address)
        return file.read_bytes() if file.is_file() else None

    def write_once(self, address: str, content: bytes) -> None:
        """See Objects."""
        if not self._buckets.path(address).exists():
            self.write(address, content)

    def write(self, address: str, content: bytes) -> None:
        """See Objects."""
        with incoming(self._buckets.path(address)) as hidden:
            hidden.write_bytes(content)

    def remove(self, address: str) -> None:
        """See Objects."""
        self._buckets.path(address).unlink(missing_ok=True)
