"""Runs and their steps, as ML Metadata remembers them. No TensorFlow here."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.errors import PipelineError
from pipeline.lineage.artifact_names import INFRA_FILE, SUMMARY_FILE, VERDICT_FILE
from pipeline.lineage.process import Process
from pipeline.lineage.records import (
    ORDER,
    REPEATS,
    SERVED,
    Artifact,
    Step,
    contexts_of,
    plain_value,
    read_artifact,
    read_steps,
    seconds_on_record,
    told,
)
from pipeline.lineage.run_files import read_object
from pipeline.lineage.states import DATA_VERDICT
from pipeline.lineage.states import StepState as StepState
from trainer.artifact_names import HISTORY_FILE

RUN_CONTEXT = "pipeline_run"
"""TFX's context type; a run's name is its id."""
PLANNED = "planned"
RUN_PROPERTIES = (
    *("config_digest", "code_digest", "package_versions", "config", "code_files"),
    *("git_commit", "config_file"),
    *("schema_digest", "schema_version", "schema_review"),
    *("spans", "rows", "metrics", "verdict", "pushed_version", "hyperparameters", "baselines"),
    *("judged_rows", "judged", "pinned", "imported", "schema_text", SERVED),
    *("process", "workspace", "from_node", "to_node", "resumes", "made_with", PLANNED, REPEATS, ORDER),
)
"""Custom properties of a run's context: what it was made with, which version of the schema guarded it, what came of it
(pipeline.lineage.summary), what served when it began (pipeline.serving.versions.Serving), and what people did with it
since."""


@dataclass(frozen=True)
class Run:
    """One run, with whatever of it is on record.

    Attributes:
        status: running, complete, blocked (by the data gate), failed, interrupted, or died: its process has ended
            without a word. The next command that writes to the workspace makes 'interrupted' of that.
        artifacts: outputs by the node that made them (or reused them).
        verdict: what Evaluator found (pipeline.components.evaluator.summarize), or None.
    """

    run_id: str
    pipeline: str
    status: str
    started: str
    seconds: float
    reason: str
    properties: dict[str, str]
    steps: list[Step] = field(default_factory=list)
    artifacts: dict[str, list[Artifact]] = field(default_factory=dict)

    @property
    def imported(self) -> bool:
        """Whether it happened elsewhere: it can be looked at, and no run builds on it."""
        return "imported" in self.properties

    @property
    def verdict(self) -> dict[str, Any] | None:
        """Evaluator's summary, if the run got so far and the artifact still stands."""
        return self._json("Evaluator", "ModelEvaluation", VERDICT_FILE)

    @property
    def not_reached(self) -> list[Step]:
        """Steps that were planned and never began; none of a run at work, or of one whose plan is not on record."""
        began = {step.node for step in self.steps}
        planned = json.loads(self.properties.get(PLANNED, "[]")) if self.status != "running" else []
        return [Step(node, StepState.NOT_REACHED, 0.0, None) for node in planned if node not in began]

    @property
    def blocked(self) -> bool:
        """Whether the data gate said no."""
        return any(artifact.properties.get("blessed") == 0 for artifact in self.artifacts.get("DataGate", []))

    @property
    def data_verdict(self) -> dict[str, Any] | None:
        """What the data gate found (pipeline.guard.findings.DataVerdict), if the run got so far."""
        return self._json("DataGate", DATA_VERDICT, VERDICT_FILE)

    @property
    def history(self) -> dict[str, Any] | None:
        """What Trainer recorded of the training (trainer.train), if the run got so far."""
        return self._json("Trainer", "ModelRun", HISTORY_FILE)

    @property
    def ingestion(self) -> dict[str, Any] | None:
        """What ExampleGen counted: rows per split, labels, spans, files."""
        if (found := self._json("TableExampleGen", "Examples", SUMMARY_FILE)) and (aside := found.get("set_aside")):
            aside["file"] = f"{self.artifacts['TableExampleGen'][0].uri}/{Path(aside['file']).name}"
        return found

    @property
    def infra_verdict(self) -> dict[str, Any] | None:
        """What the check before the push found (pipeline.serving.verdict.ServingVerdict), if a model got so far."""
        found = self._json("InfraCheck", "InfraBlessing", INFRA_FILE)
        return found if found and found.get("checked") else None

    @property
    def not_pushed(self) -> str | None:
        """Why a model that was blessed twice was not pushed, or None."""
        return next(map(str, filter(None, self._of_pusher("not_pushed"))), None)

    @property
    def served_already(self) -> bool:
        """Whether the model was not pushed because it served, and the run only took note of the version."""
        return any(self._of_pusher("served_already"))

    @property
    def pushed(self) -> str | None:
        """Where the pushed model lies, or None if nothing was pushed."""
        for artifact in self.artifacts.get("Pusher", []):
            if artifact.properties.get("pushed") == 1:
                return str(artifact.properties["pushed_destination"])
        return None

    def _of_pusher(self, name: str) -> list[Any]:
        return [artifact.properties.get(name) for artifact in self.artifacts.get("Pusher", [])]

    def _json(self, node: str, type_name: str, file: str) -> dict[str, Any] | None:
        for artifact in self.artifacts.get(node, []):
            path = artifact.folder / file
            if artifact.type == type_name and path.exists():
                return read_object(path)
        return None


