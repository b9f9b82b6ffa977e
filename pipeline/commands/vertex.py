"""Jobs on Vertex AI Pipelines from the command line's point of view: compile, emulate, submit, and what came of it."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from pipeline.config.pipeline import PipelineConfig
from pipeline.config.push import Push
from pipeline.config.vertex import Vertex
from pipeline.contract.schema import check_columns, read_schema
from pipeline.errors import ConfigError, JobError
from pipeline.files import is_same_file
from pipeline.guard.policy_file import read_policy
from pipeline.lineage.runs import Step, StepState
from pipeline.lineage.skipped import SKIPPED_BECAUSE
from pipeline.lineage.states import Outcome
from pipeline.observe.log_file import output_to
from pipeline.terminal.results import console_for
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


def vertex_of(config: PipelineConfig) -> Vertex:
    """The section of Vertex AI.

    Raises:
        ConfigError: there is none, or Vertex would refuse the pipeline's name.
    """
    if config.vertex is None:
        raise ConfigError(
            f"{config.file or 'the configuration'}: there is no section `vertex`",
            "add it: project, region, root and image are needed (docs/vertex.md)",
        )
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,99}", config.name):
        raise ConfigError(
            f"name: Vertex AI refuses a job named {config.name!r}",
            "begin with a letter and take at most 100 small letters, digits and hyphens",
        )
    return config.vertex


def compile_quietly(config: PipelineConfig, console: Console, *, use_cache: bool = True) -> dict[str, Any]:
    """The job, TensorFlow's chatter in the workspace's logs.

    Raises:
        ConfigError: the configuration cannot be used, or not on Vertex AI.
    """
    vertex_of(config)
    # Cheap, and before the seconds that importing TensorFlow takes.
    check_columns(config, read_schema(config.schema_file))
    read_policy(config.policy_file)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    with output_to(_chatter(config)) as terminal:
        screen = Screen(console_for(terminal))
        try:
            screen.waiting("loading TensorFlow, Beam and TFX")
            from pipeline.runners.vertex.compile import compile_job

            return compile_job(config, use_cache=use_cache)
        finally:
            screen.close_line()


def _chatter(config: PipelineConfig) -> Path:
    """Where TensorFlow's goes while nothing of a job runs yet."""
    log = config.root / "logs" / "compile.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return log


def compile_to(config: PipelineConfig, output: Path, *, use_cache: bool = True) -> None:
    """Writes the job as JSON, or, if the file's name ends in .yaml, what Kubeflow Pipelines takes of it.

    Raises:
        ConfigError: see `compile_quietly`; or the file cannot be written.
    """
    if config.file and is_same_file(output, config.file):
        raise ConfigError(f"--output {output}: that is the configuration itself", "name another file")
    if output.suffix not in (".json", ".yaml", ".yml"):
        raise ConfigError(
            f"{output}: unknown kind of file", "name it .json for Vertex AI, .yaml for Kubeflow Pipelines"
        )
    began = time.monotonic()
    console = console_for(sys.stdout)
    job = compile_quietly(config, console, use_cache=use_cache)
    if output.suffix == ".json":
        text = json.dumps(job, indent=1, sort_keys=True) + "\n"
    else:
        from pipeline.runners.vertex.compile import for_kubeflow

        text = for_kubeflow(job)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{output} cannot be written: {exc.strerror}", "choose another --output") from exc
    steps = sum("cachingOptions" in task for task in job["pipelineSpec"]["root"]["dag"]["tasks"].values())
    console.print(f"Wrote     {escape(str(output))}: {steps} steps, {time.monotonic() - began:.1f} s", soft_wrap=True)


def new_job_id(config: PipelineConfig) -> str:
    """A name that no other job has, and that sorts by time."""
    return f"{config.name}-{datetime.now(UTC):%Y%m%d%H%M%S%f}"[:-3]


def with_parameters(job: dict[str, Any], given: Sequence[str]) -> None:
    """Puts NAME=VALUE into the job's runtime parameters.

    Raises:
        ConfigError: there is no such parameter.
    """
    values = job["runtimeConfig"]["parameterValues"]
    for text in given:
        name, is_given, value = text.partition("=")
        if not is_given or name not in values:
            raise ConfigError(
                f"--parameter {text}: the job has no such parameter", f"give NAME=VALUE; names are {', '.join(values)}"
            )
        values[name] = value


def emulate(
    config: PipelineConfig, *, use_cache: bool = True, fast: bool = False, parameters: Sequence[str] = ()
) -> bool:
    """Runs the job on this machine, as `pipeline.runners.vertex.emulator` does.

    Args:
        fast: fork the steps from a process that has imported TFX, instead of starting each one's own command.

    Returns:
        False if a gate said no.

    Raises:
        ConfigError: see `compile_quietly`.
        JobError: a step failed; its log is named.
    """
    console = console_for(sys.stdout)
    if config.push != Push():
        console.print("[yellow]Note[/]      push.destination is left out: the emulator sends nothing away")
        config = config.model_copy(update={"push": Push()})
    vertex_of(config)
    from pipeline.runners.vertex.emulator.job import EmulatedJob, Task
    from pipeline.runners.vertex.emulator.process import run_exactly, run_in_fork, start_fork_server

    if fast:
        with output_to(_chatter(config)):
            start_fork_server()  # while this process imports the same, to compile
    job = compile_quietly(config, console, use_cache=use_cache)
    with_parameters(job, parameters)
    folder = config.root / "vertex"
    screen = Screen(console)

    def on_change(task: Task) -> None:
        show(screen, steps, report(task))

    emulated = EmulatedJob(job, new_job_id(config), folder, run_in_fork if fast else run_exactly, on_change)
    steps = steps_of(job)
    console.print(
        f"[bold]{config.name}[/]  job {emulated.id}  gs:// is {escape(str(folder / 'buckets'))}", soft_wrap=True
    )
    screen.planned(steps)
    try:
        emulated.run()
    finally:
        screen.close_line()
    reports = {task.name: report(task) for task in emulated.tasks.values()}
    console.print(f"Logs      {escape(str(emulated.folder))}", soft_wrap=True)
    return conclude(console, reports)


