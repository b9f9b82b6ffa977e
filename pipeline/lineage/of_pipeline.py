"""What belongs to one pipeline: others may share the store, and have folders of the same names on other machines."""

from __future__ import annotations

from typing import Any

import ml_metadata
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2


def pipeline_context(store: Any, pipeline: str) -> Any:
    """Return TFX's own context of a pipeline; one without an id, which is not stored yet, where there is none."""
    if known := store.get_context_by_type_and_name("pipeline", pipeline):
        return known
    kind = store.put_context_type(metadata_store_pb2.ContextType(name="pipeline"))
    return metadata_store_pb2.Context(type_id=kind, name=pipeline)


def artifacts_of(store: Any, pipeline: str, kind: str, *, only_live: bool = False) -> list[Any]:
    """List the artifacts of a type in a pipeline's context; none if the store does not know the pipeline."""
    context = store.get_context_by_type_and_name("pipeline", pipeline)
    if context is None:
        return []
    query = f"contexts_p.id = {context.id} AND type = '{kind}'" + (" AND state = LIVE" if only_live else "")
    try:
        return list(store.get_artifacts(list_options=ml_metadata.ListOptions(filter_query=query)))
    except (mlmd_errors.UnimplementedError, mlmd_errors.InvalidArgumentError):  # a build without filter queries
        found = [one for one in store.get_artifacts_by_context(context.id) if one.type == kind]
        return [one for one in found if not only_live or one.state == metadata_store_pb2.Artifact.LIVE]
