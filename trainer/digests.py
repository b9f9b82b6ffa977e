"""SHA-256 of the files of an exported model. Standard library only where the files lie on this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MANIFEST = "assets.extra/manifest.json"
"""What Longhaul says of a pushed model, inside its folder; it cannot hold its own digest."""

SAVED_MODEL = "saved_model.pb"
"""The file without which TensorFlow takes a folder for no model."""


def file_digests(folder: str | Path) -> dict[str, str]:
    """Return digests by path below `folder`, sorted; without the manifest.

    Raises:
        OSError: a file cannot be read.
    """
    if "://" in str(folder):
        return dict(sorted(_remote_digests(str(folder))))
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)): path for path in paths}
    return {name: file_digest(path) for name, path in names.items() if name != MANIFEST}


def file_digest(path: Path) -> str:
    """Return SHA-256 of one file.

    Raises:
        OSError: it cannot be read.
    """
    return _digest(path.open("rb"))


def model_digest(files: Mapping[str, str]) -> str:
    """Return one digest of all files: equal for equal models, wherever they lie."""
    return hashlib.sha256(json.dumps(dict(sorted(files.items()))).encode()).hexdigest()


def _remote_digests(folder: str) -> list[tuple[str, str]]:
    import tensorflow as tf

    found = []
    for where, _, names in tf.io.gfile.walk(folder):
        for name in names:
            path = f"{where.rstrip('/')}/{name}"
            relative = path.removeprefix(f"{folder.rstrip('/')}/")
            if relative != MANIFEST:
                found.append((relative, _digest(tf.io.gfile.GFile(path, "rb"))))
    return found


def _digest(file: Any) -> str:
    digest = hashlib.sha256()
    with file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
