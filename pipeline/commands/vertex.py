"""Jobs on Vertex AI Pipelines from the command line's point of view: compile, emulate, submit, and what came of it."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.config.push import Push
from pipeline.config.vertex import Vertex
from pipeline.contract.run_inputs import RunInputs, look
from pipeline.errors import ConfigError, JobError, PipelineError, TimeLimitError
from pipeline.files import is_same_file
from pipeline.lineage.provenance import run_properties
from pipeline.lineage.schema_versions import version_of
from pipeline.lineage.store import has_records, open_existing_store
from pipeline.observe.log_file import output_to
from pipeline.runners.vertex.addresses import as_seen_from_vertex
from pipeline.runners.vertex.job_record import MADE_WITH, NOTE, REVIEWER, made_with_address
from pipeline.runners.vertex.objects import EmulatedObjects
from pipeline.terminal.console import console_for
from pipeline.terminal.jobs import TaskReport, conclude, report, report_of, show
from pipeline.terminal.screen import Screen, chatter_to
from pipeline.workspace.lock import AT_ONCE, Wait
from pipeline.workspace.scratch import scratch


def vertex_of(place: Place) -> Vertex:
    """Return the section of Vertex AI.

    Raises:
        ConfigError: there is none, or Vertex would refuse the pipeline's name.
    """
    if place.vertex is None:
        raise ConfigError(
            f"{place.file or 'the configuration'}: there is no section `vertex`",
            "add it: project, region, root and image are needed (docs/vertex.md)",
        )
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,99}", place.name):
        raise ConfigError(
            f"name: Vertex AI refuses a job named {place.name!r}",
            "begin with a letter and take at most 100 small letters, digits and hyphens",
        )
    return place.vertex


@dataclass(frozen=True)
class Compiled:
    """A job, and the record of what it was made with, which lies in the bucket: one label of the job names it."""

    job: dict[str, Any]
    made_with: bytes

    @property
    def address(self) -> str:
        """Return where the record belongs."""
        root = self.job["runtimeConfig"]["gcsOutputDirectory"].removesuffix("/artifacts")
        return made_with_address(root, self.job["labels"][MADE_WITH])


def compile_quietly(config: PipelineConfig, console: Console, *, use_cache: bool = True) -> Compiled:
    """Compile the job, TensorFlow's chatter in the workspace's logs.

    Raises:
        ConfigError: the configuration cannot be used, or not on Vertex AI.
    """
    as_written, config = config, as_seen_from_vertex(config, vertex_of(config))
    # Cheap, and before the seconds that importing TensorFlow takes.
    inputs = look(config, elsewhere=True)
    made_with = _made_with(as_written, inputs)
    with chatter_to(_chatter(config.root), "loading TensorFlow, Beam and TFX"):
        from pipeline.runners.vertex.compile import compile_job

        job = compile_job(config, inputs, use_cache=use_cache)
    job["labels"][MADE_WITH] = hashlib.sha256(made_with).hexdigest()[:32]
    return Compiled(job, made_with)


def _made_with(config: PipelineConfig, inputs: RunInputs) -> bytes:
    """Return what ML Metadata would record of a run on this machine."""
    properties = run_properties("", config, inputs.software)
    version = None
    if has_records(config.metadata, config.root):
        version = version_of(open_existing_store(config), config.record_name, inputs.schema_text)
    if version and version.reviewer:
        properties |= {REVIEWER: version.reviewer, NOTE: version.note}
    told = {name: text for name, text in properties.items() if name not in ("run_id", "pipeline")}
    return json.dumps(told, sort_keys=True).encode()


def _chatter(root: Path) -> Path:
    """Where TensorFlow's goes while nothing of a job runs yet."""
    log = root / "logs" / "compile.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return log


