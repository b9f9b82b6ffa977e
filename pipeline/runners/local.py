"""Runs the pipeline in this process, step by step, through TFX's own launcher.

TFX's LocalDagRunner does the same but says nothing while it works, records nothing of the run as a whole,
and leaves an interrupted execution 'running' for ever.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import inputs_utils, launcher, partial_run_utils, runtime_parameter_utils
from tfx.orchestration.portable.mlmd import context_lib
from tfx.proto.orchestration import pipeline_pb2

from pipeline.config import PipelineConfig
from pipeline.data.schema_types import read_schema_text
from pipeline.definition import create_pipeline
from pipeline.errors import ConfigError, PipelineError, WorkspaceError
from pipeline.guard.findings import Verdict
from pipeline.lineage.runs import (
    NODE,
    RUN_CONTEXT,
    SECONDS,
    STEP_PROPERTIES,
    Step,
    StepState,
    find_run,
    list_runs,
    read_steps,
)
from pipeline.lineage.schema_versions import guarding_version
from pipeline.lineage.store import connection_config, open_store
from pipeline.provenance import run_properties
from pipeline.runners.unchanged import FINGERPRINT, RESOLVER, fingerprint
from pipeline.runners.workspace import causes, translated_errors
from pipeline.served import is_newest

_LIBC = ctypes.CDLL(None)
_WORTH_COLLECTING_S = 5.0
"""Python's collector takes a third of a second among all that TensorFlow holds."""


class Watcher(Protocol):
    """Whoever wants to know what the run is doing."""

    def planned(self, nodes: list[str]) -> None:
        """The steps that will be launched, in order."""

    def started(self, node: str) -> None:
        """A step begins."""

    def finished(self, step: Step) -> None:
        """A step ended, one way or another."""


@dataclass(frozen=True)
class RunOptions:
    """Which part of the pipeline runs.

    Attributes:
        from_node, to_node: first and last step; what comes before is taken from the latest run.
        use_cache: reuse the outputs of steps whose inputs, parameters and code are unchanged.
    """

    from_node: str | None = None
    to_node: str | None = None
    use_cache: bool = True


def run(config: PipelineConfig, run_id: str, options: RunOptions, watcher: Watcher) -> None:
    """Launches every step in order and records the run. The caller holds the workspace's lock.

    Raises:
        PipelineError: the user's mistake, wherever it was met.
        Exception: a bug; the failed execution is on record.
    """
    ir = _compile(config, run_id, options)
    nodes = [node.pipeline_node for node in ir.nodes if not node.pipeline_node.execution_options.HasField("skip")]
    watcher.planned([node.node_info.id for node in nodes if node.node_info.type.name != RESOLVER])
    deployment = runner_utils.extract_local_deployment_config(ir)
    properties = run_properties(run_id, config)
    if not (options.from_node or options.to_node):
        properties[FINGERPRINT] = fingerprint(config)
    with _Metadata(config) as handle:
        properties |= _schema_properties(ir, handle.store, config, run_id)
        record = _RunRecord(config, handle, run_id, properties)
        with record.outcome(), translated_errors(config.root):
            _forget_lost_pushes(handle.store, config.root / "serving" / config.name)
            for node in nodes:
                if node.execution_options.run.perform_snapshot:
                    _take_earlier_steps(handle, ir, options)
                if not _may_run(node, handle):
                    continue
                _launch(ir, _unconditional(node), deployment, _Metadata(config), record, watcher)


