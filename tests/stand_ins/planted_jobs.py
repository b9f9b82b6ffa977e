"""Jobs as the service has them on record, written by hand: the reference pipeline's own graph, any state, real files.

What the tasks are and read is that of tests/golden/flights_vertex.json; what came of them the tests say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.guard.findings import DataVerdict, Finding
from pipeline.lineage.schema_versions import digest_of
from pipeline.lineage.source_files import to_property
from pipeline.serving.versions import Manifest
from tests.serving.models import a_manifest, a_model
from trainer.digests import MANIFEST

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "flights_vertex.json").read_text())
PARENT = "projects/my-project/locations/us-central1"
ROOT = "gs://my-bucket/longhaul"
ORDER = (
    *("Champion-model-blessing-resolver", "Champion-model-resolver", "CuratedSchema", "TableExampleGen"),
    *("StatisticsGen", "InferredSchema", "ExampleValidator", "DataGate", "Transform", "Trainer", "Evaluator"),
    *("InfraCheck", "Pusher"),
)
"""In which the tasks run."""
AFTER_THE_GATE = ORDER[8:]
SCHEMA = """
feature { name: "carrier" type: BYTES presence { min_fraction: 1.0 } }
feature { name: "distance_miles" type: FLOAT presence { min_fraction: 1.0 } }
feature { name: "late" type: INT presence { min_fraction: 1.0 } }
"""
INGESTION = {
    "rows": {"train": 800, "eval": 200},
    "labels": {"unlabelled": 3, "classes": {"train": {"0": 600, "1": 200}, "eval": {"0": 150, "1": 50}}, "span": {}},
    "files": ["/gcs/my-bucket/flights/span-01/flights.parquet"],
    "spans": [1],
    "columns": {"carrier": "string", "distance_miles": "float"},
}
HISTORY = {"kept_epoch": 2, "rows": 800, "loss": [0.9, 0.7, 0.65], "val_loss": [0.8, 0.75, 0.77]}
BLOCKING = Finding(
    kind="enum_type_unexpected_string_values",
    feature="carrier",
    split="train",
    rule="schema",
    expected="one of its values",
    found="<b>XX</b>",
    share=0.4,
)


def verdict(auc: float, *, blessed: bool = True) -> dict[str, Any]:
    """What Evaluator found."""
    failures = [] if blessed else [f"auc {auc} is below 0.64"]
    return {
        "blessed": blessed,
        "metrics": {"auc": auc, "log_loss": 0.5, "example_count": 200.0},
        "champion": None,
        "slices": [],
        "failures": failures,
    }


@dataclass
class Desk:
    """Where jobs are planted: the folder that stands for Cloud Storage, and what the stand-in tells of jobs.

    Attributes:
        jobs: REST resources by id, in the order in which they were planted.
        scratch: for models before they are in the bucket.
    """

    buckets: Path
    scratch: Path
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _made: dict[str, dict[str, Any]] = field(default_factory=dict)
    _number: int = 0

    def file(self, address: str) -> Path:
        return self.buckets / address.removeprefix("gs://")

    def write(self, address: str, content: Any) -> None:
        self.file(address).parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.file(address).write_bytes(data)

    def job(
        self,
        job_id: str,
        minute: int,
        state: str = "SUCCEEDED",
        *,
        auc: float = 0.7,
        blessed: bool = True,
        states: Mapping[str, str] | None = None,
        cached_from: str = "",
        blocked: bool = False,
        version: int | None = None,
        error: str = "",
        metadata: Mapping[str, Mapping[str, Any]] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Plants a job.

        Args:
            minute: of the hour in which it was made.
            states: of tasks, where that is not SUCCEEDED.
            cached_from: the job that made what the tasks up to Trainer put out.
            version: as which it pushed its model.
            metadata: of artifacts, by type, besides what is usual.
        """
        states = dict(states or {})
        if blocked:
            states |= dict.fromkeys(AFTER_THE_GATE, "NOT_TRIGGERED")
        if not blessed:
            states |= dict.fromkeys(("Pusher",), "NOT_TRIGGERED")
        spec = _with_schema(GOLDEN["pipelineSpec"])
        made: dict[str, Any] = {}
        details = [{"taskId": "1", "taskName": job_id, "state": state, "startTime": _time(minute, 0)}]
        for place, name in enumerate(ORDER):
            how = states.get(name, "SKIPPED" if cached_from and name in ORDER[2:10] else "SUCCEEDED")
            task = spec["root"]["dag"]["tasks"][name]
            component = spec["components"][task["componentRef"]["name"]]
            if how == "SKIPPED":
                made[name] = self._made[cached_from][name]
            elif how == "SUCCEEDED":
                folder = f"{ROOT}/artifacts/123/{job_id}/{name}_{place}"
                told = _told(auc, blessed, blocked, version, metadata or {})
                made[name] = self._outputs(name, component, folder, told)
            detail: dict[str, Any] = {"taskId": str(place + 2), "taskName": name, "state": how}
            if how not in ("PENDING", "NOT_TRIGGERED"):
                detail["startTime"] = _time(minute, 2 * place)
                detail["inputs"] = {
                    key: {"artifacts": made.get(source["taskOutputArtifact"]["producerTask"], {}).get(
                        source["taskOutputArtifact"]["outputArtifactKey"], {}).get("artifacts", [])}
                    for key, source in task.get("inputs", {}).get("artifacts", {}).items()
                }  # fmt: skip
                detail["executorDetail"] = {
                    "containerDetail": {"mainJob": f"projects/123/locations/us-central1/customJobs/{900 + place}"}
                }
            if how in ("SUCCEEDED", "SKIPPED"):
                detail |= {"endTime": _time(minute, 2 * place + 1), "outputs": made[name]}
            if how in ("FAILED", "CANCELLED"):
                detail["endTime"] = _time(minute, 2 * place + 1)
            if how == "FAILED":
                detail["error"] = {"code": 9, "message": error or "exited with a non-zero status of 1"}
            details.append(detail)
        ended = {"endTime": _time(minute, 40)} if state in ("SUCCEEDED", "FAILED", "CANCELLED") else {}
        self._made[job_id] = made
        self.jobs[job_id] = {
            **{key: GOLDEN[key] for key in ("displayName", "runtimeConfig")},
            "pipelineSpec": spec,
            "name": f"{PARENT}/pipelineJobs/{job_id}",
            "state": f"PIPELINE_STATE_{state}",
            "labels": dict(labels or {}),
            "createTime": _time(minute, 0),
            "startTime": _time(minute, 1),
            **ended,
            **({"error": {"code": 9, "message": error}} if error and state != "SUCCEEDED" else {}),
            "jobDetail": {"taskDetails": details},
        }
        return self.jobs[job_id]

    def push(self, version: int, job_id: str, content: str, **changes: Any) -> Manifest:
        """Puts a version into the bucket, as Pusher does."""
        model = a_model(self.scratch / content, content.encode())
        manifest = a_manifest(model, run_id=job_id, version=version, pushed_by="root@worker", **changes)
        for path in model.rglob("*"):
            if path.is_file():
                self.write(f"{ROOT}/serving/flights/{version}/{path.relative_to(model)}", path.read_bytes())
        self.write(f"{ROOT}/serving/flights/{version}/{MANIFEST}", manifest.to_json())
        return manifest

    def _outputs(
        self, task: str, component: Mapping[str, Any], folder: str, told: Mapping[str, tuple[Any, Mapping[str, Any]]]
    ) -> dict[str, Any]:
        found = {}
        for key, spec in component.get("outputDefinitions", {}).get("artifacts", {}).items():
            title = yaml.safe_load(spec["artifactType"]["instanceSchema"])["title"]
            kind = title.removeprefix("tfx.")
            if task.startswith("Champion"):
                found[key] = {"artifacts": []}
                continue
            self._number += 1
            files, metadata = told.get(kind, ({}, {}))
            for name, content in files.items():
                self.write(f"{folder}/{key}/{name}", content)
            found[key] = {
                "artifacts": [
                    {
                        "name": f"projects/123/locations/us-central1/metadataStores/default/artifacts/{self._number}",
                        "uri": f"{folder}/{key}",
                        "schemaTitle": title,
                        "metadata": dict(metadata),
                    }
                ]
            }
        return found


