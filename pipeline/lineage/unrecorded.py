"""Finds folders in a workspace that no record knows: what killed processes left."""

from __future__ import annotations

import re
from pathlib import Path

from ml_metadata import MetadataStore

from pipeline.files import is_local, one_spelling
from pipeline.lineage.version_folders import version_number


def unrecorded_outputs(store: MetadataStore, artifacts: Path) -> list[Path]:
    """Find the folders where a step's outputs were to go, and of which ML Metadata knows nothing.

    TFX names such a folder artifacts/STEP/OUTPUT/EXECUTION. One is taken for ours if STEP/OUTPUT holds others that are
    on record, or the execution is on record as STEP's. What else lies there somebody has put there, and keeps.
    """
    folders = [(one, number) for one in artifacts.glob("*/*/*") if (number := version_number(one.name))]
    known = {one_spelling(artifact.uri) for artifact in store.get_artifacts() if is_local(artifact.uri)}
    # What a component returns as a plain value lies as a file in such a folder.
    known |= {one.parent for one in known if one.is_file()}
    parents = {one.parent for one in known}
    return [
        one
        for one, number in folders
        if one not in known and one.is_dir() and (one.parent in parents or one.parts[-3] in _nodes(store, number))
    ]


def _nodes(store: MetadataStore, execution_id: int) -> set[str]:
    """Return the names of the step that an execution was of; none if it is not on record."""
    if not store.get_executions_by_id([execution_id]):
        return set()
    contexts = store.get_contexts_by_execution(execution_id)
    return {str(context.name).rpartition(".")[2] for context in contexts if context.type == "node"}


def half_done(artifacts: Path, *bases: Path) -> list[Path]:
    """Find what was half removed or half pushed when a process was killed.

    Args:
        bases: the folders of versions.
    """
    places = [(artifacts, "*/*/.*"), *((base, ".*") for base in bases)]
    return [
        one for folder, pattern in places for one in folder.glob(pattern)
        if re.fullmatch(r"\.(removing|incoming)-[0-9]+", one.name) and one.is_dir()
    ]  # fmt: skip
