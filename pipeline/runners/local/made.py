"""What a step has made and a metadata server has not taken yet: a note of it lies beside the run's log until then.

A server that stays away for longer than `metadata.wait`, or a kill meanwhile, so costs no training: whoever closes the
record of the run puts what the note says on record, as if the step had done it, and TFX's cache finds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.errors import StoreAwayError
from pipeline.files import flush_file, incoming
from pipeline.lineage.records import SECONDS, event_of

_LIVE, _OUTPUT = metadata_store_pb2.Artifact.LIVE, metadata_store_pb2.Event.OUTPUT


class KeptError(StoreAwayError):
    """A metadata server was away for too long when a step was done: there is a note of what it made."""


def note(
    root: Path,
    execution_id: int,
    contexts: Sequence[metadata_store_pb2.Context],
    outputs: Mapping[str, Sequence[Any]],
    properties: Mapping[str, metadata_store_pb2.Value],
) -> None:
    """Write down what an execution has made. Folders are named relative to the workspace, which may move.

    Args:
        contexts: those that the execution belongs to, as they are on record.
        outputs: TFX's artifacts, by name.
        properties: custom ones of the execution.
    """
    graph = metadata_store_pb2.LineageGraph(contexts=contexts)
    execution = graph.executions.add(id=execution_id)
    for name, value in properties.items():
        execution.custom_properties[name].CopyFrom(value)
    for key, artifacts in outputs.items():
        for number, one in enumerate(artifacts):
            graph.artifact_types.append(one.artifact_type)
            artifact = graph.artifacts.add()
            artifact.CopyFrom(one.mlmd_artifact)
            if Path(artifact.uri).is_relative_to(root):
                artifact.uri = str(Path(artifact.uri).relative_to(root))
            event = event_of(_OUTPUT, key)
            event.path.steps[1].index = number
            graph.events.append(event)
    file = _file(root, execution_id)
    file.parent.mkdir(exist_ok=True)
    with incoming(file) as hidden:
        hidden.write_bytes(graph.SerializeToString())
        flush_file(hidden)


def forget(root: Path, execution_id: int) -> None:
    """Remove the note of what is on record now, or gone."""
    with suppress(OSError):
        _file(root, execution_id).unlink()


def take_up(root: Path, store: MetadataStore, execution: metadata_store_pb2.Execution) -> bool:
    """Put on record what an execution has made, if there is a note of it and all of it is there still; the execution is
    complete then, here and in the store.

    Returns:
        Whether it was.
    """
    file = _file(root, execution.id)
    graph = metadata_store_pb2.LineageGraph()
    try:
        graph.ParseFromString(file.read_bytes())
        seconds = file.stat().st_mtime - execution.create_time_since_epoch / 1000
    except (OSError, DecodeError):
        return False
    for artifact in graph.artifacts:
        artifact.uri = str(root / artifact.uri)
        artifact.state = _LIVE
    if not all(Path(artifact.uri).exists() for artifact in graph.artifacts):
        return False
    for artifact, kind in zip(graph.artifacts, graph.artifact_types, strict=True):
        kind.ClearField("id")
        artifact.type_id = store.put_artifact_type(kind, can_add_fields=True, can_omit_fields=True)
    execution.last_known_state = metadata_store_pb2.Execution.COMPLETE
    execution.custom_properties[SECONDS].double_value = max(0.0, seconds)
    for name, value in graph.executions[0].custom_properties.items():
        execution.custom_properties[name].CopyFrom(value)
    store.put_execution(
        execution,
        list(zip(graph.artifacts, graph.events, strict=True)),
        list(graph.contexts),
        reuse_context_if_already_exist=True,
        force_reuse_context=True,
    )
    forget(root, execution.id)
    return True


def _file(root: Path, execution_id: int) -> Path:
    return root / "logs" / f"made-{execution_id}.pb"
