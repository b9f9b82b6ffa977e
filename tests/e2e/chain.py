"""What the tests of the whole chain share: a place where it runs, and how its steps ended."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.runs import Run, StepState, find_run
from pipeline.lineage.store import open_store

ROOT = Path(__file__).parents[2]
CURATED = ROOT / "schema" / "flights.pbtxt"
ARTIFACTS = {
    "TableExampleGen": {"Examples"},
    "StatisticsGen": {"ExampleStatistics"},
    "InferredSchema": {"Schema"},
    "CuratedSchema": {"Schema"},
    "ExampleValidator": {"ExampleAnomalies"},
    "DataGate": {"longhaul.DataVerdict"},
    "Transform": {"TransformGraph", "TransformCache"},
    "Trainer": {"Model", "ModelRun"},
    "Evaluator": {"ModelEvaluation", "ModelBlessing"},
    "InfraCheck": {"InfraBlessing"},
    "Pusher": {"PushedModel"},
}
LOOK_UPS = {"SeenSpans", "Champion"}
"""Resolvers, which run every time."""
TRAINING = {"Trainer", "Evaluator", "InfraCheck", "Pusher"}
GUARD = {"ExampleValidator", "DataGate"}
DATA = {"TableExampleGen", "StatisticsGen", "InferredSchema", "Transform"} | GUARD | TRAINING
EVERYTHING = DATA | {"CuratedSchema"}


@dataclass(frozen=True)
class Place:
    """A folder with a table, a schema, a configuration and a workspace."""

    folder: Path
    longhaul: Callable[..., Any]
    document: dict[str, Any]
    workspace: Path

    def run(self, change: dict[str, Any] | None = None, *flags: str) -> tuple[Any, Run]:
        """Runs with `{"section.field": value}` changed; the outcome of the command and the record of the run."""
        outcome = self.longhaul("run", "--config", self.write(change), "--workspace", self.workspace, *flags)
        return outcome, self.latest()

    def config(self, change: dict[str, Any] | None = None) -> PipelineConfig:
        return load(self.write(change), workspace=str(self.workspace))

    def latest(self) -> Run:
        return find_run(self.store, self.document["name"], "latest")

    @property
    def store(self) -> Any:
        return open_store(self.config())

    @property
    def versions(self) -> list[int]:
        """What a model server sees."""
        serving = self.workspace / "serving" / self.document["name"]
        return sorted(int(path.name) for path in serving.iterdir() if not path.name.startswith("."))

    def write(self, change: dict[str, Any] | None = None) -> Path:
        """The configuration file."""
        document = copy.deepcopy(self.document)
        for dotted, value in (change or {}).items():
            *sections, field = dotted.split(".")
            inner = document
            for section in sections:
                inner = inner[section]
            inner[field] = value
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(document))
        return path


def state(run: Run, *states: StepState) -> set[str]:
    """The steps that ended so, look-ups aside."""
    return {step.node for step in run.steps if step.state in states} - LOOK_UPS


def done(run: Run) -> set[str]:
    assert state(run, StepState.DONE, StepState.CACHED) == {s.node for s in run.steps} - LOOK_UPS
    return state(run, StepState.DONE)


def uri(run: Run, node: str, type_name: str) -> Path:
    (artifact,) = [artifact for artifact in run.artifacts[node] if artifact.type == type_name]
    return Path(artifact.uri)


def read_schema(path: Path) -> schema_pb2.Schema:
    return text_format.Parse(path.read_text(), schema_pb2.Schema())
