"""Which files a table was read from: a custom property of the Examples that were made of them.

Size and time of change tell, unread, whether a file still is what it was; TFX's own ExampleGen trusts them too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FILES = "files"
"""The property's name."""


@dataclass(frozen=True)
class ReadFile:
    """A file, or a table in BigQuery, as ingestion met it.

    Attributes:
        folder: the folder that holds all files of the table; "" of what is not on a disk.
        name: the path below it, `span-03/flights.parquet`.
        modified_ns: time of change, nanoseconds since 1970.
    """

    folder: str
    name: str
    bytes: int
    modified_ns: int

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
        same = (found.st_size, found.st_mtime_ns) == (self.bytes, self.modified_ns)
        return "as it was" if same else "changed"

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


def to_property(states: Sequence[tuple[str, int, int]]) -> str:
    """Make the property's value of paths, sizes in bytes and times (pipeline.data.sources.table_files.file_states)."""
    if any("://" in path for path, _, _ in states):
        return json.dumps({"folder": "", "files": [list(state) for state in states]})
    folder = os.path.commonpath([os.path.dirname(path) for path, _, _ in states])  # noqa: PTH120
    return json.dumps({"folder": folder, "files": [[os.path.relpath(p, folder), *state] for p, *state in states]})


def from_property(value: str) -> list[ReadFile]:
    """Return the files; none if the Examples are older than this record."""
    if not value:
        return []
    recorded = json.loads(value)
    return [ReadFile(recorded["folder"], *file) for file in recorded["files"]]
