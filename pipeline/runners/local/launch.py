"""Launches one step through TFX's own launcher, and again where that may help."""

from __future__ import annotations

import copy
import ctypes
import gc
import logging
import time
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from tfx.orchestration import data_types_utils
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import inputs_utils, launcher, merge_utils, outputs_utils
from tfx.proto.orchestration import pipeline_pb2

from pipeline.config.run import RunSettings
from pipeline.errors import StoreAwayError, UnavailableError, causes
from pipeline.files import flush_to_disk
from pipeline.lineage.records import RESOLVER, Step
from pipeline.lineage.runs import StepState
from pipeline.lineage.server_store import Patience, tells_of_absence
from pipeline.lineage.store import without_sql
from pipeline.patches.install import LAUNCHER, install_patches
from pipeline.runners.local.contents import CONTENTS, contents
from pipeline.runners.local.made import KeptError, forget, note
from pipeline.runners.local.record import Handle, RunRecord
from pipeline.runners.local.recovery import not_of_this_store
from pipeline.runners.local.retry import is_transient, waits

_LIBC = ctypes.CDLL(None)
_WORTH_COLLECTING_S = 5.0
"""Python's collector takes a third of a second among all that TensorFlow holds."""
_TRY_CONTEXT = "longhaul.try"


class Watcher(Protocol):
    """Whoever wants to know what the run is doing. Steps may be at work at the same time."""

    def planned(self, nodes: list[str]) -> None:
        """Learn which steps will be launched, in order."""

    def started(self, node: str) -> None:
        """Learn that a step begins."""

    def finished(self, step: Step) -> None:
        """Learn that a step ended, one way or another."""

    def retrying(self, node: str, reason: str, wait_s: float) -> None:
        """Learn that a step that failed will begin once more."""


class StepLauncher:
    """Launches the steps of one run."""

    def __init__(self, settings: RunSettings, ir: Any, record: RunRecord, watcher: Watcher, patience: Patience) -> None:
        install_patches(LAUNCHER)
        if not gc.get_freeze_count():
            gc.freeze()  # what is imported by now stays: collections of garbage need not go through it
        pa.set_memory_pool(pa.system_memory_pool())  # TensorFlow takes from it, too: what one leaves the other uses
        self._settings, self._patience = settings, patience
        self._ir = ir
        self._deployment = runner_utils.extract_local_deployment_config(ir)
        self._record = record
        self._watcher = watcher

    def launch(self, node: Any) -> None:
        """Launch a step if its conditions hold. Failures that may pass by themselves get it further tries.

        Raises:
            UnavailableError: such a failure did not pass.
            Exception: what else the step met.
        """
        name, tries = node.node_info.id, 0
        pauses = waits(self._settings)
        while True:
            try:
                with Handle(self._record.place, self._patience) as handle:
                    may_run = _may_run(node, handle)
                if may_run:
                    self._try(_unconditional(node))
                return
            except Exception as exc:
                tries += 1
                if isinstance(exc, KeptError) or not is_transient(exc):
                    raise
                reason = " ".join(f"{type(exc).__name__}: {exc}".split())[:300]
                pause = next(pauses, None)
                if pause is None:
                    raise UnavailableError(
                        f"{name} failed {tries} times: {reason}",
                        "see that network, servers and disks work; `longhaul resume` then goes on from this step",
                    ) from exc
                logging.getLogger(__name__).exception("%s failed; it may pass", name)
                self._watcher.retrying(name, reason, pause)
                time.sleep(pause)
                node = _another_try(node, self._ir, tries + 1)

    def _try(self, node: Any) -> None:
        name = node.node_info.id
        visible = node.node_info.type.name != RESOLVER  # a look-up; the verdict tells what it found
        if visible:
            self._watcher.started(name)
        began = time.monotonic()
        outcome = StepState.FAILED
        step = None
        try:
            _Launcher(
                pipeline_node=node,
                mlmd_connection=Handle(self._record.place, self._patience),
                pipeline_info=self._ir.pipeline_info,
                pipeline_runtime_spec=self._ir.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(self._deployment, name),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(self._deployment, name),
            ).launch()
            outcome = StepState.SKIPPED
        except BaseException as exc:
            # Beam makes an ordinary error of a Ctrl-C that it meets in a worker.
            if any(isinstance(cause, KeyboardInterrupt) for cause in causes(exc)):
                outcome = StepState.INTERRUPTED
                raise KeyboardInterrupt from exc
            raise
        finally:
            seconds = time.monotonic() - began
            step = Step(name, outcome, seconds, None)
            try:
                step = self._record.step(name, seconds, outcome)
            except StoreAwayError:
                if outcome is StepState.SKIPPED:  # else what ended the step says more
                    raise
            finally:
                if visible:
                    self._watcher.finished(step)
            _give_memory_back(seconds)
        if step.state is StepState.FAILED:  # the launcher swallows errors of input resolution
            raise RuntimeError(f"{name} failed before it began; the log says why")


