"""Before a command writes: closes the records of runs that were killed (whoever holds the workspace's lock knows that
nobody is at work), and sees that outputs and records belong together."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ml_metadata import ListOptions, MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.config.metadata import Metadata
from pipeline.config.place import Place
from pipeline.errors import LockedError, WorkspaceError
from pipeline.files import one_spelling
from pipeline.lineage.half_written import remove_half_written
from pipeline.lineage.process import Process
from pipeline.lineage.records import NODE, STEP_PROPERTIES, read_steps, seconds_on_record, text_of
from pipeline.lineage.relocation import settle
from pipeline.lineage.runs import RUN_CONTEXT, find_run
from pipeline.lineage.store import open_store
from pipeline.lineage.summary import summary_properties
from pipeline.runners.local.made import forget, take_up
from pipeline.serving.unfinished import finish, sentence_of
from pipeline.workspace.identity import workspace_id
from pipeline.workspace.lock import AT_ONCE, BRIEFLY, Wait, locked, serving_locked
from pipeline.workspace.scratch import sweep

_CLOSED = (
    *(metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED),
    *(metadata_store_pb2.Execution.FAILED, metadata_store_pb2.Execution.CANCELED),
)


@contextmanager
def writing(place: Place, wait: Wait = AT_ONCE) -> Iterator[MetadataStore]:
    """Open the store for a command that writes as a run does: hold both locks of the workspace, and first close the
    records of runs that were killed, which it says on standard error: standard output may be JSON.

    Raises:
        WorkspaceError: the folder or the store cannot be written.
        LockedError: a run is at work, for longer than this command waits.
    """
    with locked(place.root, wait), serving_locked(place.root, BRIEFLY if wait == AT_ONCE else wait):
        store = _tidied(place)
        _finish_rollback(place.record_name, place.serving_folder, store)
        yield store


@contextmanager
def noting(place: Place, wait: Wait = BRIEFLY) -> Iterator[MetadataStore]:
    """Open the store for a command that changes what serves, or what people say of it: it waits for no run. If none is
    at work, the records of runs that were killed are closed first.

    Raises:
        WorkspaceError: the folder or the store cannot be written.
        LockedError: another such command is at work, for longer than this one waits.
    """
    with serving_locked(place.root, wait):
        store = None
        with suppress(LockedError), locked(place.root):
            store = _tidied(place)
        store = store or open_store(place)
        _finish_rollback(place.record_name, place.serving_folder, store)
        yield store


def _tidied(place: Place) -> MetadataStore:
    sweep(place.root)
    store = open_store(place)
    moved = settle(place, store)
    for sentence in [*([moved.sentence()] if moved else []), *close_dead_runs(place.metadata, place.root, store)]:
        print(f"Note: {sentence}", file=sys.stderr)
    return store


def _finish_rollback(pipeline: str, serving_folder: Path, store: MetadataStore) -> None:
    if found := finish(store, pipeline, serving_folder):
        print(f"Note: {sentence_of(found)}", file=sys.stderr)


def close_dead_runs(metadata: Metadata, root: Path, store: MetadataStore) -> list[str]:
    """Mark runs that were killed as interrupted, with the steps that were at work, and remove what those had half
    written, as well as records that a full disk cut short. What was finished stays.

    To be called under the workspace's lock: who has it knows that no run is at work here, whatever the record says. The
    system frees the lock of a killed process an instant before it takes the process off its list.

    Returns:
        A sentence about each.
    """
    if metadata.url is None:
        remove_half_written(root / "metadata.db")
    said = []
    for context in store.get_contexts_by_type(RUN_CONTEXT):
        if text_of(context, "status") == "running" and _is_ours(metadata, root, context):
            said.append(_close(root, store, context, Process.from_json(text_of(context, "process"))))
    return said


def check_store_knows_outputs(root: Path, store: MetadataStore) -> None:
    """Refuse a run that would begin to count anew beside the outputs of another store.

    Raises:
        WorkspaceError: the store has seen nothing yet, and there are outputs.
    """
    folders = (folder for folder in root.glob("artifacts/*/*/*") if folder.parent.name != ".system")
    if next(folders, None) and not store.get_executions(list_options=ListOptions(limit=1)):
        raise not_of_this_store(root / "artifacts")


def not_of_this_store(folder: Path) -> WorkspaceError:
    """Make the error for outputs that this store has not seen being made."""
    return WorkspaceError(
        f"{folder} is not empty, and this metadata store knows nothing of it: another one does",
        "bring that store back, or move the folder `artifacts` away, or choose another --workspace",
    )


def _is_ours(metadata: Metadata, root: Path, context: Any) -> bool:
    """Return whether the store is the workspace's own, which holds nothing else; others may share a metadata server."""
    if metadata.url is None:
        return True
    number, _, folder = text_of(context, "workspace").partition(" ")
    return f"{number} {one_spelling(folder)}" == workspace_id(root)


def _close(root: Path, store: MetadataStore, context: Any, process: Process | None) -> str:
    nodes = {step.execution_id: step.node for step in read_steps(store, context.id)}
    executions = store.get_executions_by_context(context.id)
    seconds = seconds_on_record(context, executions)
    at_work, made = [], []
    for execution in executions:
        node = nodes[execution.id]
        if execution.last_known_state not in _CLOSED and take_up(root, store, execution):
            made.append(node)
        elif execution.last_known_state not in _CLOSED:
            at_work.append(node)
            remove_outputs(root, node, execution.id)
            execution.last_known_state = metadata_store_pb2.Execution.CANCELED
        for key in STEP_PROPERTIES:  # the process may have ended before it could write them
            execution.custom_properties[key].string_value = node if key == NODE else text_of(context, key)
    store.put_executions(executions)
    where = f" in {', '.join([*at_work, *made])}" if at_work or made else " between steps"
    ending = _left_ending(root, context.name)
    lost = f"its {process or 'process'} ended without a word{where}, or its workspace was copied while it ran"
    reason = ending.get("reason") or lost
    context.custom_properties["status"].string_value = ending.get("status") or "interrupted"
    context.custom_properties["reason"].string_value = reason
    context.custom_properties["seconds"].double_value = seconds
    store.put_contexts([context])
    for name, value in summary_properties(store, find_run(store, text_of(context, "pipeline"), context.name)).items():
        context.custom_properties[name].string_value = value
    store.put_contexts([context])
    removed = "; what that had half written is removed" if at_work else ""
    removed += f"; what {', '.join(made)} made is on record now" if made else ""
    story = f"ended{where} unrecorded" if ending else "never ended"
    return f"run {context.name} {story}: {reason}{removed}. Finished steps are kept"


def leave_ending(root: Path, run_id: str, ending: dict[str, str]) -> None:
    """Note how a run ended whose record could not be reached, beside its log; whoever closes the record reads it."""
    with suppress(OSError):
        _ending_file(root, run_id).write_text(json.dumps(ending))


def _left_ending(root: Path, run_id: str) -> dict[str, str]:
    file = _ending_file(root, run_id)
    try:
        found: dict[str, str] = json.loads(file.read_text())
        file.unlink()
    except (OSError, ValueError):
        return {}
    return found


def _ending_file(root: Path, run_id: str) -> Path:
    return root / "logs" / f"{run_id}.ending.json"


def remove_outputs(root: Path, node: str, execution_id: int) -> None:
    """Remove what an execution that did not succeed has written, and where it kept things while it worked."""
    forget(root, execution_id)
    folder = root / "artifacts" / node
    shutil.rmtree(folder / ".system", ignore_errors=True)
    for output in folder.glob(f"*/{execution_id}"):
        shutil.rmtree(output, ignore_errors=True)
