"""What a run came to, in a few values that ML Metadata keeps with the run.

They stand as custom properties of the run's context, so that a thousand runs are read with one query and no file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

from ml_metadata import MetadataStore

from pipeline.config.evaluation import COUNT
from pipeline.lineage.artifact_names import HYPERPARAMETER
from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run, find_run, list_runs

BLESSED, NOT_BLESSED, UNFIT, BLOCKED = "blessed", "not blessed", "unfit to serve", "blocked"
"""Verdicts: by the metrics, by the check before the push, by the data gate; a run that got to none has none."""

_RECORDED = "verdict"
"""The property that every recorded summary has, be it empty."""
_TRAINER = "Trainer"
_MOST_FAILURES = 3
"""Why a model is not blessed: the report has them all."""


@dataclass(frozen=True)
class Summary:
    """The gist of a run.

    Attributes:
        spans: of the data; empty for a table without spans.
        rows: by split.
        metrics: overall, of the run's model.
        verdict: BLESSED, NOT_BLESSED, UNFIT, BLOCKED or "".
        pushed_version: of the model that it pushed, or "".
        hyperparameters: that its model was trained with.
        baselines: {metric: {trees and guess: value}} on the rows that judged the model; empty of an older run.
        judged_rows: tells the rows of the table, as ingestion wrote them, from others; "" of an older Longhaul.
        judged: how sure the metrics are, and why the model is not blessed: `intervals`, `differences` from the
            `champion`, `failures` and `own_lower_is_better` of the verdict; empty of an older run.
    """

    spans: tuple[int, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    verdict: str = ""
    pushed_version: str = ""
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    judged_rows: str = ""
    judged: dict[str, Any] = field(default_factory=dict)

    @property
    def same_rows(self) -> tuple[Any, ...]:
        """Equal for runs whose models were judged by the same rows: only their metrics can be compared."""
        return (self.judged_rows or (self.spans, sorted(self.rows.items())), self.metrics.get(COUNT))

    def to_properties(self) -> dict[str, str]:
        """Write custom properties; `from_properties` reads them back."""
        names = ("spans", "rows", "metrics", "hyperparameters", "baselines", "judged")
        packed = {name: json.dumps(getattr(self, name)) for name in names}
        texts = ("verdict", "pushed_version", "judged_rows")
        return packed | {name: getattr(self, name) for name in texts}

    @classmethod
    def from_properties(cls, properties: dict[str, str]) -> Summary | None:
        """Return None if the run has none on record."""
        if _RECORDED not in properties:
            return None
        return cls(
            tuple(json.loads(properties["spans"])),
            json.loads(properties["rows"]),
            json.loads(properties["metrics"]),
            properties["verdict"],
            properties["pushed_version"],
            json.loads(properties["hyperparameters"]),
            json.loads(properties.get("baselines", "{}")),
            properties.get("judged_rows", ""),
            json.loads(properties.get("judged", "{}")),
        )


@dataclass(frozen=True)
class Listed:
    """A run as a list shows it."""

    run: Run
    summary: Summary


def list_summaries(store: MetadataStore, pipeline: str) -> list[Listed]:
    """Return all runs of a pipeline with their summaries, newest first, imported ones too.

    Of a run that recorded none (one that was killed, or of an older Longhaul) the artifacts are read, as far as they
    still stand.
    """
    listed = []
    for run in list_runs(store, pipeline, with_imported=True):
        if recorded := Summary.from_properties(run.properties):
            listed.append(Listed(run, recorded))
        else:
            whole = find_run(store, pipeline, run.run_id)
            listed.append(Listed(replace(run, seconds=whole.seconds), summarize(store, whole)))
    return listed


def summary_properties(store: MetadataStore, run: Run) -> dict[str, str]:
    """Return what the runner records at the end of a run. `run` is whole (find_run)."""
    return summarize(store, run).to_properties()


def summarize(store: MetadataStore, run: Run) -> Summary:
    """Read a whole run's artifacts."""
    if recorded := Summary.from_properties(run.properties):
        return recorded
    ingestion, verdict = run.ingestion or {}, run.verdict
    tables = [artifact for artifact in run.artifacts.get("TableExampleGen", []) if artifact.type == "Examples"]
    examples = [artifact.properties for artifact in tables]
    on_record = {key: json.loads(found[key]) for found in examples for key in ("spans", "rows") if key in found}
    spans = tuple(ingestion.get("spans") or on_record.get("spans", ()))
    return Summary(
        spans=() if spans == (0,) else spans,  # ExampleGen's number for a table without spans
        rows=ingestion.get("rows") or on_record.get("rows", {}),
        metrics=verdict["metrics"] if verdict else {},
        verdict=_verdict(run),
        pushed_version=_pushed_version(run),
        hyperparameters=dict(sorted(hyperparameters(store, run).items())),
        baselines=_baselines(verdict or {}),
        judged_rows=next(map(_told_apart, tables), ""),
        judged=_judged(verdict or {}),
    )


def _baselines(verdict: dict[str, Any]) -> dict[str, dict[str, float]]:
    found = (verdict.get("baselines") or {}).get("metrics", {})
    metrics = dict.fromkeys(metric for of in found.values() for metric in of)
    return {metric: {name: of[metric] for name, of in found.items() if metric in of} for metric in metrics}


def _judged(verdict: dict[str, Any]) -> dict[str, Any]:
    told = {"intervals": verdict.get("intervals"), "differences": verdict.get("differences")}
    told |= {"champion": verdict.get("champion_name"), "failures": verdict.get("failures", [])[:_MOST_FAILURES]}
    told |= {"own_lower_is_better": verdict.get("own_lower_is_better")}
    return {name: value for name, value in told.items() if value}


def _told_apart(examples: Artifact) -> str:
    """Return what tells the rows of Examples from others: what their files are (pipeline.runners.local.contents)."""
    return hashlib.sha256(str(examples.properties.get("contents") or examples.id).encode()).hexdigest()[:16]


def _verdict(run: Run) -> str:
    """Return what the last gate said that the run got to."""
    if run.blocked:
        return BLOCKED
    if run.infra_verdict and not run.infra_verdict["blessed"]:
        return UNFIT
    return "" if run.verdict is None else BLESSED if run.verdict["blessed"] else NOT_BLESSED


def _pushed_version(run: Run) -> str:
    for artifact in run.artifacts.get("Pusher", []):
        if artifact.properties.get("pushed") == 1:
            return str(artifact.properties.get("pushed_version", ""))
    return ""


def hyperparameters(store: MetadataStore, run: Run) -> dict[str, Any]:
    """Return what the run's model says that it was trained with; else the settings that Trainer was given."""
    for artifact in run.artifacts.get(_TRAINER, []):
        told = {
            name.removeprefix(HYPERPARAMETER): json.loads(value) if isinstance(value, str) else value
            for name, value in artifact.properties.items()
            if name.startswith(HYPERPARAMETER)
        }
        if artifact.type == "Model" and told:
            return told
    ids = [step.execution_id for step in run.steps if step.node == _TRAINER and step.execution_id is not None]
    for execution in store.get_executions_by_id(ids) if ids else []:
        text = execution.custom_properties["custom_config"].string_value
        if text and isinstance(settings := (json.loads(text) or {}).get("trainer"), dict):
            return settings
    return {}
