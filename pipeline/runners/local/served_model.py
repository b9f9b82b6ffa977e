"""Puts the model that serves on record where ML Metadata does not know it, so that it can be the champion.

It lies in the serving folder of a workspace that was moved, imported or given another store, or `longhaul gc` removed
the artifact that it was pushed from. The copy that serves is the model: it is copied once more, to where artifacts lie.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.portable.mlmd import common_utils, context_lib
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from pipeline.components.champion import digest_of
from pipeline.components.evaluator import RUN_ID
from pipeline.config.evaluation import CHAMPION
from pipeline.config.model_settings import ModelSettings
from pipeline.evaluation.model_contract import Contract
from pipeline.evaluation.reference_models import folders_of, reference_digests
from pipeline.files import flush_to_disk, incoming
from pipeline.lineage.artifact_names import CONTRACT, MODEL_DIGEST
from pipeline.lineage.records import NODE, event_of
from pipeline.patches.resolution import live_artifacts
from pipeline.serving.versions import Manifest, damage, read_manifest, serving_version

TAKEN_IN_TYPE = "longhaul.ServedModel"
"""Type of the execution whose output is the copy."""
_NODE = "ServedModel"


def take_in_served(handle: Any, settings: ModelSettings) -> None:
    """Record the model that serves, and those that `evaluation.against` names, as Model artifacts, unless there is one
    with its files. The caller holds the lock.

    One that Longhaul did not push, or whose files are not those of its manifest, is left alone: nobody knows what it
    is.
    """
    base = settings.serving_folder
    served = serving_version(base)
    if served is None:
        return
    folders = [base / served]
    if settings.evaluation.against != CHAMPION:
        last = settings.evaluation.last
        one_more = None if last is None else last + 1  # the challenger may be among them, and does not count
        folders += folders_of(base, reference_digests(handle.store, base, settings.evaluation.against, one_more, ""))
    known = live_artifacts(handle.store, settings.record_name, standard_artifacts.Model.TYPE_NAME)
    known = [model for model in known if Path(model.uri).exists()]
    for folder in dict.fromkeys(folders):
        if manifest := read_manifest(folder):
            same = [model for model in known if digest_of(model) == manifest.digest]
            _describe(handle, same, manifest)
            if not same and not damage(folder):
                _record(handle, settings.record_name, manifest, _copy(folder, manifest, settings.root))


def _describe(handle: Any, models: list[Any], manifest: Manifest) -> None:
    """Tell what a model of an older Longhaul, which did not say so, takes and predicts."""
    for model in models:
        if not model.get_string_custom_property(CONTRACT):
            model.set_string_custom_property(CONTRACT, _contract(manifest).to_json())
            handle.store.put_artifacts([model.mlmd_artifact])


def _contract(manifest: Manifest) -> Contract:
    return Contract(manifest.task, manifest.label, manifest.classes, manifest.inputs)


def _copy(folder: Path, manifest: Manifest, root: Path) -> Path:
    """Return the folder of the new artifact; it appears whole or not at all."""
    target = root / "artifacts" / _NODE / "model" / folder.name
    with incoming(target) as hidden:
        shutil.rmtree(target, ignore_errors=True)  # of a run that was killed
        for name in manifest.files:
            copy = Path(path_utils.serving_model_dir(str(hidden)), name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, copy)
        flush_to_disk(hidden)
    return target


def _record(handle: Any, pipeline_name: str, manifest: Manifest, folder: Path) -> None:
    model = standard_artifacts.Model()
    model.uri = str(folder)
    model.set_string_custom_property(MODEL_DIGEST, manifest.digest)
    model.set_string_custom_property(CONTRACT, _contract(manifest).to_json())
    model.set_string_custom_property(RUN_ID, manifest.run_id)
    artifact = model.mlmd_artifact
    artifact.type_id = common_utils.register_type_if_not_exist(handle, model.artifact_type).id
    artifact.state = metadata_store_pb2.Artifact.LIVE
    kind = metadata_store_pb2.ExecutionType(name=TAKEN_IN_TYPE)
    execution = metadata_store_pb2.Execution(
        type_id=handle.store.put_execution_type(kind), last_known_state=metadata_store_pb2.Execution.COMPLETE
    )
    told = {NODE: _NODE, "version": str(manifest.version), "pushed_by_run": manifest.run_id}
    for key, value in told.items():
        execution.custom_properties[key].string_value = value
    event = event_of(metadata_store_pb2.Event.OUTPUT, "model")
    pipeline = context_lib.register_context_if_not_exists(handle, "pipeline", pipeline_name)
    handle.store.put_execution(execution, [(artifact, event)], [pipeline])
