"""Runs the pipeline in this process, step by step, through TFX's own launcher.

TFX's LocalDagRunner does the same but says nothing while it works, records nothing of the run as a whole,
and leaves an interrupted execution 'running' for ever.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, partial_run_utils, runtime_parameter_utils
from tfx.orchestration.portable.mlmd import context_lib

from pipeline.config import PipelineConfig
from pipeline.definition import create_pipeline
from pipeline.errors import ConfigError, PipelineError, WorkspaceError
from pipeline.lineage.runs import NODE, RUN_CONTEXT, SECONDS, STEP_PROPERTIES, Step, StepState, read_steps
from pipeline.provenance import run_properties

_RESOLVER = "tfx.dsl.components.common.resolver.Resolver"


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
    watcher.planned([node.node_info.id for node in nodes if node.node_info.type.name != _RESOLVER])
    deployment = runner_utils.extract_local_deployment_config(ir)
    connection = getattr(
        deployment.metadata_connection_config,
        deployment.metadata_connection_config.WhichOneof("connection_config"),
    )
    properties = run_properties(run_id, config)
    with translated_errors(config), metadata.Metadata(connection) as handle:
        record = _RunRecord(handle, run_id, properties)
        with record.outcome():
            for node in nodes:
                if node.execution_options.run.perform_snapshot:
                    partial_run_utils.snapshot(handle, ir)
                _launch(ir, node, deployment, connection, record, watcher)


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
    return ir


def _launch(ir: Any, node: Any, deployment: Any, connection: Any, record: _RunRecord, watcher: Watcher) -> None:
    name = node.node_info.id
    visible = node.node_info.type.name != _RESOLVER  # a look-up; the verdict tells what it found
    if visible:
        watcher.started(name)
    began = time.monotonic()
    try:
        launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=metadata.Metadata(connection),
            pipeline_info=ir.pipeline_info,
            pipeline_runtime_spec=ir.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, name),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
        ).launch()
    finally:
        step = record.step(name, time.monotonic() - began)
        if visible:
            watcher.finished(step)
    if step.state is StepState.FAILED:  # the launcher swallows errors of input resolution
        raise RuntimeError(f"{name} failed before it began; the log says why")


class _RunRecord:
    """What ML Metadata knows of the run as a whole: custom properties of its pipeline_run context."""

    def __init__(self, handle: Any, run_id: str, properties: dict[str, str]) -> None:
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
            reason = "interrupted from the keyboard" if stopped else str(exc)[:2000]
            self._write(
                status="interrupted" if stopped else "failed",
                reason=reason,
                seconds=time.time() - self._began,
            )
            raise
        self._write(status="complete", seconds=time.time() - self._began)

    def step(self, node: str, seconds: float) -> Step:
        """Completes the record of the execution that `node` just registered, and returns it."""
        new = [e for e in self._store.get_executions_by_context(self._context.id) if e.id not in self._seen]
        if not new:
            return Step(node, StepState.SKIPPED, seconds, None)
        execution = max(new, key=lambda e: e.id)
        self._seen.update(e.id for e in new)
        values = self._properties | {NODE: node}
        for key in STEP_PROPERTIES:
            execution.custom_properties[key].string_value = values[key]
        execution.custom_properties[SECONDS].double_value = seconds
        if execution.last_known_state == metadata_store_pb2.Execution.RUNNING:  # stopped by Ctrl-C
            execution.last_known_state = metadata_store_pb2.Execution.CANCELED
        self._store.put_executions([execution])
        return next(step for step in read_steps(self._store, self._context.id) if step.execution_id == execution.id)

    def _write(self, **values: str | float) -> None:
        for key, value in values.items():
            if isinstance(value, str):
                self._context.custom_properties[key].string_value = value
            else:
                self._context.custom_properties[key].double_value = value
        self._store.put_contexts([self._context])


@contextmanager
def translated_errors(config: PipelineConfig) -> Iterator[None]:
    """Turns a full disk and a failing metadata store, however deep they were met, into messages."""
    try:
        yield
    except PipelineError:
        raise
    except Exception as exc:
        text = str(exc)
        no_space = isinstance(exc, OSError) and exc.errno == errno.ENOSPC
        # Beam hands on the text of an error, SQLite its own words.
        if no_space or "No space left on device" in text or "database or disk is full" in text:
            raise WorkspaceError(
                f"the disk that holds the workspace {config.root} is full",
                "free some space and run again; finished steps are kept",
            ) from exc
        # The second are the words of TFX's RuntimeError when it cannot connect.
        if isinstance(exc, mlmd_errors.StatusError) or "Failed to establish connection to Metadata" in text:
            raise WorkspaceError(f"ML Metadata failed: {text}", "`longhaul doctor` checks the store") from exc
        raise
