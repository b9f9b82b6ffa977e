"""What searches for hyperparameters left on record. No TensorFlow here."""

from __future__ import annotations

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.config.place import Place
from pipeline.errors import ConfigError
from trainer.settings.tuner import TunerSettings


def check_tuned(place: Place, tuner: TunerSettings, store: MetadataStore) -> None:
    """Refuse a configuration that asks for reuse where there is nothing.

    Raises:
        ConfigError: `tuner.mode` is reuse, and no search of this pipeline has ended.
    """
    if tuner.mode != "reuse":
        return
    pipeline = store.get_context_by_type_and_name("pipeline", place.record_name)
    found = store.get_artifacts_by_context(pipeline.id) if pipeline else []
    if not any(
        artifact.type == "HyperParameters" and artifact.state == metadata_store_pb2.Artifact.LIVE for artifact in found
    ):
        raise ConfigError(
            f"tuner.mode: 'reuse', but no tuning of pipeline {place.name!r} is on record in {place.root}",
            "run once with `tuner: {mode: search}`",
        )
