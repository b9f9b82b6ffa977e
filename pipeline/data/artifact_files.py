"""Files of artifacts, on this machine or where else Beam reads.

Beam takes seconds to import, hence only for an address such as gs://bucket/folder; pyarrow only where a file is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def find(folder: str | Path, pattern: str) -> list[str]:
    """Return the paths below `folder` that match a glob, sorted; none if there is no such folder."""
    if not _is_elsewhere(folder):
        return sorted(str(path) for path in Path(folder).glob(pattern))
    from apache_beam.io.filesystems import FileSystems

    (result,) = FileSystems.match([f"{folder}/{pattern}"])
    return sorted(found.path for found in result.metadata_list)


def open_file(path: str) -> pa.NativeFile:
    """Open a file for reading bytes, as they are stored.

    Raises:
        OSError: it cannot be read; FileNotFoundError of a file of this machine that is not there.
    """
    import pyarrow as pa

    if not _is_elsewhere(path):
        return pa.OSFile(path)
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    return pa.PythonFile(FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED), mode="r")


def _is_elsewhere(path: str | Path) -> bool:
    return "://" in str(path)


def in_split(split_uri: str, by_path: Mapping[str, str]) -> dict[str, str]:
    """Return what is on record of the files of a split, by where they lie now: the workspace may have been moved."""
    folder = PurePosixPath(split_uri).name
    paths = {path: PurePosixPath(path) for path in by_path}
    return {f"{split_uri}/{path.name}": by_path[text] for text, path in paths.items() if path.parent.name == folder}
