"""Pins: runs and pushed models that `longhaul gc` must never touch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ml_metadata import MetadataStore

from pipeline.errors import PipelineError
from pipeline.lineage.runs import RUN_CONTEXT, find_run

PINNED = "pinned"
"""Custom property of a run's context or of a PushedModel: since when (ISO 8601, UTC)."""


def pin(store: MetadataStore, pipeline: str, what: str) -> str:
    """Pin a run (its id, 'latest' …) or a pushed version (its number); says what was pinned.

    Raises:
        PipelineError: there is no such thing, or the run is still at work.
    """
    return _mark(store, pipeline, what, datetime.now(UTC).isoformat(timespec="seconds"))


def unpin(store: MetadataStore, pipeline: str, what: str) -> str:
    """Take a pin away again; the same errors.

    Raises:
        PipelineError: there is no such thing, or it is not pinned.
    """
    return _mark(store, pipeline, what, None)


def _mark(store: MetadataStore, pipeline: str, what: str, since: str | None) -> str:
    if what.isdigit():
        found = _pushed(store, pipeline, what)
        if since is None and not any(PINNED in artifact.custom_properties for artifact in found):
            raise _not_pinned(f"version {what}")
        for artifact in found:
            _set(artifact, since)
        store.put_artifacts(found)
        return f"version {what}"
    run = find_run(store, pipeline, what)
    if run.status == "running":
        raise PipelineError(f"run {run.run_id} is still at work", "pin it when it has ended")
    context = store.get_context_by_type_and_name(RUN_CONTEXT, run.run_id)
    if since is None and PINNED not in context.custom_properties:
        raise _not_pinned(f"run {run.run_id}")
    _set(context, since)
    store.put_contexts([context])
    return f"run {run.run_id}"


def _pushed(store: MetadataStore, pipeline: str, version: str) -> list[Any]:
    context = store.get_context_by_type_and_name("pipeline", pipeline)
    pushed = [
        artifact
        for artifact in (store.get_artifacts_by_context(context.id) if context else [])
        if artifact.type == "PushedModel" and "pushed_version" in artifact.custom_properties
    ]
    found = [one for one in pushed if one.custom_properties["pushed_version"].string_value == version]
    if not found:
        known = sorted({one.custom_properties["pushed_version"].string_value for one in pushed})
        raise PipelineError(
            f"no run of pipeline {pipeline!r} pushed a version {version}",
            f"it pushed {', '.join(known[-5:])}" if known else "`longhaul runs` lists runs, which can be pinned too",
        )
    return found


def _not_pinned(what: str) -> PipelineError:
    return PipelineError(f"{what} is not pinned", "`longhaul runs --filter pinned=yes` lists the runs that are")


def _set(message: Any, since: str | None) -> None:
    if since:
        message.custom_properties[PINNED].string_value = since
    elif PINNED in message.custom_properties:
        del message.custom_properties[PINNED]
