"""Decisions of `longhaul loop` in ML Metadata: each is an execution `longhaul.Decision`, once, whatever was killed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.of_pipeline import artifacts_of, pipeline_context
from pipeline.lineage.records import NODE, event_of, text_of

DECISION = "longhaul.Decision"
"""Type of the execution."""


def record_decisions(store: MetadataStore, pipeline: str, entries: Iterable[Mapping[str, Any]], base: str) -> int:
    """Record the entries of a journal that are not on record yet; return how many.

    Args:
        entries: plain data of pipeline.continuous.journal.Entry; base: the folder of the versions.
    """
    kind = store.put_execution_type(metadata_store_pb2.ExecutionType(name=DECISION))
    known = {execution.name for execution in store.get_executions_by_type(DECISION)}
    named = {f"{pipeline} {one['time']} {one['number']}": one for one in entries}
    missing = {name: one for name, one in named.items() if name not in known}
    if not missing:
        return 0
    pushed = {text_of(one, "pushed_destination"): one for one in artifacts_of(store, pipeline, "PushedModel")}
    context = pipeline_context(store, pipeline)
    for name, entry in missing.items():
        execution = metadata_store_pb2.Execution(
            type_id=kind, name=name, last_known_state=metadata_store_pb2.Execution.COMPLETE
        )
        told = {"kind": entry["kind"], "attempt": entry["attempt"], "time": entry["time"], **entry["told"]}
        for key, value in told.items():
            execution.custom_properties[key].string_value = value if isinstance(value, str) else json.dumps(value)
        execution.custom_properties[NODE].string_value = "Loop"
        execution.custom_properties["run_id"].string_value = str(entry["told"].get("run_id", ""))
        model = pushed.get(f"{base}/{entry['told'].get('version')}")
        store.put_execution(execution, [(model, event_of(metadata_store_pb2.Event.INPUT, "model"))] if model else [],
                            [context])  # fmt: skip
    return len(missing)
