"""Predictions in ML Metadata: which model scored which table, into which file, and what was met.

An execution `longhaul.Predict` reads the model (its PushedModel, or its Model) and a `longhaul.Table`, and makes
`longhaul.Predictions`. They belong to the pipeline and to no run. A prediction pins nothing: `longhaul gc` may remove
a model that only predictions came of; its digest stays on record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.files import is_local, is_same_file, one_spelling
from pipeline.lineage.artifact_names import MODEL_DIGEST
from pipeline.lineage.of_pipeline import artifacts_of, pipeline_context
from pipeline.lineage.records import NODE, SECONDS, event_of, text_of
from pipeline.lineage.source_files import FILES, to_property
from trainer.digests import file_digest

PREDICT = "longhaul.Predict"
TABLE = "longhaul.Table"
PREDICTIONS = "longhaul.Predictions"
"""Types of the execution, of its input beside the model, and of its output."""
COMMAND, MODEL_FOLDER, DIGEST, BYTES = "command", "model_folder", "digest", "bytes"
"""Custom properties: the words that make the output again; where the model lay; SHA-256 and size of a file."""
_INPUT, _OUTPUT = metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.OUTPUT


@dataclass(frozen=True)
class Scoring:
    """What a command outside of runs did with a model and a table.

    Attributes:
        model: folder of the SavedModel; `version` is its name, `model_digest` that of its files.
        files: path, size and time of change of each file of the table; `table_digest` is over their contents, "" where
            they cannot be read again.
        output: the file that came of it.
        told: counts and the like, as text.
    """

    model: Path
    version: str
    model_digest: str
    files: Sequence[tuple[str, int, int]]
    table_digest: str
    output: Path
    command: str
    told: Mapping[str, str]


@dataclass(frozen=True)
class Prediction(Scoring):
    """What was predicted.

    Attributes:
        made_with: code, packages, configuration and schema (pipeline.lineage.provenance).
    """

    seconds: float
    made_with: Mapping[str, str]


def record_prediction(store: MetadataStore, pipeline: str, done: Prediction) -> int:
    """Record it in the pipeline's context; return the execution's id."""
    execution = metadata_store_pb2.Execution()
    for name, text in done.made_with.items():
        execution.custom_properties[name].string_value = text
    execution.custom_properties[SECONDS].double_value = done.seconds
    output = metadata_store_pb2.Artifact()
    output.custom_properties[BYTES].int_value = done.output.stat().st_size
    return record_scoring(store, pipeline, done, (PREDICT, execution), (PREDICTIONS, output))


def record_scoring(
    store: MetadataStore, pipeline: str, done: Scoring, by: tuple[str, Any], made: tuple[str, Any]
) -> int:
    """Record what came of a model and a table in the pipeline's context; return the execution's id.

    Args:
        by: type and record of the execution; made: type and record of its output. They hold what only they have.
    """
    (kind, execution), (output_kind, output) = by, made
    execution.type_id = store.put_execution_type(metadata_store_pb2.ExecutionType(name=kind))
    execution.last_known_state = metadata_store_pb2.Execution.COMPLETE
    texts = {
        **done.told,
        NODE: kind.removeprefix("longhaul."),
        "run_id": "",
        COMMAND: done.command,
        MODEL_FOLDER: str(done.model),
        "version": done.version,
        MODEL_DIGEST: done.model_digest,
    }
    for name, text in texts.items():
        execution.custom_properties[name].string_value = text
    output.type_id, output.uri = _artifact_type(store, output_kind), str(done.output)
    output.state = metadata_store_pb2.Artifact.LIVE
    output.custom_properties[DIGEST].string_value = file_digest(done.output)
    events = [
        *((model, event_of(_INPUT, "model")) for model in _models_on_record(store, pipeline, done)[:1]),
        (_table_on_record(store, done), event_of(_INPUT, "table")),
        (output, event_of(_OUTPUT, output_kind.removeprefix("longhaul.").lower())),
    ]
    execution_id, _, _ = store.put_execution(execution, events, [pipeline_context(store, pipeline)])
    return int(execution_id)


def table_digest(paths: Sequence[str]) -> str:
    """Return SHA-256 over the contents of a table's files, in order; "" of what is not on a disk."""
    if not all(map(is_local, paths)):
        return ""
    digests = [file_digest(Path(path)) for path in paths]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def predictions_like(store: MetadataStore, file: Path) -> list[Any]:
    """Return what was once written with the content of this file, the newest first: it may have been moved."""
    size = file.stat().st_size
    alike = [one for one in store.get_artifacts_by_type(PREDICTIONS) if one.custom_properties[BYTES].int_value == size]
    digest = file_digest(file) if alike else ""
    return sorted((one for one in alike if text_of(one, DIGEST) == digest), key=lambda one: -one.id)


def _models_on_record(store: MetadataStore, pipeline: str, done: Scoring) -> list[Any]:
    """Return the model as it is on record, first where it lies there, then where it is equal."""
    pushed = _of_type(store, pipeline, "PushedModel")
    there = [one for one in pushed if is_same_file(text_of(one, "pushed_destination"), done.model)]
    trained = [one for one in _of_type(store, pipeline, "Model") if is_local(one.uri)]
    here = [one for one in trained if one_spelling(done.model).is_relative_to(one_spelling(one.uri))]
    equal = [one for one in (*pushed, *trained) if text_of(one, MODEL_DIGEST) == done.model_digest]
    return [*there, *here, *equal]


def _of_type(store: MetadataStore, pipeline: str, kind: str) -> list[Any]:
    """Return the pipeline's own, or, where it has none, all: those that were imported belong to no pipeline."""
    return artifacts_of(store, pipeline, kind) or list(store.get_artifacts_by_type(kind))


def _table_on_record(store: MetadataStore, done: Scoring) -> Any:
    """Return the table as it is on record, if the same files with the same content are."""
    files = to_property([(str(one_spelling(path)) if is_local(path) else path, *state) for path, *state in done.files])  # type: ignore[misc]
    digest = done.table_digest or hashlib.sha256(files.encode()).hexdigest()
    for known in store.get_artifacts_by_uri(f"sha256://{digest}"):
        if text_of(known, FILES) == files:
            return known
    table = metadata_store_pb2.Artifact(
        type_id=_artifact_type(store, TABLE), uri=f"sha256://{digest}", state=metadata_store_pb2.Artifact.LIVE
    )
    table.custom_properties[FILES].string_value = files
    table.custom_properties[DIGEST].string_value = done.table_digest
    return table


def _artifact_type(store: MetadataStore, name: str) -> int:
    """Return the id of a type of artifacts, which is made if it is not there."""
    return int(store.put_artifact_type(metadata_store_pb2.ArtifactType(name=name)))