def _compile(config: PipelineConfig, run_id: str, options: RunOptions) -> Any:
    ir = compiler.Compiler().compile(create_pipeline(config, enable_cache=options.use_cache))
    runtime_parameter_utils.substitute_runtime_parameter(ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    if options.from_node or options.to_node:
        known = [node.pipeline_node.node_info.id for node in ir.nodes]
        for node in (options.from_node, options.to_node):
            if node and node not in known:
                raise ConfigError(f"there is no step {node!r}", f"the steps are {', '.join(known)}")
        partial_run_utils.mark_pipeline(
            ir,
            from_nodes=[options.from_node] if options.from_node else None,
            to_nodes=[options.to_node] if options.to_node else None,
        )
        if all(node.pipeline_node.execution_options.HasField("skip") for node in ir.nodes):
            raise ConfigError(
                f"there is nothing to do from {options.from_node} to {options.to_node}",
                f"name them in the order in which they run: {', '.join(known)}",
            )
    return ir


def _may_run(node: Any, handle: Any) -> bool:
    """Whether the conditions hold under which the definition puts the step; the data gate's blessing is one."""
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
    """The step for TFX's launcher, which takes what a condition asks for as one more input: whatever made a new
    verdict, a changed policy for one, would train again on unchanged data. On Vertex AI a condition is no input."""
    bare = pipeline_pb2.PipelineNode()
    bare.CopyFrom(node)
    bare.inputs.conditionals.clear()
    for key in _of_conditions(node):
        del bare.inputs.inputs[key]
    return bare


def _of_conditions(node: Any) -> set[str]:
    """The inputs that a step has because of a condition only, as TFX's compiler names them."""
    inputs = node.inputs.inputs.items() if node.inputs.conditionals else ()
    return {key for key, spec in inputs if key.startswith("_") and not spec.hidden}


def _schema_properties(ir: Any, store: Any, config: PipelineConfig, run_id: str) -> dict[str, str]:
    """Which version of the schema guards the run: that of the file, or that of the run which a partial run goes on."""
    for node in ir.nodes:
        mode = node.pipeline_node.execution_options.skip.reuse_artifacts_mode
        is_reused = mode == pipeline_pb2.NodeExecutionOptions.Skip.REQUIRED
        if node.pipeline_node.node_info.id == "CuratedSchema" and is_reused:
            earlier = list_runs(store, config.name)
            properties = earlier[0].properties if earlier else {}
            return {key: value for key, value in properties.items() if key.startswith("schema_")}
    version = guarding_version(store, config.name, read_schema_text(config.schema_file), run_id)
    return {"schema_digest": version.digest, "schema_version": str(version.number), "schema_review": version.review}


def _take_earlier_steps(handle: Any, ir: Any, options: RunOptions) -> None:
    try:
        partial_run_utils.snapshot(handle, ir)
    except LookupError as exc:
        raise ConfigError(
            f"--from {options.from_node}: the latest run did not get through the steps before it ({exc})",
            "run without --from; what is unchanged is taken from the cache",
        ) from exc


def _forget_lost_pushes(store: Any, base: Path) -> None:
    """TFX's cache knows only that a model was pushed once. One that is not the newest version any more below
    `base`, or was removed by hand, is not served; no longer live, its record makes Pusher push again."""
    for artifact in store.get_artifacts_by_type("PushedModel"):
        where = Path(artifact.custom_properties["pushed_destination"].string_value)
        is_ours = where.parent == base  # others may share a metadata server
        if is_ours and artifact.state == metadata_store_pb2.Artifact.LIVE and not is_newest(where):
            artifact.state = metadata_store_pb2.Artifact.ABANDONED
            store.put_artifacts([artifact])


def _launch(
    ir: Any, node: Any, deployment: Any, connection: metadata.Metadata, record: _RunRecord, watcher: Watcher
) -> None:
    name = node.node_info.id
    visible = node.node_info.type.name != RESOLVER  # a look-up; the verdict tells what it found
    if visible:
        watcher.started(name)
    began = time.monotonic()
    outcome = StepState.FAILED
    try:
        launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=connection,
            pipeline_info=ir.pipeline_info,
            pipeline_runtime_spec=ir.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, name),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
        ).launch()
        outcome = StepState.SKIPPED
    except BaseException as exc:
        # Beam makes an ordinary error of a Ctrl-C that it meets in a worker.
        if any(isinstance(cause, KeyboardInterrupt) for cause in causes(exc)):
            outcome = StepState.INTERRUPTED
            raise KeyboardInterrupt from exc
        raise
    finally:
        step = record.step(name, time.monotonic() - began, outcome)
        _give_memory_back(step.seconds)
        if visible:
            watcher.finished(step)
    if step.state is StepState.FAILED:  # the launcher swallows errors of input resolution
        raise RuntimeError(f"{name} failed before it began; the log says why")


