"""Prints what a job on Vertex AI does: its tasks as they begin and end, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from pipeline.errors import JobError
from pipeline.lineage.records import Step
from pipeline.lineage.runs import StepState
from pipeline.lineage.skipped import SKIPPED_BECAUSE
from pipeline.lineage.states import Outcome
from pipeline.terminal.screen import Screen

_LOOKS = {
    "SUCCEEDED": StepState.DONE,
    "SKIPPED": StepState.CACHED,
    "NOT_TRIGGERED": StepState.NOT_REACHED,
    "FAILED": StepState.FAILED,
    "CANCELLED": StepState.INTERRUPTED,
}
"""The states in which Vertex's tasks end, as ours."""
_GATES = {"DataGate": "verdict", "Evaluator": "blessing", "InfraCheck": "blessing"}
_LAST_LINES = 15


@dataclass(frozen=True)
class TaskReport:
    """A task of a job, wherever it runs.

    Attributes:
        state: as Vertex calls it.
        outputs: by key, the metadata of the first artifact.
    """

    name: str
    state: str
    seconds: float = 0.0
    error: str = ""
    log: Path | None = None
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def report_of(detail: Any) -> TaskReport:
    """Read what Vertex says of a task (PipelineTaskDetail)."""
    seconds = (detail.end_time - detail.start_time).total_seconds() if detail.end_time and detail.start_time else 0.0
    outputs = {key: dict(some.artifacts[0].metadata or {}) for key, some in detail.outputs.items() if some.artifacts}
    error = detail.error.message
    if "image" in error.lower() and re.search("not found|does not exist|pull", error, re.IGNORECASE):
        error += " (vertex.image names it; docs/vertex.md says how to build and push it)"
    return TaskReport(detail.task_name, detail.state.name, seconds, error, None, outputs)


def report(task: Any) -> TaskReport:
    """Read what the emulator says of a task."""
    outputs = {key: some[0].metadata for key, some in task.outputs.items() if some}
    return TaskReport(task.name, task.state, task.ended - task.began, task.error, task.log, outputs)


def show(screen: Screen, steps: Sequence[str], task: TaskReport) -> None:
    """Show a change of a step's state."""
    if task.name not in steps:
        return
    if task.state == "RUNNING":
        screen.started(task.name)
    elif task.state in _LOOKS:
        reasons = (str(made[SKIPPED_BECAUSE]) for made in task.outputs.values() if made.get(SKIPPED_BECAUSE))
        skipped = next((Outcome(StepState.SKIPPED, reason) for reason in reasons), None)
        screen.finished(Step(task.name, _LOOKS[task.state], task.seconds, None, told=skipped))


def conclude(console: Console, reports: Mapping[str, TaskReport]) -> bool:
    """Say what came of a job that ended.

    Returns:
        False if a gate said no.

    Raises:
        JobError: a step failed.
    """
    for task in reports.values():
        if task.state == "FAILED":
            raise JobError(f"{task.name} failed: {task.error}{_end_of(task.log)}", _remedy(task))
        if task.state == "CANCELLED":
            raise JobError(f"{task.name} was cancelled", "submit the job again; finished steps are cached")
    for step, key in _GATES.items():
        verdict = reports[step].outputs.get(key, {}) if step in reports else {}
        if "blessed" in verdict and not verdict["blessed"]:
            console.print(f"[yellow]Blocked[/]   {step} said no; Pusher was not triggered")
            return False
    pushed = reports["Pusher"].outputs.get("pushed_model", {}) if "Pusher" in reports else {}
    if where := pushed.get("pushed_destination"):
        done = "Serves already" if pushed.get("served_already") else "Pushed"
        console.print(f"[green]{done}[/]    {escape(str(where))}", soft_wrap=True)
    elif why := pushed.get("not_pushed"):
        console.print(f"[yellow]Not pushed[/] {escape(str(why))}", soft_wrap=True)
    return True


def _end_of(log: Path | None) -> str:
    """Return the last lines of a step's log; what the step itself says of a mistake comes alone."""
    if log is None or not log.exists():
        return ""
    lines = log.read_text(errors="replace").splitlines()
    told = next((n for n in range(len(lines) - 1, -1, -1) if lines[n].startswith("longhaul: ")), None)
    return "".join(f"\n    {line}" for line in (lines[told:] if told is not None else lines[-_LAST_LINES:]))


def _remedy(task: TaskReport) -> str:
    if task.log is None:
        return "fix that and submit again; finished steps are cached"
    script = task.log.with_name(f"{task.name}.executor.sh")
    return (
        f"fix that and run again; finished steps are cached. `sh {script}` runs this step alone; its log is {task.log}"
    )
