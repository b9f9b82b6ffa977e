"""What ML Metadata is told of a run and its steps, beyond what TFX tells it."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from pipeline.config.place import Place
from pipeline.errors import LockedError, PipelineError, WorkspaceError
from pipeline.lineage.process import Process
from pipeline.lineage.records import NODE, SECONDS, STEP_PROPERTIES, Step, read_artifact, read_steps, told
from pipeline.lineage.runs import RUN_CONTEXT, Run, StepState, find_run
from pipeline.lineage.server_store import Patience
from pipeline.lineage.store import connection_config, open_store
from pipeline.lineage.summary import summary_properties
from pipeline.reports.personal import why_blocked
from pipeline.runners.local.interruption import stopped
from pipeline.runners.local.made import take_up
from pipeline.runners.local.recovery import leave_ending, remove_outputs
from pipeline.workspace.identity import workspace_id
from pipeline.workspace.reserve import spent

_ONE_AT_A_TIME = threading.RLock()


class Handle(metadata.Metadata):
    """TFX's handle on our store. Whoever has entered it is alone: of several steps one writes at a time.

    It is opened as everywhere else: stock TFX would know neither a way round ML Metadata's fault on PostgreSQL nor our
    errors. And anew each time (3 ms for SQLite): a connection that failed once may refuse whatever follows.
    """

    def __init__(self, place: Place, patience: Patience) -> None:
        super().__init__(connection_config(place.metadata, place.root))
        self._place, self._patience = place, patience

    @property
    def place(self) -> Place:
        """Whose store it is."""
        return self._place

    def __enter__(self) -> Handle:
        _ONE_AT_A_TIME.acquire()
        try:
            if self._users == 0:
                self._store = open_store(self._place, self._patience)
        except BaseException:
            _ONE_AT_A_TIME.release()
            raise
        self._users += 1
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            super().__exit__(*error)
        finally:
            _ONE_AT_A_TIME.release()


class RunRecord:
    """What ML Metadata knows of the run as a whole: custom properties of its pipeline_run context.

    Raises:
        WorkspaceError: another run has the same id, which on a server that several share can happen once in a blue
            moon.
    """

    def __init__(self, place: Place, run_id: str, properties: dict[str, str], patience: Patience) -> None:
        self.place, self._patience = place, patience
        self._began = time.monotonic()
        self._seen: set[int] = set()
        self._properties = properties | {
            "process": Process.current().to_json(),
            "workspace": workspace_id(place.root),
        }
        with Handle(place, patience) as handle:
            kind = handle.store.put_context_type(metadata_store_pb2.ContextType(name=RUN_CONTEXT))
            self._context = metadata_store_pb2.Context(type_id=kind, name=run_id)
            started = datetime.now(UTC).isoformat(timespec="seconds")
            self._set(**self._properties, status="running", started=started)
            try:
                (self._context.id,) = handle.store.put_contexts([self._context])
            except mlmd_errors.AlreadyExistsError as exc:
                raise LockedError(f"there is a run {run_id} already", "run again; it gets another id") from exc

    @contextmanager
    def outcome(self) -> Iterator[None]:
        """Write how the run ended, also when it was interrupted."""
        try:
            yield
        except BaseException as exc:
            interrupted = isinstance(exc, KeyboardInterrupt)
            reason = str(exc) if isinstance(exc, PipelineError) else f"{type(exc).__name__}: {exc}"
            ending = {
                "status": "interrupted" if interrupted else "failed",
                "reason": stopped()[0] if interrupted else reason[:2000],
            }
            try:
                with spent(self.place.root):  # it may be the full disk that ended the run
                    self._end(**ending)
                    self._end(**self._summary()[1])
            except (WorkspaceError, mlmd_errors.StatusError, ValueError):  # what ended the run matters more
                logging.getLogger(__name__).exception("the end of the run could not be recorded")
                leave_ending(self.place.root, self._context.name, ending)
            raise
        run, summary = self._summary()
        if not run.blocked:
            self._end(status="complete", **summary)
            return
        self._end(status="blocked", reason=why_blocked(run), **summary)

    def step(self, node: str, seconds: float, otherwise: StepState) -> Step:
        """Complete the record of the execution that `node` just registered, and return it.

        Args:
            otherwise: how the step ended if there is no such execution, or nobody has closed it.
        """
        shutil.rmtree(self.place.root / "artifacts" / node / ".system", ignore_errors=True)  # empty folders
        went_well = otherwise is StepState.SKIPPED
        with (
            nullcontext() if went_well else spent(self.place.root),  # a full disk may have ended it
            Handle(self.place, self._patience) as handle,
        ):
            steps = [
                step
                for step in read_steps(handle.store, self._context.id)
                if step.node == node and step.execution_id not in self._seen
            ]
            if not steps:
                return Step(node, otherwise, seconds, None)
            (execution,) = handle.store.get_executions_by_id([steps[-1].execution_id])
            running = execution.last_known_state == metadata_store_pb2.Execution.RUNNING
            if running and not take_up(self.place.root, handle.store, execution):  # a server may be back only now
                # TFX removes outputs after an executor's exception, not after Ctrl-C or when its store fails. Before
                # anything is recorded: on a full disk this makes room.
                remove_outputs(self.place.root, node, execution.id)
                execution.last_known_state = metadata_store_pb2.Execution.FAILED
            if execution.last_known_state == metadata_store_pb2.Execution.FAILED and otherwise is StepState.INTERRUPTED:
                execution.last_known_state = metadata_store_pb2.Execution.CANCELED
            values = self._properties | {NODE: node}
            for key in STEP_PROPERTIES:
                execution.custom_properties[key].string_value = values[key]
            execution.custom_properties[SECONDS].double_value = seconds
            handle.store.put_executions([execution])
            self._seen.add(execution.id)
            step = next(s for s in read_steps(handle.store, self._context.id) if s.execution_id == execution.id)
            events = handle.store.get_events_by_execution_ids([execution.id])
            put = [event.artifact_id for event in events if event.type == metadata_store_pb2.Event.OUTPUT]
            return told(step, map(read_artifact, handle.store.get_artifacts_by_id(put) if put else ()))

    def _summary(self) -> tuple[Run, dict[str, str]]:
        """Return the run as it is on record, and what came of it so far."""
        with Handle(self.place, self._patience) as handle:
            run = find_run(handle.store, self.place.record_name, self._context.name)
            return run, summary_properties(handle.store, run)

    def _end(self, **values: str) -> None:
        self._set(**values)
        self._context.custom_properties["seconds"].double_value = time.monotonic() - self._began
        with Handle(self.place, self._patience) as handle:
            handle.store.put_contexts([self._context])

    def _set(self, **values: str) -> None:
        for key, value in values.items():
            self._context.custom_properties[key].string_value = value