def _give_memory_back(seconds: float) -> None:
    """What a step no longer needs goes back to the system: else a run's peak is the sum of what its steps leave."""
    if seconds > _WORTH_COLLECTING_S:
        gc.collect()
    pa.default_memory_pool().release_unused()
    if hasattr(_LIBC, "malloc_trim"):  # glibc's
        _LIBC.malloc_trim(0)


class _Metadata(metadata.Metadata):
    """TFX's handle on our store, opened as everywhere else: stock TFX would know neither a way round ML Metadata's
    fault on PostgreSQL nor our errors."""

    def __init__(self, config: PipelineConfig) -> None:
        super().__init__(connection_config(config))
        self._config = config

    def __enter__(self) -> _Metadata:
        self._store = open_store(self._config)
        self._users += 1
        return self


class _RunRecord:
    """What ML Metadata knows of the run as a whole: custom properties of its pipeline_run context."""

    def __init__(self, config: PipelineConfig, handle: Any, run_id: str, properties: dict[str, str]) -> None:
        self._config = config
        self._store = handle.store
        self._properties = properties
        self._context = context_lib.register_context_if_not_exists(handle, RUN_CONTEXT, run_id)
        self._began = time.time()
        self._seen: set[int] = set()
        self._write(**properties, status="running", started=datetime.now(UTC).isoformat(timespec="seconds"))

    @contextmanager
    def outcome(self) -> Iterator[None]:
        """Writes how the run ended, also when it was interrupted."""
        try:
            yield
        except BaseException as exc:
            stopped = isinstance(exc, KeyboardInterrupt)
            reason = str(exc) if isinstance(exc, PipelineError) else f"{type(exc).__name__}: {exc}"
            try:
                # A store that failed once may refuse whatever follows ("Transaction already open").
                self._store = open_store(self._config)
                self._write(
                    status="interrupted" if stopped else "failed",
                    reason="interrupted from the keyboard" if stopped else reason[:2000],
                    seconds=time.time() - self._began,
                )
            except (WorkspaceError, mlmd_errors.StatusError):  # what ended the run matters more
                logging.getLogger(__name__).exception("the end of the run could not be recorded")
            raise
        run = find_run(self._store, self._config.name, self._context.name)
        ended = {"status": "complete"}
        if run.blocked:
            verdict = Verdict.from_json(run.data_verdict) if run.data_verdict else Verdict()
            reasons = [finding.sentence() for finding in verdict.blocking]
            ended = {"status": "blocked", "reason": (reasons or ["the data gate said no; its file is gone"])[0]}
        self._write(**ended, seconds=time.time() - self._began)

    def step(self, node: str, seconds: float, otherwise: StepState) -> Step:
        """Completes the record of the execution that `node` just registered, and returns it.

        Args:
            otherwise: how the step ended if there is no such execution, or nobody has closed it.
        """
        folder = self._config.root / "artifacts" / node
        shutil.rmtree(folder / ".system", ignore_errors=True)  # empty folders, a few more with every run
        new = [e for e in self._store.get_executions_by_context(self._context.id) if e.id not in self._seen]
        if not new:
            return Step(node, otherwise, seconds, None)
        execution = max(new, key=lambda e: e.id)
        self._seen.update(e.id for e in new)
        if execution.last_known_state == metadata_store_pb2.Execution.RUNNING:
            # TFX removes outputs after an executor's exception, not after Ctrl-C or when its store fails. Before
            # anything is recorded: on a full disk this makes room.
            for output in folder.glob(f"*/{execution.id}"):
                shutil.rmtree(output, ignore_errors=True)
            execution.last_known_state = metadata_store_pb2.Execution.FAILED
        if execution.last_known_state == metadata_store_pb2.Execution.FAILED and otherwise is StepState.INTERRUPTED:
            execution.last_known_state = metadata_store_pb2.Execution.CANCELED
        values = self._properties | {NODE: node}
        for key in STEP_PROPERTIES:
            execution.custom_properties[key].string_value = values[key]
        execution.custom_properties[SECONDS].double_value = seconds
        self._store.put_executions([execution])
        return next(step for step in read_steps(self._store, self._context.id) if step.execution_id == execution.id)

    def _write(self, **values: str | float) -> None:
        for key, value in values.items():
            if isinstance(value, str):
                self._context.custom_properties[key].string_value = value
            else:
                self._context.custom_properties[key].double_value = value
        self._store.put_contexts([self._context])
