"""Cloud Storage as a folder: gs://bucket/x is FOLDER/bucket/x."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_ADDRESS = re.compile(r"gs://|(?<![\w./-])/gcs/")
"""Vertex also mounts the buckets below /gcs."""


@dataclass(frozen=True)
class Buckets:
    """Attributes: folder, absolute, without quotes or backslashes in its name; it stands in JSON texts."""

    folder: Path

    def local(self, text: str) -> str:
        """Return a text, such as an argument of a command, with all addresses as paths below the folder."""
        return _ADDRESS.sub(lambda _: f"{self.folder}/", text)

    def remote(self, text: str) -> str:
        """Do the inverse, for what a step wrote."""
        return text.replace(f"{self.folder}/", "gs://")

    def path(self, address: str) -> Path:
        """Return where one address lies."""
        return Path(self.local(address))