def submit(
    config: PipelineConfig, *, use_cache: bool = True, wait: bool = False, parameters: Sequence[str] = ()
) -> bool:
    """Hands the job to Vertex AI Pipelines.

    Args:
        wait: show the steps' states until the job ends.

    Returns:
        False if it was waited for and a gate said no.

    Raises:
        ConfigError: see `compile_quietly`.
        JobError: the service refused it; or a step failed.
    """
    console = console_for(sys.stdout)
    vertex = vertex_of(config)
    from pipeline.runners.vertex.service import Service

    service = Service(vertex)  # before the seconds that compiling takes: there may be no credentials
    job = compile_quietly(config, console, use_cache=use_cache)
    with_parameters(job, parameters)
    began = time.monotonic()
    created = service.submit(job, new_job_id(config))
    console.print(f"Submitted {created.name} ({time.monotonic() - began:.1f} s)", soft_wrap=True)
    job_id = created.name.rpartition("/")[2]
    console.print(f"Watch it  {_console_address(vertex, job_id)}", soft_wrap=True)
    if not wait:
        return True
    steps, screen, reports = steps_of(job), Screen(console), dict[str, TaskReport]()

    def on_change(detail: Any) -> None:
        reports[detail.task_name] = report_of(detail)
        show(screen, steps, reports[detail.task_name])

    screen.planned(steps)
    try:
        ended = service.follow(created.name, on_change)
    except KeyboardInterrupt:
        console.print(f"the job goes on; `longhaul runs --on vertex` tells how it ends ({job_id})", soft_wrap=True)
        raise
    finally:
        screen.close_line()
    # The service lists the job itself among its tasks.
    done = conclude(console, {step: reports[step] for step in steps if step in reports})
    if ended.state.name != "PIPELINE_STATE_SUCCEEDED":
        raise JobError(
            f"job {job_id} ended as {ended.state.name}: {ended.error.message}",
            f"see {_console_address(vertex, job_id)}",
        )
    return done


def _console_address(vertex: Vertex, job_id: str) -> str:
    where = f"locations/{vertex.region}/runs/{job_id}?project={vertex.project}"
    return f"https://console.cloud.google.com/vertex-ai/pipelines/{where}"


def report_of(detail: Any) -> TaskReport:
    """What Vertex says of a task (PipelineTaskDetail)."""
    seconds = (detail.end_time - detail.start_time).total_seconds() if detail.end_time and detail.start_time else 0.0
    outputs = {key: dict(some.artifacts[0].metadata or {}) for key, some in detail.outputs.items() if some.artifacts}
    error = detail.error.message
    if "image" in error.lower() and re.search("not found|does not exist|pull", error, re.IGNORECASE):
        error += " (vertex.image names it; docs/vertex.md says how to build and push it)"
    return TaskReport(detail.task_name, detail.state.name, seconds, error, None, outputs)


def report(task: Any) -> TaskReport:
    """What the emulator says of a task."""
    outputs = {key: some[0].metadata for key, some in task.outputs.items() if some}
    return TaskReport(task.name, task.state, task.ended - task.began, task.error, task.log, outputs)


def steps_of(job: dict[str, Any]) -> list[str]:
    """The tasks that do work, in the order in which they were defined; the others look something up."""
    spec = job["pipelineSpec"]
    executors = spec["deploymentSpec"]["executors"]
    return [name for name in spec["root"]["dag"]["tasks"] if "container" in executors[f"{name}_executor"]]


def show(screen: Screen, steps: Sequence[str], task: TaskReport) -> None:
    """A change of a step's state on the terminal."""
    if task.name not in steps:
        return
    if task.state == "RUNNING":
        screen.started(task.name)
    elif task.state in _LOOKS:
        reasons = (str(made[SKIPPED_BECAUSE]) for made in task.outputs.values() if made.get(SKIPPED_BECAUSE))
        skipped = next((Outcome(StepState.SKIPPED, reason) for reason in reasons), None)
        screen.finished(Step(task.name, _LOOKS[task.state], task.seconds, None, told=skipped))


def conclude(console: Console, reports: Mapping[str, TaskReport]) -> bool:
    """Says what came of a job that ended.

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
    """The last lines of a step's log; what the step itself says of a mistake comes alone."""
    if log is None or not log.exists():
        return ""
    lines = log.read_text(errors="replace").splitlines()
    told = next((n for n in range(len(lines) - 1, -1, -1) if lines[n].startswith("longhaul: ")), None)
    return "".join(f"\n    {line}" for line in (lines[told:] if told is not None else lines[-_LAST_LINES:]))


def _remedy(task: TaskReport) -> str:
    if task.log is None:
        return "mend that and submit again; finished steps are cached"
    script = task.log.with_name(f"{task.name}.executor.sh")
    return (
        f"mend that and run again; finished steps are cached. `sh {script}` runs this step alone; its log is {task.log}"
    )