class _Launcher(launcher.Launcher):
    """What is on record as done survives a power cut, and nothing else is mixed into it."""

    def _run_executor(self, execution_info: Any) -> Any:
        # The folders are named by the number of the execution, which another store has given out too.
        for artifact in (artifact for artifacts in execution_info.output_dict.values() for artifact in artifacts):
            if Path(artifact.uri).is_dir() and any(Path(artifact.uri).iterdir()):
                raise not_of_this_store(Path(artifact.uri))
        return super()._run_executor(execution_info)

    def _publish_successful_execution(
        self, execution_id: int, contexts: Any, output_dict: Any, executor_output: Any
    ) -> None:
        for key, artifacts in output_dict.items():
            made = executor_output.output_artifacts[key].artifacts if key in executor_output.output_artifacts else ()
            for number, artifact in enumerate(artifacts):
                flush_to_disk(Path(artifact.uri))
                held = contents(Path(artifact.uri))
                artifact.set_string_custom_property(CONTENTS, held)
                if number < len(made):  # what the executor says of an artifact wins
                    made[number].custom_properties[CONTENTS].string_value = held
        place = self._mlmd_connection.place
        if place.metadata.url is not None:
            note(
                place.root,
                execution_id,
                contexts,
                _merged(output_dict, executor_output),
                executor_output.execution_properties,
            )
        try:
            super()._publish_successful_execution(execution_id, contexts, output_dict, executor_output)
        except Exception as exc:
            if tells_of_absence(exc):
                raise _kept(self._pipeline_node.node_info.id, exc) from exc
            raise
        forget(place.root, execution_id)


def _merged(output_dict: Any, executor_output: Any) -> Any:
    """Return what a step puts on record: what the executor says of an artifact wins."""
    made = data_types_utils.unpack_executor_output_artifacts(executor_output.output_artifacts)
    merged = merge_utils.merge_updated_output_artifacts(copy.deepcopy(output_dict), made)
    outputs_utils.tag_output_artifacts_with_version(merged)
    return merged


def _kept(name: str, exc: Exception) -> KeptError:
    reason = " ".join(without_sql(getattr(exc, "what", str(exc))).split())
    return KeptError(
        f"the metadata server stayed away when {name} was done: {reason}. What {name} made is kept",
        "`longhaul run` puts it on record once the server is there, and goes on from it; metadata.wait says how long a "
        "run waits for the server",
    )


def _may_run(node: Any, handle: Any) -> bool:
    """Return whether the conditions hold under which the definition puts the step; the data gate's blessing is one."""
    if not node.inputs.conditionals:
        return True
    asked = pipeline_pb2.PipelineNode()
    asked.CopyFrom(node)
    asked.inputs.input_graphs.clear()
    for key in node.inputs.inputs.keys() - _of_conditions(node):
        del asked.inputs.inputs[key]
    found = inputs_utils.resolve_input_artifacts(pipeline_node=asked, metadata_handle=handle)
    return not isinstance(found, inputs_utils.Skip)


def _unconditional(node: Any) -> Any:
    """Return the step for TFX's launcher, which takes what a condition asks for as one more input: whatever made a new
    verdict, a changed policy for one, would train again on unchanged data. On Vertex AI a condition is no input."""
    bare = pipeline_pb2.PipelineNode()
    bare.CopyFrom(node)
    bare.inputs.conditionals.clear()
    for key in _of_conditions(node):
        del bare.inputs.inputs[key]
    return bare


def _of_conditions(node: Any) -> set[str]:
    """Return the inputs that a step has because of a condition only, as TFX's compiler names them."""
    inputs = node.inputs.inputs.items() if node.inputs.conditionals else ()
    return {key for key, spec in inputs if key.startswith("_") and not spec.hidden}


def _another_try(node: Any, ir: Any, number: int) -> Any:
    """Return the step with one more context. TFX would write a further try over the execution that failed, which it
    finds by the step's contexts; steps that read its outputs look for fewer contexts, and see only tries that
    succeeded."""
    again = pipeline_pb2.PipelineNode()
    again.CopyFrom(node)
    context = next((c for c in again.contexts.contexts if c.type.name == _TRY_CONTEXT), None)
    context = context or again.contexts.contexts.add()
    context.type.name = _TRY_CONTEXT
    run_id = ir.runtime_spec.pipeline_run_id.field_value.string_value
    context.name.field_value.string_value = f"{run_id}.{node.node_info.id}.{number}"
    return again


def _give_memory_back(seconds: float) -> None:
    """Give what a step no longer needs back to the system: else a run's peak is the sum of what its steps leave."""
    if seconds > _WORTH_COLLECTING_S:
        gc.collect()
    pa.default_memory_pool().release_unused()
    if hasattr(_LIBC, "malloc_trim"):  # glibc's
        _LIBC.malloc_trim(0)
