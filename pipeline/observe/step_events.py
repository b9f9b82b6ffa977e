"""A run as JSON lines, for whatever collects logs: `logs/RUN.jsonl` says what the readable log says, and what each
step did and cost. The fields are listed in docs/observability.md."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.lineage.records import Step

if TYPE_CHECKING:
    from pipeline.runners.local.launch import Watcher

_LOG = logging.getLogger("longhaul.steps")
_LOG.setLevel(logging.INFO)
_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "step"}


class JsonLines(logging.Handler):
    """Writes one JSON object a line, each in one go: a process that is killed leaves whole lines."""

    def __init__(self, file: Path, run_id: str) -> None:
        super().__init__(logging.INFO)
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._run_id = run_id
        self._steps: dict[str, int] = {}

    def at_work(self, step: str) -> None:
        """Take what this thread logs from now on as that step's."""
        self._steps[step] = threading.get_ident()

    def at_rest(self, step: str) -> None:
        """Forget a step that has ended."""
        self._steps.pop(step, None)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as one line."""
        try:
            os.write(self._file, (json.dumps(self._fields(record), default=str) + "\n").encode())
        except Exception:
            self.handleError(record)  # into the readable log; a full disk ends the run elsewhere

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = {"time": time, "level": record.levelname, "logger": record.name}
        fields |= {"run_id": self._run_id, "step": getattr(record, "step", None) or self._step(record.thread)}
        fields["message"] = record.getMessage()
        if record.exc_info and record.exc_info[0]:
            fields["exception"] = logging.Formatter().formatException(record.exc_info)
        return fields | {key: value for key, value in vars(record).items() if key not in _OF_EVERY_RECORD}

    def _step(self, thread: int | None) -> str | None:
        """Return the step that logs in the thread; a thread of its own belongs to it where no other step is at work."""
        steps = self._steps.copy()
        own = [step for step, its in steps.items() if its == thread] or list(steps)
        return own[0] if len(own) == 1 else None

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        super().close()


class Meter(Protocol):
    """Whoever measures what steps cost."""

    def begin(self, node: str) -> None:
        """Learn that a step begins."""

    def end(self, step: Step) -> Mapping[str, int]:
        """Return what a step that has ended cost, by name."""


class StepEvents:
    """Watches a local run and logs what its steps do; `meter` is None where they do nothing worth measuring."""

    def __init__(self, lines: JsonLines, meter: Meter | None = None) -> None:
        self._lines, self._meter = lines, meter

    def planned(self, nodes: list[str]) -> None:
        """Log the steps to come."""
        _LOG.info("%d steps", len(nodes), extra={"event": "planned", "steps": nodes})

    def started(self, node: str) -> None:
        """Log that a step begins."""
        self._lines.at_work(node)
        if self._meter:
            self._meter.begin(node)
        _LOG.info("%s started", node, extra={"event": "started", "step": node})

    def finished(self, step: Step) -> None:
        """Log how a step ended, and what it cost."""
        try:
            measures = dict(self._meter.end(step)) if self._meter else {}
        except Exception:  # what could not be measured is no reason to fail
            _LOG.warning("%s: what it cost could not be measured", step.node, exc_info=True)
            measures = {}
        outcome = step.outcome
        told = {"event": "finished", "step": step.node, "state": str(outcome.state), "seconds": round(step.seconds, 3)}
        told |= {"reason": outcome.reason} if outcome.reason else {}
        _LOG.info("%s %s after %.1f s", step.node, outcome.words, step.seconds, extra=told | measures)
        self._lines.at_rest(step.node)

    def retrying(self, node: str, reason: str, wait_s: float) -> None:
        """Log that a step begins once more."""
        told = {"event": "retrying", "step": node, "wait_s": wait_s}
        _LOG.warning("%s failed (%s); once more in %g s", node, reason, wait_s, extra=told)


class Watchers:
    """Several in place of one."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def planned(self, nodes: list[str]) -> None:
        """Tell all of them."""
        for watcher in self._watchers:
            watcher.planned(nodes)

    def started(self, node: str) -> None:
        """Tell all of them."""
        for watcher in self._watchers:
            watcher.started(node)

    def finished(self, step: Step) -> None:
        """Tell all of them."""
        for watcher in self._watchers:
            watcher.finished(step)

    def retrying(self, node: str, reason: str, wait_s: float) -> None:
        """Tell all of them."""
        for watcher in self._watchers:
            watcher.retrying(node, reason, wait_s)


@contextmanager
def json_lines(file: Path, run_id: str) -> Iterator[JsonLines]:
    """Write all that is logged meanwhile to the file, too."""
    lines = JsonLines(file, run_id)
    logging.getLogger().addHandler(lines)
    try:
        yield lines
    finally:
        logging.getLogger().removeHandler(lines)
        lines.close()
