"""Judgements outside of runs in ML Metadata (`longhaul rejudge`): which model was scored on which rows, and how it did.

An execution `longhaul.Rejudge` reads the model and a `longhaul.Table`, and makes a `longhaul.Judgement`: a JSON file.
They belong to the pipeline and to no run, as predictions do, and pin nothing.
"""

from __future__ import annotations

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.predictions import Scoring, record_scoring

REJUDGE, JUDGEMENT = "longhaul.Rejudge", "longhaul.Judgement"
"""Types of the execution and of its output."""


def record_judgement(store: MetadataStore, pipeline: str, done: Scoring) -> int:
    """Record it in the pipeline's context; return the execution's id."""
    by, made = metadata_store_pb2.Execution(), metadata_store_pb2.Artifact()
    return record_scoring(store, pipeline, done, (REJUDGE, by), (JUDGEMENT, made))
