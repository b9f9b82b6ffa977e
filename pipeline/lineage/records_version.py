"""By which rules the records of a pipeline are written: a number on record beside them.

An older Longhaul would read wrongly, and spoil, what a newer one wrote by other rules: so it is refused. Records of an
older Longhaul are brought up to date, after a copy was made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata import errors as mlmd_errors

import pipeline
from pipeline.config.place import Place
from pipeline.errors import WorkspaceError
from pipeline.lineage.backup import kept_copy
from pipeline.lineage.of_pipeline import pipeline_context

RECORDS = 1
"""The number of the rules of today: it grows whenever an older Longhaul would misread what is written. 0 are records
without a number, of Longhaul 0.1 up to November 2026."""
_NUMBER, _BY = "records_version", "records_written_by"
"""Custom properties of TFX's own context of the pipeline."""


def check_records(store: MetadataStore, name: str) -> None:
    """Refuse records by rules that this Longhaul does not know.

    Raises:
        WorkspaceError: a newer Longhaul wrote them.
    """
    context = store.get_context_by_type_and_name("pipeline", name)
    number = _number(context)
    if number > RECORDS:
        by = context.custom_properties[_BY].string_value
        raise WorkspaceError(
            f"a newer Longhaul, {by}, wrote the records of pipeline {name!r}: they are of version {number}, and this "
            f"one, {pipeline.__version__}, knows version {RECORDS} at most",
            f"use Longhaul {by} or later, or restore a backup that an earlier one made (docs/operate/upgrading.md)",
        )


def upgrade_records(place: Place, store: MetadataStore) -> Path | None:
    """Bring the records up to date and note by which rules they are written now. The caller holds the workspace's lock.

    Returns:
        A copy of the workspace's store as it was, if an older Longhaul wrote it; None otherwise.
    """
    context = pipeline_context(store, place.record_name)
    if _number(context) == RECORDS:
        return None
    copy = kept_copy(place) if context.id and place.metadata.url is None else None
    context.custom_properties[_NUMBER].int_value = RECORDS
    context.custom_properties[_BY].string_value = pipeline.__version__
    try:
        store.put_contexts([context])
    except mlmd_errors.AlreadyExistsError:  # on a server another run made it at this moment
        return upgrade_records(place, store)
    return copy


def _number(context: Any) -> int:
    return int(context.custom_properties[_NUMBER].int_value) if context and _NUMBER in context.custom_properties else 0
