"""Keeping a workspace small and safe: what nobody needs goes, the records are copied.

Whatever removes or adds files here holds the workspace's lock, as a run does; a pin waits for no run.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ml_metadata import MetadataStore

from pipeline.config.model_settings import ModelSettings
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.config.serving import ServingSettings
from pipeline.config.value_types import seconds_of
from pipeline.errors import ConfigError, WorkspaceError, cannot_write
from pipeline.lineage import archive, archive_import, backup, garbage, pins, relocation, removal
from pipeline.lineage.runs import Run
from pipeline.lineage.store import check_store_exists, open_existing_store, open_store, translated_errors
from pipeline.reports.front import refresh_front
from pipeline.runners.local.recovery import noting, writing
from pipeline.serving.request_files import outlived
from pipeline.serving.rollout import under_way
from pipeline.workspace.lock import AT_ONCE, BRIEFLY, Wait, locked
from pipeline.workspace.reserve import spent


def collect_garbage(
    config: PipelineConfig, keep: int | None, keep_served: int | None, apply: bool, wait: Wait = AT_ONCE
) -> garbage.Plan:
    """Find what nobody needs any more and, if asked to, remove it. Where no numbers are given, those of the section
    `keep` count.

    Raises:
        WorkspaceError: the store or a folder cannot be written.
        LockedError: a run is at work, for longer than is waited.
    """
    with ExitStack() as held:
        held.enter_context(translated_errors(config.root))
        store = open_existing_store(config)
        if apply:
            held.enter_context(spent(config.root))
            store = held.enter_context(writing(config, wait))
        trying = under_way(config.serving_folder)
        in_use = (trying.version, trying.stable) if trying else ()
        plan = garbage.plan(store, config, keep or config.keep.runs, keep_served or config.keep.versions, in_use)
        plan.items.extend(requests := _outlived_requests(config.serving, config.requests_folder, config.name))
        if apply:
            try:
                removal.remove(store, config.record_name, plan)
                for day in {item.path.parent for item in requests}:
                    with suppress(OSError):  # it still holds others
                        day.rmdir()
            except OSError as exc:
                raise WorkspaceError(
                    f"{exc.filename} cannot be removed: {exc.strerror}",
                    "fix its permissions and call `longhaul gc --apply` again; it goes on where it stopped",
                ) from exc
    if apply:
        refresh_front(config)
    return plan


def _outlived_requests(serving: ServingSettings, logs: Path, name: str) -> list[garbage.Item]:
    """Return files of the log of requests that are older than `serving.log.keep` lets them be. The server removes them
    as well, as long as there is one."""
    if serving.log is None:
        return []
    before = datetime.now(UTC) - timedelta(seconds=seconds_of(serving.log.keep))
    files = outlived(logs / name, before)
    return [garbage.Item("log of requests", file, file.stat().st_size) for file in files]


def pin(settings: ModelSettings, what: str, *, on: bool, wait: Wait = BRIEFLY) -> str:
    """Pin a run or a pushed version, or take the pin away; say which it was. Waits for no run."""
    with translated_errors(settings.root):
        open_existing_store(settings)  # what nothing has run in is left as it is
        with noting(settings, wait) as store:
            mark = pins.pin if on else pins.unpin
            marked = mark(store, settings.record_name, what)
    refresh_front(settings)
    return marked


def export(
    root: Path, store: MetadataStore, run: Run, output: Path | None, *, with_artifacts: bool, force: bool
) -> Path:
    """Write a run, or a job, as a zip file; return its path.

    Args:
        config: in whose workspace the run is on record.
        run: whole (find_run).

    Raises:
        PipelineError: it is still at work, or the file is there, and `force` is not given or it is no exported run.
    """
    with translated_errors(root):
        target = output or Path(f"{run.run_id}.zip")
        if target.exists() and not archive.is_export(target):
            raise ConfigError(
                f"{target} is there already, and is no exported run",
                "name another with --output; --force overwrites nothing else",
            )
        if target.exists() and not force:
            raise ConfigError(f"{target} is there already", "name another with --output, or use --force")
        files = {
            "report.html": root / "reports" / f"{run.run_id}.html",
            "run.log": root / "logs" / f"{run.run_id}.log",
        }
        try:
            archive.export_run(store, run, target, files, with_artifacts=with_artifacts)
        except OSError as exc:
            raise _unwritable(target, exc) from exc
        return target


def import_(settings: ModelSettings, source: Path, wait: Wait = AT_ONCE) -> str:
    """Put an exported run into the store; return its id."""
    with translated_errors(settings.root):
        if not settings.root.exists():  # which a file that is refused does not make
            archive_import.check(settings.name, source)
        with writing(settings, wait) as store:
            run_id = archive_import.import_run(store, settings, source)
    refresh_front(settings)
    return run_id


def back_up(place: Place, output: Path | None) -> Path:
    """Copy the metadata store; return the copy's path."""
    target = output or backup.free_name(place.root)
    backup.back_up(place, target)
    return target


def relocate(
    place: Place, *, dry_run: bool, take_over: bool = False, wait: Wait = AT_ONCE
) -> relocation.Relocation | None:
    """Have the records name the folders where the workspace lies now; None if they do.

    Args:
        take_over: also those on a server that belong to another workspace, which this one takes the place of.

    Raises:
        ConfigError: there is nothing to take over: the records are in the workspace.
        WorkspaceError: nothing has run in the workspace, a run is at work, or the store cannot be written.
    """
    with translated_errors(place.root):
        if take_over and place.metadata.url is None:
            raise ConfigError(
                "--take-over is about records on a server, and those of this workspace lie in it",
                "`longhaul relocate` without it has them name the folders of a copy, and leaves the original alone",
            )
        check_store_exists(place.metadata, place.root, place.orchestrator)
        if dry_run:
            return relocation.settle(place, open_existing_store(place), dry_run=True, take_over=take_over)
        with locked(place.root, wait):
            return relocation.settle(place, open_store(place), take_over=take_over)


def _unwritable(target: Path, exc: OSError) -> WorkspaceError:
    problem = f"{target} cannot be written: {exc.strerror}"
    return cannot_write(target.parent, exc, problem, "name another with --output")