def list_runs(store: MetadataStore, pipeline: str, *, with_imported: bool = False) -> list[Run]:
    """Return all runs of a pipeline, newest first, without steps and artifacts."""
    known = map(_run, store.get_contexts_by_type(RUN_CONTEXT))
    runs = [run for run in known if run.pipeline == pipeline and (with_imported or not run.imported)]
    return sorted(runs, key=lambda run: run.properties.get(ORDER, run.run_id), reverse=True)


class RunsById(Mapping[str, Run]):
    """All runs of a pipeline, imported ones too, without steps and artifacts.

    A single one is read alone; whoever goes through them, the newest first, reads them all.
    """

    def __init__(self, store: MetadataStore, pipeline: str) -> None:
        self._store, self._pipeline = store, pipeline
        self._read: dict[str, Run | None] = {}

    @cached_property
    def _all(self) -> dict[str, Run]:
        return {run.run_id: run for run in list_runs(self._store, self._pipeline, with_imported=True)}

    def __getitem__(self, run_id: str) -> Run:
        if run_id not in self._read:
            context = self._store.get_context_by_type_and_name(RUN_CONTEXT, run_id)
            run = _run(context) if context else None
            self._read[run_id] = run if run and run.pipeline == self._pipeline else None
        if (found := self._read[run_id]) is None:
            raise KeyError(run_id)
        return found

    def __iter__(self) -> Iterator[str]:
        self._read.update(self._all)
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def find_run(store: MetadataStore, pipeline: str, run_id: str) -> Run:
    """Return one run whole, by its id or in the words of `named_run`.

    Raises:
        PipelineError: there is no such run.
    """
    run_id = named_run(store, pipeline, run_id)
    if (run := _read_run(store, run_id)) and run.pipeline in ("", pipeline):
        return run
    known = [run.run_id for run in list_runs(store, pipeline, with_imported=True)]
    near = difflib.get_close_matches(run_id, known, n=1)
    raise PipelineError(
        f"there is no run {run_id!r}", f"did you mean {near[0]}?" if near else "`longhaul runs` lists them"
    )


def is_run_id(text: str) -> bool:
    """Return whether a run could have that id (pipeline.runners.local.run_id): a time, which is safe as a file's
    name."""
    if not re.fullmatch(r"\d{8}-\d{6}-\d{3}", text, re.ASCII):
        return False
    try:
        datetime.strptime(text, "%Y%m%d-%H%M%S-%f")
    except ValueError:
        return False
    return True