def _told(
    auc: float, blessed: bool, blocked: bool, version: int | None, metadata: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[Any, Mapping[str, Any]]]:
    """By type: files, and metadata with numbers as the service has them."""
    gate = DataVerdict(findings=(BLOCKING,)) if blocked else DataVerdict()
    pushed = {"pushed": 1.0, "pushed_destination": f"{ROOT}/serving/flights/{version}", "pushed_version": str(version)}
    files = [("gs://my-bucket/flights/span-01/flights.parquet", 1000, 17 * 10**18)]
    found: dict[str, tuple[Any, dict[str, Any]]] = {
        "Examples": ({"ingestion.json": INGESTION, "Split-train/rows.parquet": b"rows"}, {"files": to_property(files)}),
        "Schema": ({"schema.pbtxt": SCHEMA.encode()}, {}),
        "longhaul.DataVerdict": ({"verdict.json": gate.to_json()}, {"blessed": float(not blocked)}),
        "Model": ({"Format-Serving/saved_model.pb": b"model"}, {"hp.epochs": "3"}),
        "ModelRun": ({"history.json": HISTORY}, {}),
        "ModelEvaluation": ({"verdict.json": verdict(auc, blessed=blessed)}, {}),
        "ModelBlessing": ({}, {"blessed": float(blessed)}),
        "InfraBlessing": ({"infra.json": {"checked": False, "failures": []}}, {"blessed": 1.0}),
        "PushedModel": ({}, pushed if version else {}),
    }
    for kind, more in metadata.items():
        found[kind][1].update(more)
    return found  # type: ignore[return-value]


def _with_schema(spec: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(json.dumps(spec).replace(json.dumps("…"), json.dumps("{}")))  # long in truth
    parameters = whole["root"]["dag"]["tasks"]["CuratedSchema"]["inputs"]["parameters"]
    parameters["schema_text"] = {"runtimeValue": {"constant": SCHEMA}}
    parameters["schema_digest"] = {"runtimeValue": {"constant": digest_of(SCHEMA)}}
    return whole


def _time(minute: int, second: int) -> str:
    return f"2026-11-02T03:{minute:02d}:{second:02d}.123456789Z"
