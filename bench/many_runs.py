"""A store with many runs in it, and how long the commands that ask it take, their start included; and how long, after
the workspace was moved, until its records name where it lies (its backup included).

    python -m bench.many_runs [--runs 1000] [--folder FOLDER]

The runs are like those of the flights: 13 executions and 16 artifacts each, with properties of the same sizes, every
tenth a repetition that reuses what the one before made. All read the same file under the same version of the schema.
Of what the artifacts name only the last pushed version's folder is there, so that one is served; the file is not.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.contract.schema import read_schema_text
from pipeline.lineage.records import event_of
from pipeline.lineage.runs import RUN_CONTEXT
from pipeline.lineage.schema_versions import record_version
from pipeline.lineage.source_files import FILES, to_property
from pipeline.lineage.store import open_store
from pipeline.lineage.summary import BLESSED, NOT_BLESSED, Summary

RESOLVER = "tfx.dsl.components.common.resolver.Resolver"
STEPS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "CuratedSchema": ("pipeline.components.curated_schema.CuratedSchema", {}, {"schema": "Schema"}),
    "TableExampleGen": ("pipeline.components.example_gen.TableExampleGen", {}, {"examples": "Examples"}),
    "SeenSpans": (RESOLVER, {"examples": "TableExampleGen"}, {}),
    "StatisticsGen": (
        "pipeline.components.statistics_gen.StatisticsGen",
        {"examples": "TableExampleGen"},
        {"statistics": "ExampleStatistics"},
    ),
    "ExampleValidator": (
        "pipeline.components.example_validator.ExampleValidator",
        {"statistics": "StatisticsGen", "schema": "CuratedSchema"},
        {"anomalies": "ExampleAnomalies"},
    ),
    "InferredSchema": (
        "tfx.components.schema_gen.component.SchemaGen",
        {"statistics": "StatisticsGen"},
        {"schema": "Schema"},
    ),
    "DataGate": (
        "pipeline.components.data_gate.DataGate",
        {
            "examples": "TableExampleGen",
            "statistics": "StatisticsGen",
            "schema": "CuratedSchema",
            "anomalies": "ExampleValidator",
        },
        {"verdict": "longhaul.DataVerdict"},
    ),
    "Transform": (
        "pipeline.components.transform.Transform",
        {"examples": "TableExampleGen", "schema": "CuratedSchema"},
        {"transform_graph": "TransformGraph", "updated_analyzer_cache": "TransformCache"},
    ),
    "Trainer": (
        "tfx.components.trainer.component.Trainer",
        {"examples": "TableExampleGen", "transform_graph": "Transform", "schema": "CuratedSchema"},
        {"model": "Model", "model_run": "ModelRun"},
    ),
    "Champion": (RESOLVER, {"challenger": "Trainer"}, {}),
    "Evaluator": (
        "pipeline.components.evaluator.Evaluator",
        {"examples": "TableExampleGen", "model": "Trainer", "schema": "CuratedSchema"},
        {"blessing": "ModelBlessing", "evaluation": "ModelEvaluation"},
    ),
    "InfraCheck": ("pipeline.components.infra_check.InfraCheck", {"model": "Trainer"}, {"blessing": "InfraBlessing"}),
    "Pusher": (
        "pipeline.components.pusher.Pusher",
        {"model": "Trainer", "model_blessing": "Evaluator"},
        {"pushed_model": "PushedModel"},
    ),
}
"""Type, inputs (key: the step that makes it) and outputs (key: type) of each."""

TABLE = "flights.parquet"
"""The file that all runs read, as `longhaul lineage` may be asked about it."""
_FIRST = datetime(2025, 1, 1, tzinfo=UTC)
_STATES = metadata_store_pb2.Execution


def fill(config: PipelineConfig, runs: int) -> MetadataStore:
    """Writes that many runs into the store of a configuration, the oldest first."""
    store = open_store(config)
    writer = _Writer(store, config)
    for number in range(runs):
        writer.run(number)
    last = runs - 1 - (runs % 10 == 0)  # the very last may repeat the one before
    _served(config, last).mkdir(parents=True)
    (_served(config, last) / "saved_model.pb").touch()  # which makes the folder a version
    return store


def _served(config: PipelineConfig, number: int) -> Path:
    return config.root / "serving" / config.name / str(1_795_000_000 + number)


class _Writer:
    def __init__(self, store: MetadataStore, config: PipelineConfig) -> None:
        self._store, self._config = store, config
        self._random = random.Random(13)
        self._types = {kind: _artifact_type(store, kind) for _, _, out in STEPS.values() for kind in out.values()}
        self._steps = {
            node: store.put_execution_type(metadata_store_pb2.ExecutionType(name=kind))
            for node, (kind, _, _) in STEPS.items()
        }
        self._contexts = {
            kind: store.put_context_type(metadata_store_pb2.ContextType(name=kind))
            for kind in (RUN_CONTEXT, "pipeline", "node", "execution_cache")
        }
        (self._pipeline,) = store.put_contexts([self._context("pipeline", config.record_name)])
        self._nodes = dict(
            zip(
                STEPS,
                store.put_contexts([self._context("node", f"{config.record_name}.{n}") for n in STEPS]),
                strict=True,
            )
        )
        self._last: dict[str, dict[str, int]] = {}
        self._schema = record_version(
            store, config.record_name, read_schema_text(config.schema_file), run_id=_run_id(_FIRST)
        )
        self._files = to_property([(str(config.root / "data" / TABLE), 7_423_187, 1_735_689_600_000_000_000)])

    def run(self, number: int) -> None:
        began = _FIRST + timedelta(hours=8 * number)
        run_id = _run_id(began)
        again = number % 10 == 9
        context = self._context(RUN_CONTEXT, run_id, self._run_properties(run_id, began, number))
        executions, artifacts, edges = [], [], []
        places: dict[str, dict[str, int]] = {}
        for index, (node, (_, inputs, outputs)) in enumerate(STEPS.items()):
            executions.append(self._execution(node, run_id, _STATES.CACHED if again else _STATES.COMPLETE))
            for key, maker in inputs.items():
                for place in list(places[maker].values())[:1]:
                    edges.append((index, place, event_of(metadata_store_pb2.Event.INPUT, key)))
            places[node] = {}
            for key, kind in outputs.items():
                artifact = self._artifact(node, key, kind, number - again)
                if again:
                    artifact.id = self._last[node][key]
                places[node][key] = len(artifacts)
                artifacts.append(artifact)
                edges.append((index, places[node][key], event_of(metadata_store_pb2.Event.OUTPUT, key)))
        pipeline = self._context("pipeline", self._config.record_name)
        pipeline.id = self._pipeline
        steps, made, _ = self._store.put_lineage_subgraph(executions, artifacts, [context, pipeline], edges)
        self._last = {node: {key: made[place] for key, place in of.items()} for node, of in places.items()}
        caches = self._store.put_contexts([self._context("execution_cache", f"{run_id}{n}" * 2) for n in STEPS])
        self._store.put_attributions_and_associations(
            [],
            [
                metadata_store_pb2.Association(context_id=context_id, execution_id=step)
                for ids in (self._nodes.values(), caches)
                for context_id, step in zip(ids, steps, strict=True)
            ],
        )

    def _run_properties(self, run_id: str, began: datetime, number: int) -> dict[str, Any]:
        auc = self._random.uniform(0.60, 0.72)
        blessed = auc > 0.64
        summary = Summary(
            spans=tuple(range(1, 1 + number % 12)),
            rows={"train": 20_000 * (1 + number % 12), "eval": 54_065},
            metrics={
                "auc": auc,
                "log_loss": 0.9 - auc / 2,
                "accuracy": 0.75,
                "auc_precision_recall": 0.45,
                "calibration": 0.97,
                "example_count": 54_065.0,
            },
            verdict=BLESSED if blessed else NOT_BLESSED,
            pushed_version=str(1_795_000_000 + number) if blessed else "",
            hyperparameters=self._config.trainer.model_dump(mode="json")
            | {"dropout": round(self._random.uniform(0.1, 0.5), 2)},
        )
        return summary.to_properties() | {
            "run_id": run_id,
            "pipeline": self._config.record_name,
            "config_digest": f"{number % 7:064x}",
            "code_digest": f"{number % 31:064x}",
            "fingerprint": f"{number:064x}",
            "package_versions": _PACKAGES,
            "config": self._config.model_dump_json(by_alias=True),
            "code_files": _CODE,
            **self._schema.run_properties,
            "started": began.isoformat(timespec="seconds"),
            "status": "complete",
            "seconds": self._random.uniform(50, 70),
        }

    def _execution(self, node: str, run_id: str, state: Any) -> Any:
        execution = _STATES(type_id=self._steps[node], last_known_state=state, name=f"{run_id}/{node}")
        sizes = {"TableExampleGen": 4000, "DataGate": 2000, "Transform": 2500, "Trainer": 3000, "Evaluator": 1500}
        values = {
            "node": node,
            "run_id": run_id,
            "config_digest": "0" * 64,
            "code_digest": "1" * 64,
            "package_versions": _PACKAGES,
            "seconds": self._random.uniform(0, 30),
            "custom_config": json.dumps({"features": "x" * sizes.get(node, 100), "trainer": {"dropout": 0.4}}),
        }
        if node == "CuratedSchema":
            values["schema_digest"] = self._schema.digest
        _set(execution, values)
        return execution

    def _artifact(self, node: str, key: str, kind: str, number: int) -> Any:
        uri = self._config.root / "artifacts" / node / key / str(number * len(STEPS) + list(STEPS).index(node) + 1)
        artifact = metadata_store_pb2.Artifact(
            type_id=self._types[kind], uri=str(uri), state=metadata_store_pb2.Artifact.LIVE
        )
        values: dict[str, Any] = {"is_external": 0, "tfx_version": "1.21.0"}
        if kind == "Examples":
            values |= {FILES: self._files, "spans": "[1]", "rows": json.dumps({"train": 20_000, "eval": 54_065})}
        if kind == "PushedModel":
            served = _served(self._config, number)
            values |= {"pushed": 1, "pushed_version": served.name, "pushed_destination": str(served)}
        _set(artifact, values)
        return artifact

    def _context(self, kind: str, name: str, properties: dict[str, Any] | None = None) -> Any:
        context = metadata_store_pb2.Context(type_id=self._contexts[kind], name=name)
        _set(context, properties or {})
        return context


_PACKAGES = json.dumps({f"package-{number}": "1.21.0" for number in range(12)})
_CODE = json.dumps({f"pipeline/components/some_module_{number}.py": f"{number:08x}" for number in range(130)})


def _run_id(began: datetime) -> str:
    return began.strftime("%Y%m%d-%H%M%S-000")


def _artifact_type(store: MetadataStore, kind: str) -> int:
    return int(store.put_artifact_type(metadata_store_pb2.ArtifactType(name=kind)))


def _set(message: Any, values: dict[str, Any]) -> None:
    fields = {str: "string_value", int: "int_value", float: "double_value"}
    for name, value in values.items():
        setattr(message.custom_properties[name], fields[type(value)], value)


def main() -> None:
    """Fills a store and prints the median of five calls of each command, in seconds."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=1000)
    options.add_argument("--folder", type=Path, help="a workspace to fill or, if it is filled, to ask")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (chosen.folder or Path(temporary, "workspace")).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "metadata.db").exists():
            began = time.perf_counter()
            fill(load(workspace=str(folder)), chosen.runs)
            print(f"filled in {time.perf_counter() - began:.0f} s: {(folder / 'metadata.db').stat().st_size:,} bytes")
        lineages = [["lineage", what] for what in ("latest", "served", TABLE, "schema:1")]
        for command in (["runs"], ["runs", "--sort", "auc"], ["show"], *lineages, ["diff"], ["gc"], ["open"]):
            call = [sys.executable, "-m", "pipeline.cli", *command, "--workspace", str(folder)]
            print(f"{' '.join(command):<24}{statistics.median(_seconds(call) for _ in range(5)):6.2f} s")
        seconds = []
        for place in (folder.with_name(f"{folder.name}-moved"), folder):  # there and back
            folder = folder.rename(place)
            seconds.append(_seconds([sys.executable, "-m", "pipeline.cli", "relocate", "--workspace", str(folder)]))
        print(f"{'relocate':<24}{statistics.median(seconds):6.2f} s")


def _seconds(call: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
