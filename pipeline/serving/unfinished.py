"""A rollback whose process was killed between what it published and the end of its record: a file beside the versions,
on a disk or in a bucket, says what it was about, until all is done. Whoever writes next puts it on record."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ml_metadata import MetadataStore

from pipeline.files import incoming
from pipeline.lineage.pushes import Rollback, is_recorded, record_rollback
from pipeline.serving.versions import read_manifest

FILE = ".rollback.json"


def begin(base: Path, what: Rollback) -> None:
    """Write down what is about to be published. The caller holds the short lock."""
    with incoming(base / FILE) as hidden:
        hidden.write_bytes(to_text(what))


def begun(base: Path) -> Rollback | None:
    """Return the rollback that published its version and has not come to its end; None if there is none."""
    what = _read(base)
    return what if what and (base / str(what.new_version)).is_dir() else None


def end(base: Path, version: int | None) -> None:
    """Say that all is done of the rollback that published a version."""
    if (what := _read(base)) and what.new_version == version:
        (base / FILE).unlink(missing_ok=True)


def finish(store: MetadataStore, pipeline: str, base: Path) -> Rollback | None:
    """Put on record what a killed process published; return it where it was not. The caller holds the short lock, and
    whoever repeats the rollback ends it."""
    what = begun(base)
    if what is None or is_recorded(store, pipeline, f"{base}/{what.new_version}"):
        return None
    manifest = read_manifest(base / str(what.new_version))
    record_rollback(store, pipeline, what, base, manifest.digest if manifest else "")
    return what


def _read(base: Path) -> Rollback | None:
    try:
        return from_text((base / FILE).read_bytes())
    except OSError:
        return None


def to_text(what: Rollback) -> bytes:
    """Return what the file says."""
    return json.dumps(asdict(what)).encode()


def from_text(text: bytes | None) -> Rollback | None:
    """Read what `to_text` wrote; None of anything else."""
    try:
        return Rollback(**json.loads(text or b"{}"))
    except (ValueError, TypeError):
        return None


def sentence_of(what: Rollback) -> str:
    """Say what `finish` did."""
    return (
        f"`longhaul rollback` was killed after it had published version {what.new_version} in place of version "
        f"{what.from_version}; it is on record now"
    )