def named_run(store: MetadataStore, pipeline: str, name: str) -> str:
    """Return the id of the run that a person names: 'latest' is the newest, 'latest~1' or 'previous' the one before.

    Imported runs do not count here; they are named by their ids. Any other name is returned as it is.

    Raises:
        PipelineError: the pipeline has not had so many runs.
    """
    backwards = re.fullmatch(r"latest(?:~(\d{1,9}))?|previous", name)
    if not backwards:
        return name
    runs = list_runs(store, pipeline, with_imported=True)
    own = [run.run_id for run in runs if not run.imported]
    steps = 1 if name == "previous" else int(backwards[1] or 0)
    if steps < len(own):
        return own[steps]
    if not runs:
        raise PipelineError(f"pipeline {pipeline!r} has no runs yet", "`longhaul run` makes one")
    if not own:
        raise PipelineError(
            f"pipeline {pipeline!r} has no run of its own yet, and {name!r} means none of the {len(runs)} imported",
            f"name an imported run by its id, such as {runs[0].run_id}; `longhaul runs` lists them",
        )
    raise PipelineError(f"there is no run {name!r}: pipeline {pipeline!r} has {len(own)}", "`longhaul runs` lists them")


def latest_evaluated(store: MetadataStore, pipeline: str) -> Run:
    """Return the newest run whose evaluation still stands.

    Raises:
        PipelineError: there is none.
    """
    for run in list_runs(store, pipeline):
        whole = find_run(store, pipeline, run.run_id)
        if whole.verdict:
            return whole
    raise PipelineError(f"no run of pipeline {pipeline!r} has judged a model", "`longhaul run` trains and judges one")


def _read_run(store: MetadataStore, run_id: str) -> Run | None:
    """Return one run whole, or None."""
    context = store.get_context_by_type_and_name(RUN_CONTEXT, run_id)
    if context is None:
        return None
    run = _run(context)
    if not run.seconds:
        run = replace(run, seconds=seconds_on_record(context, store.get_executions_by_context(context.id)))
    run.steps.extend(read_steps(store, context.id))
    steps = {step.execution_id: step for step in run.steps}
    events = store.get_events_by_execution_ids([i for i in steps if i is not None]) if steps else []
    made: dict[int, str] = {}
    outputs: dict[int, list[int]] = {}
    # Resolvers last: among the steps that TFX takes from an earlier run, in no order, they may come first.
    for event in sorted(events, key=lambda event: (steps[event.execution_id].is_resolver, event.execution_id)):
        if event.type == metadata_store_pb2.Event.OUTPUT:
            made.setdefault(event.artifact_id, steps[event.execution_id].node)
            outputs.setdefault(event.execution_id, []).append(event.artifact_id)
    artifacts = {artifact.id: read_artifact(artifact) for artifact in store.get_artifacts_by_id(list(made))}
    for number, artifact in artifacts.items():
        run.artifacts.setdefault(made[number], []).append(artifact)
    for place, step in enumerate(run.steps):
        put = [artifacts[number] for number in outputs.get(step.execution_id or 0, ()) if number in artifacts]
        run.steps[place] = told(step, put)
    return run


def run_of(store: MetadataStore, execution_id: int) -> str:
    """Return the id of the run that an execution is part of; "" if it is part of none."""
    return next((str(one.name) for one in contexts_of(store, execution_id) if one.type == RUN_CONTEXT), "")


def _run(context: metadata_store_pb2.Context) -> Run:
    values = {key: plain_value(value) for key, value in context.custom_properties.items()}
    if values.get("status") == "running":
        process = Process.from_json(str(values.get("process")))
        values["status"] = "died" if process and process.is_gone else "running"
    return Run(
        run_id=context.name,
        pipeline=str(values.get("pipeline", "")),
        status=str(values.get("status", "unknown")),
        started=str(values.get("started", "")),
        seconds=float(values.get("seconds", 0.0)),
        reason=str(values.get("reason", "")),
        properties={key: str(values[key]) for key in RUN_PROPERTIES if key in values},
    )
