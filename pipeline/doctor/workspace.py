"""The workspace: its disk, its lock, its store, and what crashes left in it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from glob import glob
from pathlib import Path

from pipeline.config.place import Place
from pipeline.data.patterns import as_glob
from pipeline.doctor.finding import Finding
from pipeline.errors import PipelineError
from pipeline.files import is_held, one_spelling
from pipeline.lineage.relocation import settle
from pipeline.lineage.runs import Run, list_runs
from pipeline.lineage.store import has_records, open_existing_store, translated_errors
from pipeline.lineage.unrecorded import half_done, unrecorded_outputs
from pipeline.serving.versions import damage, serving_version
from pipeline.workspace.leftovers import temporary_folders
from trainer.digests import MANIFEST

_LEAST_DISK_GB = 1
_DISK_PER_TABLE = 10
"""A run writes examples, statistics, scores and a model: the flights' take 4 times their tables."""
_MOST_NAMED = 3


def look(place: Place) -> Iterator[Finding]:
    """Yield all of it."""
    there = next(folder for folder in (place.root, *place.root.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=there):  # file modes do not tell all, least of all to root
            remedy = ""
    except OSError as exc:
        remedy = f"{there} cannot be written ({exc.strerror}); choose another with --workspace"
    yield Finding("workspace", str(place.root), remedy)
    yield _disk(place.data_pattern, there)
    yield _temporary(place.root)
    lock = place.root / ".lock"
    is_free = True
    if lock.exists():
        is_free = not is_held(lock)
        yield _lock(lock, is_free)
    if not has_records(place.metadata, place.root):
        yield Finding("ML Metadata", "no store yet; the first run makes it")
        return
    try:
        with translated_errors(place.root):
            runs = list_runs(open_existing_store(place), place.record_name)
    except PipelineError as exc:
        yield Finding("ML Metadata", exc.what, exc.remedy)
        return
    kept = place.metadata.url or f"SQLite, schema version {_schema_version(place.root)}"
    yield Finding("ML Metadata", f"{kept}, {len(runs)} run{'s' if len(runs) != 1 else ''} of {place.name}")
    yield from _whereabouts(place)
    yield _dead_runs(runs)
    yield _clock(runs)
    yield from _served(place.serving_folder)
    if is_free:  # what a run is about to record is unknown as well
        yield _strays(place)


def _whereabouts(place: Place) -> Iterator[Finding]:
    try:
        with translated_errors(place.root):
            moved = settle(place, open_existing_store(place), dry_run=True)
    except PipelineError as exc:
        yield Finding("records", exc.what, exc.remedy)
        return
    if moved:
        will = f"name {moved.before}; the next run or `longhaul relocate` has them name {moved.now}"
        yield Finding("records", moved.shared or will)


def _disk(pattern: str, place: Path) -> Finding:
    found = [Path(name) for name in glob(as_glob(pattern))] if "://" not in pattern else []  # noqa: PTH207 (absolute)
    files = [file for path in found for file in ([path] if path.is_file() else path.rglob("*"))]
    tables_gb = sum(file.stat().st_size for file in files if file.is_file()) / 2**30
    needed_gb = _LEAST_DISK_GB + _DISK_PER_TABLE * tables_gb
    free_gb = shutil.disk_usage(place).free / 2**30
    remedy = (
        f"free some: a run on {tables_gb:.1f} GB of tables needs {needed_gb:.1f} GB; `longhaul gc` shows what can go"
    )
    return Finding("free disk", f"{free_gb:.0f} GB", "" if free_gb >= needed_gb else remedy)


def _temporary(root: Path) -> Finding:
    """Return what killed commands left, which may hold rows of the table."""
    found = [str(folder) for folder in temporary_folders(root)]
    if not found:
        return Finding("temporary files", "none without an owner")
    return Finding(
        "temporary files",
        f"{_named(found)}: of commands that were killed, and may hold rows",
        "`longhaul gc --apply` removes them, and so does the next run",
    )


def _lock(lock: Path, is_free: bool) -> Finding:
    """Look for locks: the system takes a lock from a process that ends, so one that is held has a holder."""
    if is_free:
        return Finding("lock", "free")
    try:
        pid = int(json.loads(lock.read_text())["pid"])
    except (OSError, ValueError, TypeError, KeyError):
        pid = -1
    if Path(f"/proc/{pid}").exists():
        return Finding("lock", f"process {pid} is at work in the workspace")
    return Finding(
        "lock",
        "held, but the process that took it is not on this machine, or is gone",
        f"`fuser -v {lock}` names the processes that it left here; end them",
    )


def _schema_version(root: Path) -> str:
    """Read the version of the workspace's own store."""
    with closing(sqlite3.connect(f"{(root / 'metadata.db').as_uri()}?mode=ro", uri=True)) as database:
        (version,) = database.execute("SELECT schema_version FROM MLMDEnv").fetchone()
    return str(version)


def _dead_runs(runs: list[Run]) -> Finding:
    dead = [run.run_id for run in runs if run.status == "died"]
    if not dead:
        return Finding("runs", "none was left open by a process that is gone")
    return Finding(
        "runs",
        f"{_named(dead)} never ended: the process is gone",
        "`longhaul resume` goes on with the last one; it, or `longhaul run`, closes their records",
    )


def _clock(runs: list[Run]) -> Finding:
    """Compare the clock with the newest run: a clock that was set back."""
    now = datetime.now().astimezone()
    began = [datetime.fromisoformat(run.started) for run in runs if run.started]
    if began and max(began) > now:
        return Finding(
            "clock",
            f"{now:%Y-%m-%d %H:%M:%S%z} is before the newest run ({max(began):%Y-%m-%d %H:%M:%S%z})",
            "set the clock (`timedatectl set-ntp true`); runs are told apart and sorted by it",
        )
    return Finding("clock", f"{now:%Y-%m-%d %H:%M:%S%z}")


def _served(base: Path) -> Iterator[Finding]:
    """Yield whether the files of the version that serves are those of its manifest."""
    if (version := serving_version(base)) is None:
        return
    if not (base / version / MANIFEST).exists():
        yield Finding(
            "served model",
            f"version {version} has no {MANIFEST}: whether its files are whole cannot be told",
            "`longhaul run --from Pusher --no-cache` pushes the model with one, unless another than Longhaul pushed it",
        )
        return
    wrong = damage(base / version)
    remedy = (
        "`longhaul run` pushes a whole copy of the model; `longhaul versions` lists what `longhaul rollback` can take"
    )
    said = f"is damaged: {_named(wrong)}" if wrong else "is whole, by the digests of its manifest"
    yield Finding("served model", f"version {version} {said}", remedy if wrong else "")


def _strays(place: Place) -> Finding:
    """Return folders that a crash left: half removed, half pushed, or made by a step that never got on record."""
    artifacts = one_spelling(place.root / "artifacts")
    found = half_done(artifacts, *(place.root / "serving").glob("*"))
    if place.metadata.url is None:
        found += unrecorded_outputs(open_existing_store(place), artifacts)
    if not found:
        return Finding("left-overs", "none")
    names = _named(
        [str(Path(*folder.parts[-4 if folder.is_relative_to(artifacts) else -3 :])) for folder in sorted(found)]
    )
    return Finding("left-overs", f"{names}: nothing on record uses them", "`longhaul gc --apply` removes them")


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