def compile_to(config: PipelineConfig, output: Path, *, use_cache: bool = True) -> None:
    """Write the job as JSON, or, if the file's name ends in .yaml, what Kubeflow Pipelines takes of it.

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
    job = compile_quietly(config, console, use_cache=use_cache).job
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


def new_job_id(name: str) -> str:
    """Return a name that no other job has, and that sorts by time."""
    return f"{name}-{datetime.now(UTC):%Y%m%d%H%M%S%f}"[:-3]


def with_parameters(job: dict[str, Any], given: Sequence[str]) -> None:
    """Put NAME=VALUE into the job's runtime parameters.

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
    """Run the job on this machine, as `pipeline.runners.vertex.emulator` does.

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
    from multiprocessing.util import get_temp_dir

    from pipeline.runners.vertex.emulator.job import EmulatedJob, Task
    from pipeline.runners.vertex.emulator.process import run_exactly, run_in_fork, start_fork_server

    if fast:
        get_temp_dir()  # the server's socket, whose address may have 107 letters, is not to lie deep in the workspace
    log = _chatter(config.root)  # from now on there is a workspace
    with scratch(config.root):
        if fast:
            with output_to(log):
                start_fork_server()  # while this process imports the same, to compile
        compiled = compile_quietly(config, console, use_cache=use_cache)
        job, folder = compiled.job, config.root / "vertex"
        with_parameters(job, parameters)
        EmulatedObjects(folder).write_once(compiled.address, compiled.made_with)
        screen = Screen(console)

        def on_change(task: Task) -> None:
            show(screen, steps, report(task))

        emulated = EmulatedJob(job, new_job_id(config.name), folder, run_in_fork if fast else run_exactly, on_change)
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
    config: PipelineConfig, *, use_cache: bool = True, wait: Wait = AT_ONCE, parameters: Sequence[str] = ()
) -> bool:
    """Hands the job to Vertex AI Pipelines.

    Args:
        wait: show the steps' states until the job ends, or the time is over.

    Returns:
        False if it was waited for and a gate said no.

    Raises:
        ConfigError: see `compile_quietly`.
        JobError: the service refused it; or a step failed.
        TimeLimitError: the job is still at work.
    """
    console = console_for(sys.stdout)
    vertex = vertex_of(config)
    from pipeline.runners.vertex.service import Service

    service = Service(vertex)  # before the seconds that compiling takes: there may be no credentials
    compiled = compile_quietly(config, console, use_cache=use_cache)
    job = compiled.job
    with_parameters(job, parameters)
    service.look_for_bucket()
    put_on_record(compiled, console)
    began = time.monotonic()
    created = service.submit(job, new_job_id(config.name))
    console.print(f"Submitted {created.name} ({time.monotonic() - began:.1f} s)", soft_wrap=True)
    job_id = created.name.rpartition("/")[2]
    console.print(f"Watch it  {_console_address(vertex, job_id)}", soft_wrap=True)
    if wait.limit_s == 0:
        return True
    steps, screen, reports = steps_of(job), Screen(console), dict[str, TaskReport]()

    def on_change(detail: Any) -> None:
        reports[detail.task_name] = report_of(detail)
        show(screen, steps, reports[detail.task_name])

    screen.planned(steps)
    try:
        ended = service.follow(created.name, on_change, wait.limit_s)
    except (KeyboardInterrupt, TimeLimitError):
        console.print(f"the job goes on; `longhaul show {job_id} --on vertex` tells how it ends", soft_wrap=True)
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


def put_on_record(compiled: Compiled, console: Console) -> None:
    """Write what a job is made with into the bucket; say so if that is not allowed, and go on."""
    from pipeline.serving.gcs import CloudObjects

    try:
        CloudObjects().write_once(compiled.address, compiled.made_with)
    except PipelineError as exc:
        console.print(f"[yellow]Note[/]      what made the job is not on record: {escape(exc.what)}", soft_wrap=True)


def _console_address(vertex: Vertex, job_id: str) -> str:
    where = f"locations/{vertex.region}/runs/{job_id}?project={vertex.project}"
    return f"https://console.cloud.google.com/vertex-ai/pipelines/{where}"


def steps_of(job: dict[str, Any]) -> list[str]:
    """Return the tasks that do work, in the order in which they were defined; the others look something up."""
    spec = job["pipelineSpec"]
    executors = spec["deploymentSpec"]["executors"]
    return [name for name in spec["root"]["dag"]["tasks"] if "container" in executors[f"{name}_executor"]]
