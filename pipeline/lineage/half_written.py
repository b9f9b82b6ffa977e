"""Removes what ML Metadata left behind when a write of it found no room.

SQLite takes a transaction back by itself when the disk is full; ML Metadata does not notice and writes the rest of it
outside of any. The number of an execution that was taken back is given out again: the next one would then also belong
to the run and the step of the one that failed, and TFX would skip a step as 'already succeeded'.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pipeline.errors import cannot_write

_NAMES = {  # table: its columns that name a row of another table
    "Association": {"context_id": "Context", "execution_id": "Execution"},
    "Attribution": {"context_id": "Context", "artifact_id": "Artifact"},
    "ParentContext": {"context_id": "Context", "parent_context_id": "Context"},
    "Event": {"artifact_id": "Artifact", "execution_id": "Execution"},
    "EventPath": {"event_id": "Event"},
    "ArtifactProperty": {"artifact_id": "Artifact"},
    "ExecutionProperty": {"execution_id": "Execution"},
    "ContextProperty": {"context_id": "Context"},
}


def remove_half_written(database: Path) -> int:
    """Remove the rows of a workspace's own store that name an execution, artifact or context that is not there.

    Returns:
        How many there were; they are what a write left that found no room.

    Raises:
        WorkspaceError: the store cannot be written.
    """
    try:
        with closing(sqlite3.connect(database, timeout=60)) as store, store:
            return sum(
                store.execute(f"DELETE FROM {table} WHERE {column} NOT IN (SELECT id FROM {named})").rowcount
                for table, columns in _NAMES.items()
                for column, named in columns.items()
            )
    except sqlite3.Error as exc:
        what = f"ML Metadata at {database} cannot be written: {exc}"
        raise cannot_write(database.parent, exc, what, "check the file's permissions and the disk") from exc
