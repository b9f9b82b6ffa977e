"""Puts a model where a server finds it: a version appears whole or not at all.

A hidden sibling is filled, flushed and renamed. TensorFlow Serving takes folders whose names are numbers, the highest
first (https://www.tensorflow.org/tfx/serving/serving_config), and lets `assets.extra` alone.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.config.push import Push
from pipeline.errors import WorkspaceError
from pipeline.files import flush_file, flush_to_disk, incoming
from pipeline.serving.versions import Manifest, newest_manifest, served_as, threshold_of
from trainer.digests import MANIFEST, file_digests


def now() -> str:
    """Write it as ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def pusher() -> str:
    """Return who pushes: user@machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def publish(
    model: Path, base: Path, manifest: Manifest, elsewhere: Push, at_once: Callable[[int], None] = lambda _: None
) -> Manifest:
    """Copy the SavedModel folder `model` to a new version below `base`, and to where `elsewhere` says.

    The version is the time in whole seconds, and always greater than those already there. Other places come first:
    if one of them fails, nothing has changed here.

    Args:
        at_once: told the version in the last moment before it appears.

    Returns:
        The manifest as it was written.

    Raises:
        WorkspaceError: the files of `model` are not those that the manifest names.
    """
    base.mkdir(parents=True, exist_ok=True)
    for leftover in base.glob(".incoming-*"):  # of a push that was killed
        if re.fullmatch(r"\.incoming-[0-9]+", leftover.name) and leftover.is_dir():
            shutil.rmtree(leftover)
    version = max(int(time.time()), 1 + max(_taken(base), default=0))
    manifest = replace(manifest.at(version), places=places(elsewhere))
    with incoming(base / str(version)) as hidden:
        shutil.copytree(model, hidden)
        _seal(hidden, manifest, model)
        flush_to_disk(hidden)
        if elsewhere.destination:
            _publish_elsewhere(hidden, manifest, elsewhere)
        at_once(manifest.version)
    flush_file(base)  # else a power cut could undo the renaming
    return manifest


def _taken(base: Path) -> Iterator[int]:
    """Yield the numbers that a server may read in the folder, whoever put them there: it takes the highest, and 007
    for 7."""
    for entry in base.iterdir():
        if re.fullmatch(r"[0-9]{1,18}", entry.name):
            yield int(entry.name)


def places(elsewhere: Push) -> tuple[str, ...]:
    """Return where a version goes besides the folder."""
    registry = elsewhere.vertex_model
    named = f"{registry.project}/{registry.location}/{registry.display_name}" if registry else None
    return tuple(place for place in (elsewhere.destination, named) if place)


def publish_to_bucket(model: str, base: str, manifest: Manifest, elsewhere: Push) -> Manifest:
    """Publish from and to Cloud Storage, for a step on Vertex AI.

    Args:
        model, base: folders, gs://….
    """
    from tfx.utils import io_utils

    with tempfile.TemporaryDirectory(prefix="longhaul-push-") as folder:
        copy = Path(folder, "model")
        io_utils.copy_dir(model, str(copy))
        return _publish_copy(copy, model, base, manifest, elsewhere)


def publish_again(
    version: str, base: str, manifest: Manifest, elsewhere: Push, at_once: Callable[[int], None]
) -> Manifest:
    """Publish what is in Cloud Storage once more.

    Args:
        version: the folder of the version; base: that of all of them. gs://….
        at_once: told the number before the new version appears.
    """
    from pipeline.serving.gcs import CloudObjects

    objects = CloudObjects()
    with tempfile.TemporaryDirectory(prefix="longhaul-push-") as folder:
        copy = Path(folder, "model")
        for name in objects.names(version):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(objects.read(f"{version}/{name}") or b"")
        return _publish_copy(copy, version, base, manifest, elsewhere, at_once)


def _publish_copy(
    copy: Path,
    model: str,
    base: str,
    manifest: Manifest,
    elsewhere: Push,
    at_once: Callable[[int], None] = lambda _: None,
) -> Manifest:
    from pipeline.serving import gcs

    newest, _ = gcs.newest(base, MANIFEST)
    manifest = replace(manifest.at(max(int(time.time()), 1 + newest)), places=places(elsewhere))
    _seal(copy, manifest, model)
    if elsewhere.destination:
        _publish_elsewhere(copy, manifest, elsewhere)
    at_once(manifest.version)
    gcs.upload(copy, base, manifest.version)
    return manifest


def withdrawn_now(base: str | Path) -> tuple[str, ...]:
    """Return digests of the models that a run does not push, because somebody rolled them back.

    Args:
        base: a folder of this machine, or gs://….
    """
    served = _newest_in_bucket(str(base)) if str(base).startswith("gs://") else newest_manifest(Path(base))
    return served.withdrawn if served else ()


def already_serves(base: str, wanted: Manifest, elsewhere: Push) -> Manifest | None:
    """Return the manifest of what is served, if it is that model with that threshold, whole, and in all places where it
    shall be.

    Args:
        base: a folder of this machine, or gs://…, whose files carry checksums of their own.
    """
    if base.startswith("gs://"):
        served = _newest_in_bucket(base)
        served = served if served and served.digest == wanted.digest else None
    else:
        served = served_as(Path(base), wanted.digest)
    if served and threshold_of(served) != threshold_of(wanted):
        return None
    return served if served and {*places(elsewhere)} <= {*served.places} else None


def _newest_in_bucket(base: str) -> Manifest | None:
    from pipeline.serving import gcs

    _, text = gcs.newest(base, MANIFEST)
    return Manifest.from_json(json.loads(text)) if text else None


def _seal(copy: Path, manifest: Manifest, model: str | Path) -> None:
    """Check the copy and put the manifest into it."""
    _check(copy, manifest, model)
    (copy / MANIFEST).parent.mkdir(exist_ok=True)
    (copy / MANIFEST).unlink(missing_ok=True)
    (copy / MANIFEST).write_text(json.dumps(manifest.to_json(), indent=1))


def _check(copy: Path, manifest: Manifest, model: str | Path) -> None:
    """Check the copy, not the source: what is checked is what is published."""
    found = file_digests(copy)
    changed = sorted(
        name for name in found.keys() | manifest.files.keys() if found.get(name) != manifest.files.get(name)
    )
    if changed:
        raise WorkspaceError(
            f"the model {model} is not the one that was checked: {', '.join(changed[:3])} changed since; "
            "nothing was pushed",
            "`longhaul run --from Trainer --no-cache` trains and checks a model anew",
        )


def _publish_elsewhere(folder: Path, manifest: Manifest, elsewhere: Push) -> None:
    from pipeline.serving import gcs

    uri = gcs.upload(folder, str(elsewhere.destination), manifest.version)
    if elsewhere.vertex_model:
        from pipeline.serving import registry

        registry.register(uri, manifest, elsewhere.vertex_model)
