"""Copies all records of one store into another, which is empty: from the workspace's file to a server.

Numbers of artifacts, executions and contexts stay what they are: paths and properties name some. ML Metadata gives them
out one after the other, so they are put in order, and what came out is compared. Times and numbers of types are given
out anew; TFX's cache knows a step's inputs by them, so an artifact keeps those that it had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.errors import WorkspaceError
from pipeline.lineage.records import text_of

_AT_ONCE = 500
_BEFORE = "before_copy"
"""Custom property of an artifact: number of its type, when it was made and when changed, in the store that it comes
from. Text, since PostgreSQL's numbers are too small."""


def copy_records(source: MetadataStore, target: MetadataStore) -> dict[str, int]:
    """Copy everything; return how many there are, by kind.

    Raises:
        WorkspaceError: the target is not empty, or numbers would change.
    """
    if target.get_contexts() or target.get_executions() or target.get_artifacts():
        raise WorkspaceError(
            "the database holds records already", "name an empty one: `CREATE DATABASE lineage OWNER longhaul`"
        )
    artifacts = _copied(source.get_artifacts(), _types(source, target, "artifact"), target.put_artifacts, _note)
    executions = _copied(source.get_executions(), _types(source, target, "execution"), target.put_executions)
    contexts = _copied(source.get_contexts(), _types(source, target, "context"), target.put_contexts)
    events = 0
    for some in _parts([execution.id for execution in executions]):
        found = sorted(source.get_events_by_execution_ids(some), key=lambda event: event.milliseconds_since_epoch)
        target.put_events(found)
        events += len(found)
    for context in contexts:
        _tie(source, target, context.id)
    return {
        "artifacts": len(artifacts),
        "executions": len(executions),
        "contexts": len(contexts),
        "events": events,
    }


def undo_copy(artifact: Any) -> None:
    """Have an artifact's record be what it was where it was copied from, in place."""
    if before := text_of(artifact, _BEFORE):
        artifact.type_id, artifact.create_time_since_epoch, artifact.last_update_time_since_epoch = map(
            int, before.split()
        )
        del artifact.custom_properties[_BEFORE]


def _note(copy: Any, artifact: Any) -> None:
    before = (artifact.type_id, artifact.create_time_since_epoch, artifact.last_update_time_since_epoch)
    if _BEFORE not in copy.custom_properties:
        copy.custom_properties[_BEFORE].string_value = " ".join(map(str, before))


def _types(source: MetadataStore, target: MetadataStore, kind: str) -> dict[int, int]:
    """Create the types of a kind; return their numbers in the target by those in the source."""
    numbers = {}
    for one in sorted(getattr(source, f"get_{kind}_types")(), key=lambda one: one.id):
        copy = type(one)()
        copy.CopyFrom(one)
        copy.ClearField("id")
        numbers[one.id] = getattr(target, f"put_{kind}_type")(copy)
    return numbers


def _copied(
    found: Any,
    types: dict[int, int],
    put: Callable[[list[Any]], Any],
    note: Callable[[Any, Any], None] = lambda copy, one: None,
) -> list[Any]:
    """Put things in the order of their numbers, with what there is to note of each; return them as they were."""
    things = sorted(found, key=lambda one: one.id)
    for some in _parts(things):
        copies = []
        for one in some:
            copy = type(one)()
            copy.CopyFrom(one)
            for field in ("id", "type"):
                copy.ClearField(field)
            copy.type_id = types[one.type_id]
            note(copy, one)
            copies.append(copy)
        if list(put(copies)) != [one.id for one in some]:
            raise WorkspaceError(
                "the records would get other numbers in the database", "name a new, empty one, and tell us of it"
            )
    return things


def _tie(source: MetadataStore, target: MetadataStore, context: int) -> None:
    attributions = [
        metadata_store_pb2.Attribution(artifact_id=artifact.id, context_id=context)
        for artifact in source.get_artifacts_by_context(context)
    ]
    associations = [
        metadata_store_pb2.Association(execution_id=execution.id, context_id=context)
        for execution in source.get_executions_by_context(context)
    ]
    target.put_attributions_and_associations(attributions, associations)
    parents = [
        metadata_store_pb2.ParentContext(child_id=context, parent_id=parent.id)
        for parent in source.get_parent_contexts_by_context(context)
    ]
    if parents:
        target.put_parent_contexts(parents)


def _parts(things: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(things), _AT_ONCE):
        yield things[start : start + _AT_ONCE]
