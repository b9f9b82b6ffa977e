"""The walk over a compiled job: which task begins when, and what becomes of it.

States are Vertex's own (PipelineTaskDetail.State): SKIPPED is a cache hit, NOT_TRIGGERED a condition that does not
hold or a task before it that did not succeed.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import JobError
from pipeline.files import incoming
from pipeline.runners.vertex.emulator.buckets import Buckets
from pipeline.runners.vertex.emulator.conditions import holds
from pipeline.runners.vertex.emulator.process import Launch, as_script, run_exactly
from pipeline.runners.vertex.emulator.record import FILE, moment, task_details
from pipeline.runners.vertex.emulator.step import Step, new_artifact
from pipeline.runners.vertex.emulator.store import Artifact, Outputs, Store

_STORE = "projects/{project}/locations/emulator/metadataStores/default"
_DONE = ("SUCCEEDED", "SKIPPED")
_AT_ONCE = 2
"""Tasks that work at the same time."""


@dataclass
class Task:
    """How a task of a job stands.

    Attributes:
        state: PENDING, RUNNING, or how it ended: SUCCEEDED, SKIPPED, NOT_TRIGGERED, FAILED, CANCELLED.
        error: of a task that failed, in a sentence; of one that was not triggered, why.
        log: of its commands; None if it has none, as a resolver.
    """

    name: str
    state: str = "PENDING"
    error: str = ""
    began: float = 0.0
    ended: float = 0.0
    log: Path | None = None
    inputs: Outputs = field(default_factory=dict)
    outputs: Outputs = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)


class EmulatedJob:
    """One job.

    Args:
        job: as `compile_job` gives it: pipelineSpec, runtimeConfig.
        folder: for all jobs: `buckets` stands for Cloud Storage, `jobs/ID` holds logs, `store.db` what was made.
        launch: how commands are run.
        on_change: is told of every task whose state changes, in the thread that changed it.
    """

    def __init__(
        self,
        job: dict[str, Any],
        job_id: str,
        folder: Path,
        launch: Launch = run_exactly,
        on_change: Callable[[Task], None] = lambda _: None,
        project: str = "emulator",
    ) -> None:
        self.id = job_id
        self.state = "PENDING"
        self.tasks: dict[str, Task] = {}
        self.folder = folder / "jobs" / job_id
        self._created, self._ended, self._writing = time.time(), 0.0, threading.Lock()
        self._spec = job["pipelineSpec"]
        runtime = job.get("runtimeConfig", {})
        self._root = f"{runtime['gcsOutputDirectory'].rstrip('/')}/{project}/{job_id}"
        self._parameters = dict(runtime.get("parameterValues", {}))
        self._pipeline = self._spec["pipelineInfo"]["name"]
        self._buckets = Buckets((folder / "buckets").absolute())
        self._store = Store(folder / "store.db")
        self._prefix = _STORE.format(project=project)
        self._job = job | {"name": f"projects/{project}/locations/emulator/pipelineJobs/{job_id}"}
        self._launch = launch
        self._on_change = on_change
        self._cancelled = threading.Event()
        defined = self._spec["root"].get("inputDefinitions", {}).get("parameters", {})
        for name, spec in defined.items():
            if "defaultValue" in spec:
                self._parameters.setdefault(name, spec["defaultValue"])
        if missing := sorted(defined.keys() - self._parameters.keys()):
            raise JobError(
                f"the job's parameter {missing[0]!r} has no value", "give it one in runtimeConfig.parameterValues"
            )
        if unknown := sorted(self._parameters.keys() - defined.keys()):
            raise JobError(
                f"the job has no parameter {unknown[0]!r}", f"its parameters are {', '.join(sorted(defined)) or 'none'}"
            )

    def cancel(self) -> None:
        """Kill what is at work and let nothing begin; returns at once."""
        self._cancelled.set()

    def run(self) -> str:
        """Run all tasks; return the job's last state: SUCCEEDED, FAILED or CANCELLED."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._buckets.folder.mkdir(exist_ok=True)
        self.state = "RUNNING"
        self._record()
        try:
            self.state = self._run_dag(self._spec["root"]["dag"])
        except BaseException:
            self.cancel()
            self.state = "CANCELLED"
            raise
        finally:
            self._ended = time.time()
            self._record()
        return self.state

    def resource(self) -> dict[str, Any]:
        """Return what the service would tell of the job now (PipelineJob)."""
        itself = Task(self.id, self.state, began=self._created, ended=self._ended)
        return self._job | {
            "state": f"PIPELINE_STATE_{self.state}",
            **dict.fromkeys(("createTime", "startTime"), moment(self._created)),
            **({"endTime": moment(self._ended)} if self._ended else {}),
            "jobDetail": {"taskDetails": task_details([itself, *self.tasks.values()])},
        }

    def _record(self) -> None:
        """Write that beside the logs: `longhaul runs --on vertex --emulate` reads it."""
        with self._writing, incoming(self.folder / FILE) as hidden:
            hidden.write_text(json.dumps(self.resource()))

    def _run_dag(self, dag: dict[str, Any]) -> str:
        specs = dag["tasks"]
        for name in specs:
            self.tasks[name] = Task(name)
        needs = {name: producers(spec) & specs.keys() for name, spec in specs.items()}
        waiting, running = list(specs), dict[Future[None], str]()
        with ThreadPoolExecutor(_AT_ONCE, "task") as pool:
            try:
                while waiting or running:
                    open_ = {*waiting, *running.values()}
                    for name in [name for name in waiting if not needs[name] & open_]:
                        waiting.remove(name)
                        running[pool.submit(self._task, name, specs[name], needs[name])] = name
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        del running[future]
                        future.result()
            except BaseException:  # Ctrl-C, or a bug
                self.cancel()
                raise
        states = {self.tasks[name].state for name in specs}
        return next((state for state in ("CANCELLED", "FAILED") if state in states), "SUCCEEDED")

    def _task(self, name: str, spec: dict[str, Any], needs: set[str]) -> None:
        task = self.tasks[name]
        if self._cancelled.is_set():
            self._enter(task, "CANCELLED")
            return
        trigger = spec.get("triggerPolicy", {})
        stopped = [need for need in sorted(needs) if self.tasks[need].state not in _DONE]
        if stopped and trigger.get("strategy") != "ALL_UPSTREAM_TASKS_COMPLETED":
            self._enter(task, "NOT_TRIGGERED", f"{', '.join(stopped)} did not succeed")
            return
        try:
            state, error = self._work(task, spec, trigger.get("condition"))
        except JobError as problem:
            state, error = "FAILED", str(problem)
        self._enter(task, "CANCELLED" if self._cancelled.is_set() and state == "FAILED" else state, error)

    def _work(self, task: Task, spec: dict[str, Any], condition: str | None) -> tuple[str, str]:
        component = self._spec["components"][spec["componentRef"]["name"]]
        if "dag" in component:
            self._enter(task, "RUNNING")
            return self._run_dag(component["dag"]), ""
        inputs = spec.get("inputs", {})
        task.inputs = {key: self._artifacts(source) for key, source in inputs.get("artifacts", {}).items()}
        parameters = {key: self._parameter(source) for key, source in inputs.get("parameters", {}).items()}
        folder = f"{self._root}/{task.name}_{secrets.randbits(62)}"
        step = Step(task.name, component, parameters, task.inputs, folder)
        if condition and not holds(condition, step.executor_input()["inputs"]):
            return "NOT_TRIGGERED", f"its condition does not hold: {condition}"
        self._enter(task, "RUNNING")
        executor = self._spec["deploymentSpec"]["executors"][component["executorLabel"]]
        if "resolver" in executor:
            queries = executor["resolver"]["outputArtifactQueries"].items()
            task.outputs = {key: self._resolve(step, query["filter"]) for key, query in queries}
            return "SUCCEEDED", ""
        if "importer" in executor:
            (key,) = component["outputDefinitions"]["artifacts"]
            task.outputs = {key: [self._import(executor["importer"])]}
            return "SUCCEEDED", ""
        return self._run_container(task, step, spec, executor["container"])

    def _run_container(
        self, task: Task, step: Step, spec: dict[str, Any], container: dict[str, Any]
    ) -> tuple[str, str]:
        task.log = self.folder / f"{task.name}.log"
        step.prepare_outputs(self._prefix)
        if driver := container.get("lifecycle", {}).get("preCacheCheck"):
            if code := self._command(task, step, driver, "driver"):
                return "FAILED", f"its driver ended with {_ending(code)}"
            step.parameters |= step.take(self._told(step))
        digest = step.digest(container, self._pipeline)
        if spec.get("cachingOptions", {}).get("enableCache") and (known := self._store.recall(digest)):
            task.outputs, task.parameters = known
            return "SKIPPED", ""
        policy = spec.get("retryPolicy", {})
        tries, pause = 1 + int(policy.get("maxRetryCount", 0)), float(policy.get("backoffDuration", "0s").rstrip("s"))
        for number in range(1, tries + 1):
            code = self._command(task, step, container, "executor")
            if code == 0:
                break
            if number == tries or self._cancelled.wait(pause):
                return "FAILED", f"its command ended with {_ending(code)}" + (f", tried {number} times" * (number > 1))
            pause *= float(policy.get("backoffFactor", 2.0))
        task.parameters = step.take(self._told(step))
        task.outputs = step.outputs
        self._store.put(self._pipeline, step.outputs)
        self._store.remember(digest, step.outputs, task.parameters)
        return "SUCCEEDED", ""

    def _command(self, task: Task, step: Step, template: dict[str, Any], which: str) -> int:
        assert task.log
        command = step.filled_in([*template.get("command", []), *template.get("args", [])])
        command = [self._buckets.local(part) for part in command]
        for some in step.outputs.values():
            for artifact in some:
                self._buckets.path(artifact.uri).parent.mkdir(parents=True, exist_ok=True)
        script = task.log.with_name(f"{task.name}.{which}.sh")
        script.write_text(as_script(command))
        with task.log.open("a") as log:
            log.write(f"$ sh {script}\n")
        return self._launch(command, task.log, self._cancelled.is_set)

    def _told(self, step: Step) -> dict[str, Any]:
        """Return what the step wrote; nothing if it is none of TFX's."""
        file = self._buckets.path(step.output_file)
        if not file.exists():
            return {}
        told: dict[str, Any] = json.loads(self._buckets.remote(file.read_text()))
        return told

    def _artifacts(self, source: dict[str, Any]) -> list[Artifact]:
        made = source["taskOutputArtifact"]
        return self.tasks[made["producerTask"]].outputs.get(made["outputArtifactKey"], [])

    def _parameter(self, source: dict[str, Any]) -> Any:
        if "runtimeValue" in source:
            return source["runtimeValue"]["constant"]
        if "componentInputParameter" in source:
            return self._parameters[source["componentInputParameter"]]
        if "taskFinalStatus" in source:
            ended = self.tasks[source["taskFinalStatus"]["producerTask"]]
            return json.dumps({"state": ended.state, "pipelineTaskName": ended.name, "error": {"message": ended.error}})
        made = source["taskOutputParameter"]
        # TFX adds '_task' to a name that is the task's own already.
        producer = made["producerTask"].removesuffix("_task")
        return self.tasks[producer].parameters[made["outputParameterKey"]]

    def _resolve(self, step: Step, filter_: str) -> list[Artifact]:
        if not all(step.inputs.values()):  # the query before it found nothing
            return []
        (filled,) = step.filled_in([filter_])
        return self._store.find(self._pipeline, filled)

    def _import(self, importer: dict[str, Any]) -> Artifact:
        address = importer["artifactUri"]
        uri = address["constant"] if "constant" in address else self._parameters[address["runtimeParameter"]]
        artifact = new_artifact(f"{self._prefix}/artifacts/{secrets.randbits(63)}", uri, importer["typeSchema"])
        artifact.metadata |= importer.get("metadata", {})
        self._store.put(self._pipeline, {"artifact": [artifact]})
        return artifact

    def _enter(self, task: Task, state: str, error: str = "") -> None:
        task.state, task.error = state, error
        task.began = task.began or time.time()
        task.ended = time.time()
        self._record()
        self._on_change(task)


def producers(spec: dict[str, Any]) -> set[str]:
    """Return the tasks that must end before one begins."""
    inputs = spec.get("inputs", {})
    made = [source.get("taskOutputArtifact", {}) for source in inputs.get("artifacts", {}).values()]
    made += [source.get("taskOutputParameter", {}) for source in inputs.get("parameters", {}).values()]
    named = {source.get("producerTask", "").removesuffix("_task") for source in made}
    return ({*spec.get("dependentTasks", [])} | named) - {""}


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
