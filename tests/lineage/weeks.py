"""A pipeline that runs week after week, as TFX and the runner would record it: real store, real folders.

Every run reads examples of its own, trains, is judged against the last blessed model, and is pushed if it is blessed.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.process import Process
from pipeline.lineage.runs import RUN_CONTEXT, find_run
from pipeline.lineage.schema_versions import guarding_version
from pipeline.lineage.store import open_store
from pipeline.lineage.summary import summary_properties

_STATES = metadata_store_pb2.Execution
_FIELDS = {str: "string_value", int: "int_value", float: "double_value"}


def cats_document(workspace: Path, **sections: Any) -> dict[str, Any]:
    """What its YAML file holds; `sections` take the place of its own."""
    document = {
        "name": "cats",
        "workspace": str(workspace),
        "data": {"path": "cats.csv", "label": "purrs", "task": "binary"},
        "split": {"by": "hash"},
        "schema": {"file": "cats.pbtxt"},
        "evaluation": {"thresholds": {"auc": {"at_least": 0.6}}},
    }
    return document | sections


def cats(workspace: Path, **sections: Any) -> PipelineConfig:
    """A configuration."""
    return PipelineConfig.model_validate(cats_document(workspace, **sections))


class Weeks:
    """`week(1)` records the first run, 20260101-000000-000, and so on.

    Attributes:
        made: ids of artifacts: `made[1, "Model"]`.
    """

    def __init__(self, workspace: Path, **sections: Any) -> None:
        self.config = cats(workspace, **sections)
        workspace.mkdir(parents=True, exist_ok=True)
        self.store = open_store(self.config)
        self.made: dict[tuple[int, str], int] = {}
        self._pipeline = self._context("pipeline", "cats")
        self._champion: int | None = None
        for folder in ("logs", "reports"):
            (workspace / folder).mkdir(exist_ok=True)

    @staticmethod
    def run_id(number: int) -> str:
        return f"202601{number:02d}-000000-000"

    def week(
        self,
        number: int,
        *,
        auc: float = 0.7,
        blessed: bool = True,
        dropout: float = 0.4,
        rows: int = 80,
        schema: str = "# a schema\n",
        slices: dict[str, float] | None = None,
        beside: dict[str, float] | None = None,
        properties: dict[str, str] | None = None,
        intervals: dict[str, tuple[float, float]] | None = None,
    ) -> str:
        """A run that got through."""
        run_id = self.run_id(number)
        version = guarding_version(self.store, "cats", schema, run_id)
        run = self._begin(run_id, version.run_properties | (properties or {}))
        ingestion = {
            "rows": {"train": rows, "eval": 20},
            "spans": [number],
            "files": [f"week-{number}.csv"],
            "labels": {"unlabelled": 0, "classes": {"train": {"0": rows // 2, "1": rows - rows // 2}}, "span": {}},
            "columns": {"age": "int", "coat": "string"},
        }
        examples = self._step(run, number, "TableExampleGen", {}, {"examples": "Examples"})
        self._file(number, "Examples", "ingestion.json", json.dumps(ingestion).encode())
        self._file(number, "Examples", "Split-train/rows.parquet", b"x" * 1000 * number)
        (table,) = self.store.get_artifacts_by_id([self.made[number, "Examples"]])
        table.custom_properties["contents"].string_value = "the same rows every week, so that metrics can be compared"
        self.store.put_artifacts([table])
        self._step(run, number, "StatisticsGen", examples, {"statistics": "ExampleStatistics"})
        self._file(number, "ExampleStatistics", "Split-train/FeatureStats.pb", statistics(rows, number))
        transform = self._step(
            *(run, number, "Transform", examples),
            {"transform_graph": "TransformGraph", "updated_analyzer_cache": "TransformCache"},
        )
        del transform["updated_analyzer_cache"]
        settings = {"custom_config": json.dumps({"trainer": {"dropout": dropout, "epochs": 8}})}
        model = self._step(run, number, "Trainer", {**examples, **transform}, {"model": "Model"}, settings)
        self._file(number, "Model", "saved_model.pb", b"m" * 500)
        champion = {"baseline_model": self._champion} if self._champion else {}
        judged = self._step(
            *(run, number, "Evaluator", {**examples, **model, **champion}),
            {"blessing": "ModelBlessing", "evaluation": "ModelEvaluation"},
        )
        verdict = {
            "blessed": blessed,
            "metrics": {"auc": auc, "log_loss": 1 - auc},
            "champion": None,
            "slices": [
                {"slice": {"coat": coat}, "metrics": {"auc": value, "example_count": 10.0}}
                for coat, value in (slices or {}).items()
            ],
            "failures": [] if blessed else [f"auc is {auc}, needs at least 0.6"],
            "intervals": intervals or {},
            "baselines": beside and {"metrics": {name: {"auc": value} for name, value in beside.items()}},
        }
        self._file(number, "ModelEvaluation", "verdict.json", json.dumps(verdict).encode())
        about = {"blessed": int(blessed), "current_model_id": model["model"]}
        self._mark(judged["blessing"], about)
        self._push(run, number, {**model, "model_blessing": judged["blessing"]}, blessed)
        if blessed:
            self._champion = model["model"]
        return self.end(run_id, "complete")

    def again(self, number: int, of: int) -> str:
        """A run whose every step is taken from the cache."""
        earlier = self.store.get_context_by_type_and_name(RUN_CONTEXT, self.run_id(of))
        schema = {
            name: one.string_value for name, one in earlier.custom_properties.items() if name.startswith("schema")
        }
        run = self._begin(self.run_id(number), schema)
        for step in sorted(self.store.get_executions_by_context(earlier.id), key=lambda one: one.id):
            properties = step.custom_properties
            copy = _STATES(type_id=step.type_id, last_known_state=_STATES.CACHED, custom_properties=properties)
            copy.custom_properties["run_id"].string_value = run.name
            copy.custom_properties["seconds"].double_value = 0.0
            used = [
                (self.store.get_artifacts_by_id([event.artifact_id])[0], _event(event.path.steps[0].key, event.type))
                for event in self.store.get_events_by_execution_ids([step.id])
            ]
            self.store.put_execution(copy, used, [self._pipeline, run])
        return self.end(run.name, "complete")

    def failed(self, number: int, reason: str = "the disk is full") -> str:
        """A run whose Trainer failed."""
        run = self._begin(self.run_id(number), {})
        examples = self._step(run, number, "TableExampleGen", {}, {"examples": "Examples"})
        self._step(run, number, "Trainer", examples, {}, state=_STATES.FAILED)
        self._step(run, number, "StatisticsGen", examples, {}, state=_STATES.CACHED)  # beside it
        return self.end(run.name, "failed", reason)

    def killed(self, number: int) -> str:
        """A run whose process was killed in Trainer, and that nobody has closed."""
        process = Process(1, socket.gethostname(), "of an earlier start of the machine", 0)
        run = self._begin(self.run_id(number), {"process": process.to_json()})
        examples = self._step(run, number, "TableExampleGen", {}, {"examples": "Examples"})
        self._step(run, number, "Trainer", examples, {}, state=_STATES.RUNNING)
        return str(run.name)

    def end(self, run_id: str, status: str, reason: str = "") -> str:
        """Records what the runner would, and writes a log and a page."""
        summary = summary_properties(self.store, find_run(self.store, "cats", run_id))
        context = self.store.get_context_by_type_and_name(RUN_CONTEXT, run_id)
        _set(context, {**summary, "status": status, "reason": reason, "seconds": 61.5})
        self.store.put_contexts([context])
        root = self.config.root
        (root / "logs" / f"{run_id}.log").write_text("".join(f"line {n}\n" for n in range(1, 31)))
        (root / "reports" / f"{run_id}.html").write_text("<html></html>")
        return run_id

    def path(self, number: int, kind: str) -> Path:
        """Where an artifact lies."""
        (artifact,) = self.store.get_artifacts_by_id([self.made[number, kind]])
        return Path(artifact.uri)

    def state(self, number: int, kind: str) -> str:
        """Of an artifact, in ML Metadata."""
        (artifact,) = self.store.get_artifacts_by_id([self.made[number, kind]])
        return str(metadata_store_pb2.Artifact.State.Name(artifact.state))

    def _begin(self, run_id: str, properties: dict[str, str]) -> Any:
        started = f"2026-01-{run_id[6:8]}T00:00:00+00:00"
        told = {"pipeline": "cats", "run_id": run_id, "started": started, "status": "running", **properties}
        return self._context(RUN_CONTEXT, run_id, told)

    def _context(self, kind: str, name: str, properties: dict[str, str] | None = None) -> Any:
        type_id = self.store.put_context_type(metadata_store_pb2.ContextType(name=kind))
        context = metadata_store_pb2.Context(type_id=type_id, name=name)
        _set(context, properties or {})
        (context.id,) = self.store.put_contexts([context])
        return context

    def _step(
        self,
        run: Any,
        number: int,
        node: str,
        inputs: dict[str, int],
        outputs: dict[str, str],
        properties: dict[str, Any] | None = None,
        state: Any = _STATES.COMPLETE,
    ) -> dict[str, int]:
        """Ids of its outputs by key."""
        kind = self.store.put_execution_type(metadata_store_pb2.ExecutionType(name=f"x.{node}"))
        execution = _STATES(type_id=kind, last_known_state=state)
        _set(execution, {"node": node, "run_id": run.name, "seconds": 2.0, **(properties or {})})
        read = [(self.store.get_artifacts_by_id([one])[0], _event(key, 3)) for key, one in inputs.items()]
        (execution.id,) = self.store.put_executions([execution])
        made = []
        for key, what in outputs.items():
            type_id = self.store.put_artifact_type(metadata_store_pb2.ArtifactType(name=what))
            folder = self.config.root / "artifacts" / node / key / str(execution.id)
            folder.mkdir(parents=True)
            artifact = metadata_store_pb2.Artifact(
                type_id=type_id, uri=str(folder), state=metadata_store_pb2.Artifact.LIVE
            )
            made.append((artifact, _event(key, 4)))
        _, ids, _ = self.store.put_execution(execution, read + made, [self._pipeline, run])
        found = dict(zip(outputs, ids[len(read) :], strict=True))
        self.made.update({(number, what): found[key] for key, what in outputs.items()})
        return found

    def _push(self, run: Any, number: int, inputs: dict[str, int], blessed: bool) -> None:
        made = self._step(run, number, "Pusher", inputs, {"pushed_model": "PushedModel"})
        if not blessed:
            self._mark(made["pushed_model"], {"pushed": 0})
            return
        served = self.config.root / "serving" / "cats" / str(1000 + number)
        served.mkdir(parents=True)
        (served / "saved_model.pb").write_bytes(b"m" * 500)
        about = {"pushed": 1, "pushed_version": served.name, "pushed_destination": str(served)}
        self._mark(made["pushed_model"], about)

    def _mark(self, number: int, properties: dict[str, Any]) -> None:
        (artifact,) = self.store.get_artifacts_by_id([number])
        _set(artifact, properties)
        self.store.put_artifacts([artifact])

    def _file(self, number: int, kind: str, name: str, content: bytes) -> None:
        file = self.path(number, kind) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def statistics(rows: int, age: float) -> bytes:
    """Of two columns: ages from 0 to 2 * `age`, and coats, half of them black."""
    whole = statistics_pb2.DatasetFeatureStatisticsList()
    table = whole.datasets.add(num_examples=rows)
    ages = table.features.add(type=statistics_pb2.FeatureNameStatistics.INT)
    ages.path.step.append("age")
    ages.num_stats.common_stats.num_non_missing = rows
    ages.num_stats.median, ages.num_stats.max = age, 2 * age
    histogram = ages.num_stats.histograms.add(type=statistics_pb2.Histogram.STANDARD)
    histogram.buckets.add(low_value=0, high_value=2 * age, sample_count=rows)
    coats = table.features.add(type=statistics_pb2.FeatureNameStatistics.STRING)
    coats.path.step.append("coat")
    coats.string_stats.common_stats.num_non_missing = rows
    coats.string_stats.unique = 2
    for coat in ("black", "red"):
        coats.string_stats.rank_histogram.buckets.add(label=coat, sample_count=rows / 2)
    return bytes(whole.SerializeToString())


def _event(key: str, kind: Any) -> Any:
    event = metadata_store_pb2.Event(type=kind)
    event.path.steps.add().key = key
    event.path.steps.add().index = 0
    return event


def _set(message: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(message.custom_properties[name], _FIELDS[type(value)], value)
