"""Pusher that a model server can watch: a version appears whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from tfx.components.pusher import component
from tfx.components.pusher import executor as pusher_executor
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from pipeline.served import versions


class Executor(pusher_executor.Executor):
    """Copies a blessed SavedModel to `<base_directory>/<version>` by way of a hidden sibling and a rename.

    The version is the time in whole seconds, and always greater than those already there, as TensorFlow
    Serving expects (https://www.tensorflow.org/tfx/serving/serving_config).
    """

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do. Without a blessing nothing is pushed, and the artifact says so."""
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination)
        base = Path(destination.filesystem.base_directory)
        version = push(Path(self.GetModelPath(input_dict)), base)
        self._MarkPushed(pushed, pushed_destination=str(base / version), pushed_version=version)
        # The artifact points to the served copy; a second one would double the space.
        Path(pushed.uri, "pushed.json").write_text(json.dumps({"path": str(base / version), "version": version}))


def push(model: Path, base: Path) -> str:
    """Copies the SavedModel folder `model` to a new version below `base`, atomically; returns the version."""
    base.mkdir(parents=True, exist_ok=True)
    for leftover in base.glob(".incoming-*"):  # of a push that was killed
        shutil.rmtree(leftover)
    version = str(max(int(time.time()), 1 + max(versions(base), default=0)))
    incoming = base / f".incoming-{version}"
    try:
        shutil.copytree(model, incoming)
        _flush_to_disk(incoming)
        incoming.rename(base / version)
    except BaseException:  # a full disk, Ctrl-C
        shutil.rmtree(incoming, ignore_errors=True)
        raise
    return version


def _flush_to_disk(folder: Path) -> None:
    """Else a power cut after the rename could leave a version with empty files."""
    for path in [folder, *folder.rglob("*")]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Pusher(component.Pusher):
    """Component: `pushed_model`, with the version that now serves."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
