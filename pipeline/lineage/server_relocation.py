"""Whose records on a metadata server are, and where their workspace lies: noted in the pipeline's context.

Two workspaces of one pipeline's name share its records there, which is said; the first one to write is noted. A copy of
a workspace is refused, since what is on record would lead it to the folders of the other.
"""

from __future__ import annotations

from typing import Any

from ml_metadata import MetadataStore

from pipeline.config.place import Place
from pipeline.errors import ConfigError
from pipeline.lineage.records import text_of
from pipeline.lineage.renaming import Renaming
from pipeline.lineage.runs import RUN_CONTEXT
from pipeline.lineage.whereabouts import BASE, FIRST_BASE, FIRST_ROOT, ID, ROOT, Here, Known

UPDATED = "updated_before_move"
"""Custom property of an artifact: when it was changed last, as it was before its records were rewritten (ML Metadata
notes every change; TFX's cache knows a step's inputs by it). Text, since PostgreSQL's numbers are too small."""


def known_on_server(store: MetadataStore, here: Here, number: str) -> Known:
    """Return what is on record of the pipeline's workspace.

    Args:
        number: of the workspace that asks.
    """
    context = store.get_context_by_type_and_name("pipeline", here.pipeline)
    noted = {name: text_of(context, name) for name in (ID, ROOT, BASE)} if context else {}
    if noted.get(ID):
        return Known(noted[ID], (noted[ROOT],), noted[BASE], is_noted=True)
    runs = sorted(_runs(store, here.pipeline), key=lambda run: str(run.name))
    places = [text_of(run, "workspace").partition(" ") for run in runs]
    if not places:
        return Known()
    owner, _, root = next((one for one in reversed(places) if one[0] == number), places[-1])
    return Known(owner, (root,), text_of(runs[-1], "config_file").rpartition("/")[0])


def check_owner(place: Place, known: Known, number: str, *, copied: bool) -> str:
    """Return what to say of a workspace whose pipeline another one on the server has, too; "" of any other.

    Raises:
        ConfigError: this is a copy of the workspace that the records belong to, and would use its folders.
    """
    if known.number in ("", number) and not copied:
        return ""
    other = f"the workspace {known.roots[0]}" if known.roots else "another workspace"
    remedy = "give one of the two configurations a namespace (`metadata: {namespace: dev}`), or another name"
    if not copied:
        return (
            f"{other} has a pipeline {place.record_name!r} on this server, too: they share caches, versions of the "
            f"schema and the list of runs; {remedy}"
        )
    raise ConfigError(
        f"{place.root} is a copy of {other}, to which the records of pipeline {place.record_name!r} on"
        f" {place.metadata.url} belong: it would use the folders there",
        f"{remedy}; if this one takes the other's place, `longhaul relocate --take-over` makes the records its own",
    )


def rename_on_server(
    store: MetadataStore, here: Here, names: Renaming, noted: dict[str, str], first: dict[str, str]
) -> int:
    """Replace folders in all records of the pipeline; return how many artifacts have another path.

    Artifacts and executions change in one transaction, contexts and what is noted in the next: one that is killed
    between them begins anew.
    """
    context = store.get_context_by_type_and_name("pipeline", here.pipeline)
    moved = 0
    if names:
        artifacts = []
        for artifact in store.get_artifacts_by_context(context.id):
            updated = str(artifact.last_update_time_since_epoch)
            moved += names(artifact.uri) != artifact.uri
            if _renamed(artifact, names):
                artifact.custom_properties[UPDATED].string_value = text_of(artifact, UPDATED) or updated
                artifacts.append(artifact)
        executions = [one for one in store.get_executions_by_context(context.id) if _renamed(one, names)]
        if artifacts or executions:
            store.put_lineage_subgraph(executions, artifacts, [], [])
    changed = [run for run in _runs(store, here.pipeline) if names and _renamed(run, names)]
    for name, value in (*noted.items(), *((n, v) for n, v in first.items() if n not in context.custom_properties)):
        context.custom_properties[name].string_value = value
    store.put_contexts([*changed, context])
    return moved


def count_on_server(store: MetadataStore, here: Here, names: Renaming) -> int:
    """Count the artifacts whose folders would be called otherwise."""
    context = store.get_context_by_type_and_name("pipeline", here.pipeline)
    found = store.get_artifacts_by_context(context.id) if context and names else []
    return sum(names(one.uri) != one.uri for one in found)


def _runs(store: MetadataStore, pipeline: str) -> list[Any]:
    return [
        run
        for run in store.get_contexts_by_type(RUN_CONTEXT)
        if text_of(run, "pipeline") == pipeline and text_of(run, "workspace")
    ]


def _renamed(record: Any, names: Renaming) -> bool:
    """Replace folders in place; return whether anything has changed."""
    before = record.SerializeToString(deterministic=True)
    if hasattr(record, "uri"):
        record.uri = names(record.uri)
    for values in (record.properties, record.custom_properties):
        for name, value in values.items():
            if value.WhichOneof("value") == "string_value" and name not in (FIRST_ROOT, FIRST_BASE):
                value.string_value = names(value.string_value)
    return bool(record.SerializeToString(deterministic=True) != before)
