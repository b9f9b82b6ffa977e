"""Which files a table was read from: a custom property of the Examples that were made of them.

Size and time of change tell, unread, whether a file still is what it was; TFX's own ExampleGen trusts them too. Where
only the time has changed, the content tells.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainer.digests import file_digest

FILES = "files"
"""The property's name."""


@dataclass(frozen=True)
class ReadFile:
    """A file, or a table in BigQuery, as ingestion met it.

    Attributes:
        folder: the folder that holds all files of the table; "" of what is not on a disk.
        name: the path below it, `span-03/flights.parquet`.
        modified_ns: time of change, nanoseconds since 1970.
        digest: SHA-256 of its content; "" of what is not a file on a disk, and where an older Longhaul read it.
    """

    folder: str
    name: str
    bytes: int
    modified_ns: int
    digest: str = ""

    @property
    def path(self) -> str:
        """Absolute."""
        return str(PurePosixPath(self.folder, self.name)) if self.folder else self.name

    @property
    def now(self) -> str:
        """What has become of it: 'as it was', 'changed' or 'gone'; 'elsewhere' of what is not on a disk."""
        if not self.folder:
            return "elsewhere"
        try:
            found = Path(self.path).stat()
        except OSError:
            return "gone"
        return "as it was" if self.is_still(found.st_size, found.st_mtime_ns) else "changed"

    def is_still(self, size: int, modified_ns: int) -> bool:
        """Return whether it is what was read, by what it is now: it may only have been touched, or copied back."""
        if size != self.bytes or modified_ns == self.modified_ns:
            return size == self.bytes
        return bool(self.digest) and self.digest == digest_of(self.path, size)

    def is_meant_by(self, text: str) -> bool:
        """Return whether somebody who says `text` means this file: its path, the end of it, or a folder that it is
        in."""
        asked = text.strip("/")
        absolute = os.path.abspath(text)  # noqa: PTH100 (Path.resolve would follow links)
        return bool(asked) and (
            f"{self.path}/".startswith(f"{absolute}/")
            or f"/{asked}/" in f"/{self.name}/"
            or self.path.endswith(f"/{asked}")
        )


def are_as_read(read: Sequence[ReadFile], states: Sequence[tuple[str, int, int]]) -> bool:
    """Return whether these are the files that were read, no more and no fewer, each as it was."""
    known = {file.path: file for file in read}
    return known.keys() == {path for path, *_ in states} and all(
        known[path].is_still(size, changed) for path, size, changed in states
    )


def digest_of(path: str, size: int) -> str:
    """Return SHA-256 of a file's content; "" of what is more than a file of this size, or none on a disk of this
    machine that can be read."""
    file = Path(path)
    try:
        is_whole = not path.startswith("/gcs/") and file.stat().st_size == size
        return file_digest(file) if is_whole else ""
    except OSError:
        return ""


def to_property(states: Sequence[tuple[str, int, int]], digests: Sequence[str] = ()) -> str:
    """Make the property's value of paths, sizes in bytes and times (pipeline.data.sources.table_files.file_states).

    Args:
        digests: `digest_of` each.
    """
    if any("://" in path for path, _, _ in states):
        return json.dumps({"folder": "", "files": [list(state) for state in states]})
    folder = os.path.commonpath([os.path.dirname(path) for path, _, _ in states])  # noqa: PTH120
    files = [[os.path.relpath(p, folder), *state] for p, *state in states]
    return json.dumps({"folder": folder, "files": files} | ({"digests": list(digests)} if digests else {}))


def from_property(value: str) -> list[ReadFile]:
    """Return the files; none if the Examples are older than this record."""
    if not value:
        return []
    recorded = json.loads(value)
    digests = recorded.get("digests") or [""] * len(recorded["files"])
    return [
        ReadFile(recorded["folder"], *file)
        for file in [[*one, digest] for one, digest in zip(recorded["files"], digests, strict=True)]
    ]
