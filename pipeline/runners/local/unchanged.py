"""A run in which nothing differs from the last one: on record like any other, without importing TFX.

TFX would find every step in its cache, but only after the seconds that importing TensorFlow takes. The record is the
one that it would make: an execution per step, CACHED, with the inputs and outputs of the step that it repeats.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.config.pipeline import PipelineConfig
from pipeline.contract.run_inputs import RunInputs
from pipeline.lineage.details import BYTES, PEAK_MEMORY
from pipeline.lineage.process import Process
from pipeline.lineage.provenance import run_properties
from pipeline.lineage.records import NODE, REPEATS, RESOLVER, SECONDS, SERVED, Step, read_artifact, text_of, told
from pipeline.lineage.runs import RUN_CONTEXT, StepState, list_runs
from pipeline.lineage.schema_versions import guarding_version
from pipeline.runners.local.contents import is_damaged
from pipeline.runners.local.resume import FINGERPRINT, RESUMES, fingerprint
from pipeline.serving.versions import Serving, is_settled, serving_now

_OF_ONE_RUN = {"run_id", "process", "started", "status", RESUMES, REPEATS}
"""What differs between two runs of which a page tells the same."""


def same_as_last(store: MetadataStore, pipeline: str, now: str) -> Any:
    """Find the context of the last run, if it is complete and a run now would depend on the same; None otherwise.

    Args:
        now: the fingerprint of a run now.
    """
    runs = list_runs(store, pipeline)
    last = store.get_context_by_type_and_name(RUN_CONTEXT, runs[0].run_id) if runs else None
    if last is None or text_of(last, "status") != "complete":
        return None
    return last if now and now == text_of(last, FINGERPRINT) else None


def repeat(config: PipelineConfig, inputs: RunInputs, store: MetadataStore, run_id: str) -> list[Step] | None:
    """Record a run that repeats the last one.

    Returns:
        Its steps, look-ups left out; None, and nothing recorded, if anything has changed since the last run, or
        anything that it made is gone.
    """
    began, started = time.time(), datetime.now(UTC).isoformat(timespec="seconds")
    last = same_as_last(store, config.record_name, fingerprint(config, inputs))
    if last is None:
        return None
    executions = [  # without tries that failed
        execution
        for execution in sorted(store.get_executions_by_context(last.id), key=lambda execution: execution.id)
        if execution.last_known_state in (metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED)
    ]
    events: dict[int, list[Any]] = {execution.id: [] for execution in executions}
    for event in store.get_events_by_execution_ids(list(events)):
        events[event.execution_id].append(event)
    artifacts = {artifact.id: artifact for artifact in store.get_artifacts_by_context(last.id)}
    if not all(map(_is_there, artifacts.values())):
        return None
    served = serving_now(config.serving_folder)
    own_models = _models_of_trainer(executions, events, artifacts)
    if _digest_of(served) not in (_digest_recorded(last), *own_models):
        return None  # another model is the champion now

    context = metadata_store_pb2.Context(type_id=last.type_id, name=run_id, custom_properties=last.custom_properties)
    # The same configuration may lie elsewhere now, and the same schema may have been approved meanwhile.
    version = guarding_version(store, config.record_name, inputs.schema_text, run_id)
    own = run_properties(run_id, config, inputs.software) | version.run_properties
    own |= {SERVED: served.to_json() if served else ""}
    own |= {RESUMES: "", "process": Process.current().to_json(), "started": started, "status": "running"}
    is_told_the_same = all(text_of(last, key) == value for key, value in own.items() if key not in _OF_ONE_RUN)
    own[REPEATS] = (text_of(last, REPEATS) or str(last.name)) if is_told_the_same else ""
    for key, value in own.items():
        context.custom_properties[key].string_value = value
    context.custom_properties.pop("pinned", None)  # that was said of the last one
    (context.id,) = store.put_contexts([context])
    steps = []
    for execution in executions:
        copy = _copy(execution, run_id)
        contexts = [c for c in store.get_contexts_by_execution(execution.id) if c.type != RUN_CONTEXT]
        used = [
            (artifacts[event.artifact_id], metadata_store_pb2.Event(type=event.type, path=event.path))
            for event in events[execution.id]
        ]
        copy.id, _, _ = store.put_execution(copy, used, [*contexts, context])
        if execution.type != RESOLVER:
            node = copy.custom_properties[NODE].string_value
            put = [one for one, event in used if event.type == metadata_store_pb2.Event.OUTPUT]
            steps.append(told(Step(node, StepState.CACHED, 0.0, copy.id), map(read_artifact, put)))
    context.custom_properties["status"].string_value = "complete"
    context.custom_properties["seconds"].double_value = time.time() - began
    store.put_contexts([context])
    return steps


def _digest_of(served: Serving | None) -> str:
    return served.digest if served else ""


def _digest_recorded(run: Any) -> str:
    """Return the digest of what served when a run began; "" where nothing did, and of a run of an older Longhaul."""
    text = text_of(run, SERVED)
    return str(json.loads(text)["digest"]) if text else ""


def _models_of_trainer(executions: list[Any], events: dict[int, list[Any]], artifacts: dict[int, Any]) -> list[str]:
    """Digests of what a run trained, or took from the cache."""
    made = [
        artifacts[event.artifact_id]
        for execution in executions
        if text_of(execution, NODE) == "Trainer"
        for event in events[execution.id]
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    return [text_of(artifact, "model_digest") for artifact in made if artifact.type == "Model"]


def _is_there(artifact: Any) -> bool:
    """Whether what a step made can be used still, with all its files; of a pushed model, whether it is the one that is
    served, or was rolled back."""
    if artifact.state != metadata_store_pb2.Artifact.LIVE or not Path(artifact.uri).exists() or is_damaged(artifact):
        return False
    pushed = text_of(artifact, "pushed_destination")
    return not pushed or is_settled(Path(pushed), text_of(artifact, "model_digest"), text_of(artifact, "decides_from"))


def _copy(execution: Any, run_id: str) -> Any:
    copy = metadata_store_pb2.Execution(
        type_id=execution.type_id,
        last_known_state=metadata_store_pb2.Execution.CACHED,
        properties=execution.properties,
        custom_properties=execution.custom_properties,
    )
    copy.custom_properties["run_id"].string_value = run_id
    copy.custom_properties[SECONDS].double_value = 0.0
    for name in (PEAK_MEMORY, BYTES):  # that was measured of the work
        copy.custom_properties.pop(name, None)
    return copy
