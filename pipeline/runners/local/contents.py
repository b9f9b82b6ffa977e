"""What the outputs of a step held when they went on record, so that a damaged one is not taken for what was made."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.files import is_local, one_spelling

CONTENTS = "contents"
"""Custom property of an artifact: `contents` of its folder. Those of earlier versions of Longhaul have none."""
_READ_BYTES = 1 << 20
"""Files up to this size are read, larger ones are known by their size: to look must take milliseconds."""


def contents(folder: Path) -> str:
    """Digest the names and sizes of all files below a folder, and the bytes of the small ones; or of one file."""
    digest = hashlib.sha256()
    found = [folder] if folder.is_file() else [path for path in folder.rglob("*") if path.is_file()]
    for path in sorted(found):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)}\0{size}\0".encode(errors="surrogateescape"))
        if size <= _READ_BYTES:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_damaged(artifact: Any) -> bool:
    """Return whether the files of an artifact (of ML Metadata) are there and are not those that went on record."""
    if CONTENTS not in artifact.custom_properties or not Path(artifact.uri).exists():
        return False
    try:
        return contents(Path(artifact.uri)) != artifact.custom_properties[CONTENTS].string_value
    except OSError:  # it cannot be read
        return True


def set_aside_damaged(store: MetadataStore, artifacts: Path, *, models: bool) -> list[Path]:
    """Mark damaged artifacts below a folder as abandoned: neither the cache nor a look-up takes them any more.

    Args:
        models: also trained ones. Whoever would miss a champion so that another takes its place leaves them: the step
            that reads a damaged one refuses it (`pipeline.components.whole_model`).

    Returns:
        Their folders.
    """
    found = [
        artifact
        for artifact in store.get_artifacts()
        if artifact.state == metadata_store_pb2.Artifact.LIVE
        and is_local(artifact.uri)
        and one_spelling(artifact.uri).is_relative_to(one_spelling(artifacts))
        and (models or artifact.type != "Model")
        and is_damaged(artifact)
    ]
    for artifact in found:
        artifact.state = metadata_store_pb2.Artifact.ABANDONED
    if found:
        store.put_artifacts(found)
    return [Path(artifact.uri) for artifact in found]
