"""Whose runs a command is about: those of this machine, or jobs on Vertex AI Pipelines.

A job is shown as a run is, because its records are taken over into a workspace of their own first. What only jobs need
is imported for them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.markup import escape

from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.errors import ConfigError
from pipeline.lineage.runs import Run, find_run
from pipeline.lineage.store import open_existing_store
from pipeline.terminal.console import console_for

if TYPE_CHECKING:
    from ml_metadata import MetadataStore

    from pipeline.runners.vertex.mirror import Mirror

On = Literal["local", "vertex"] | None


def is_on_vertex(place: Place, on: On, *, emulated: bool = False) -> bool:
    """Return whether a command is about jobs.

    Raises:
        ConfigError: emulated jobs are asked for, but not by whoever asks for jobs.
    """
    if (on or place.orchestrator) == "vertex":
        return True
    if emulated:
        raise ConfigError("--emulate is about jobs on Vertex AI", "add --on vertex")
    return False


def jobs_of(config: PipelineConfig, *, emulated: bool = False) -> Mirror:
    """Return the workspace of a pipeline's jobs, as they are now.

    Raises:
        ConfigError: the configuration has no section of Vertex AI.
        JobError: the service says no.
        WorkspaceError: the bucket cannot be read.
    """
    from pipeline.commands.vertex import vertex_of
    from pipeline.runners.vertex.mirror import Mirror

    vertex_of(config)
    mirror = Mirror(config, emulated=emulated)
    mirror.refresh()
    if mirror.away:
        note = f"[yellow]Note[/]      {escape(mirror.away)}; the jobs are shown from the records of this workspace"
        console_for(sys.stderr).print(note, soft_wrap=True)
    return mirror


def records_of(config: PipelineConfig, on: On = None, *, emulated: bool = False) -> PipelineConfig:
    """Return the configuration in whose workspace the runs are on record.

    Raises:
        PipelineError: see `jobs_of`.
    """
    return jobs_of(config, emulated=emulated).config if is_on_vertex(config, on, emulated=emulated) else config


def planned_on(config: PipelineConfig, on: On = None, *, emulated: bool = False) -> PipelineConfig:
    """Return the configuration by which the next run reads its table, and finds what there was before.

    Raises:
        ConfigError: it asks for what Vertex AI cannot do, or the table of a job cannot be listed from here.
        PipelineError: see `jobs_of`.
    """
    if not is_on_vertex(config, on, emulated=emulated):
        return config
    from pipeline.commands.vertex import vertex_of
    from pipeline.runners.vertex.addresses import as_seen_from_vertex
    from pipeline.runners.vertex.objects import EmulatedObjects

    there = as_seen_from_vertex(config, vertex_of(config))
    if "://" in there.data.path and not (emulated and there.data.path.startswith("gs://")):
        raise ConfigError(
            f"{there.data.path} cannot be listed from here",
            "`longhaul run --on vertex` submits a job, which reads it there",
        )
    if "://" not in there.data.path and not emulated:
        raise ConfigError(
            f"{there.data.path} lies inside the image of the job, and cannot be listed from here",
            "`longhaul run --on vertex` submits a job, which reads it there",
        )
    jobs = jobs_of(config, emulated=emulated)
    address = there.data.path
    if isinstance(jobs.objects, EmulatedObjects) and address.startswith("gs://"):
        address = str(jobs.objects.path(address))
    return jobs.config.model_copy(update={"data": there.data.model_copy(update={"path": address})})


def recorded_runs(
    config: Path | None, workspace: str | None, on: On, emulated: bool, *run_ids: str, whole: bool = False
) -> tuple[PipelineConfig, MetadataStore, list[Run]]:
    """Return the settings by which runs are on record, the store, and the runs of these ids in it.

    Args:
        whole: with whatever a page shows of them.

    Raises:
        PipelineError: there is no such run; or see `jobs_of`.
    """
    settings = load(config, workspace=workspace)
    if not is_on_vertex(settings, on, emulated=emulated):
        store = open_existing_store(settings)
        return settings, store, [find_run(store, settings.record_name, run_id) for run_id in run_ids]
    jobs = jobs_of(settings, emulated=emulated)
    store = open_existing_store(jobs.config)
    found = [jobs.fetch(one) if whole else jobs.run(one) for one in run_ids]
    return jobs.config, store, found
