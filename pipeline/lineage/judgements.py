"""Judgements outside of runs in ML Metadata (`longhaul rejudge`): which model was scored on which rows, and how it did.

An execution `longhaul.Rejudge` reads the model and a `longhaul.Table`, and makes a `longhaul.Judgement`: a JSON file.
They belong to the pipeline and to no run, as predictions do, and pin nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.artifact_names import MODEL_DIGEST
from pipeline.lineage.predictions import (
    COMMAND,
    DIGEST,
    MODEL_FOLDER,
    artifact_type,
    file_digest,
    models_on_record,
    pipeline_context,
    table_on_record,
)
from pipeline.lineage.records import NODE, event_of

REJUDGE, JUDGEMENT = "longhaul.Rejudge", "longhaul.Judgement"
"""Types of the execution and of its output."""
_INPUT, _OUTPUT = metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.OUTPUT


@dataclass(frozen=True)
class Judgement:
    """What was done.

    Attributes:
        model: folder of the SavedModel; `version` is its name, `model_digest` that of its files.
        files: path, size and time of change of each file of the table; `table_digest` is over their contents.
        report: the JSON file with all figures.
        told: rows, metrics and the like, as text.
    """

    model: Path
    version: str
    model_digest: str
    files: Sequence[tuple[str, int, int]]
    table_digest: str
    report: Path
    command: str
    told: Mapping[str, str]


def record_judgement(store: MetadataStore, pipeline: str, done: Judgement) -> int:
    """Record it in the pipeline's context; return the execution's id."""
    execution = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(metadata_store_pb2.ExecutionType(name=REJUDGE)),
        last_known_state=metadata_store_pb2.Execution.COMPLETE,
    )
    texts = {
        **done.told,
        NODE: "Rejudge",
        "run_id": "",
        COMMAND: done.command,
        MODEL_FOLDER: str(done.model),
        "version": done.version,
        MODEL_DIGEST: done.model_digest,
    }
    for name, text in texts.items():
        execution.custom_properties[name].string_value = text
    made = metadata_store_pb2.Artifact(
        type_id=artifact_type(store, JUDGEMENT), uri=str(done.report), state=metadata_store_pb2.Artifact.LIVE
    )
    made.custom_properties[DIGEST].string_value = file_digest(done.report)
    models = models_on_record(store, pipeline, done.model, done.model_digest)[:1]
    table = table_on_record(store, done.files, done.table_digest)
    events = [
        *((model, event_of(_INPUT, "model")) for model in models),
        (table, event_of(_INPUT, "table")),
        (made, event_of(_OUTPUT, "judgement")),
    ]
    execution_id, _, _ = store.put_execution(execution, events, [pipeline_context(store, pipeline)])
    return int(execution_id)
