"""The job for Vertex AI Pipelines: the same graph as here, all that a submission needs, nothing of this machine."""

from __future__ import annotations

import copy
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config.loading import REFERENCE, load
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import ConfigError, DataError
from tests.compiled import job_of, steps_of

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[2] / "golden" / "flights_vertex.json"
VERTEX = {
    "project": "my-project",
    "region": "us-central1",
    "root": "gs://my-bucket/longhaul",
    "image": "us-docker.pkg.dev/my-project/repo/longhaul:1",
    "service_account": "runner@my-project.iam.gserviceaccount.com",
    "labels": {"team": "flights"},
    "data": "gs://my-bucket/flights/span-{SPAN}/flights.parquet",
    "steps": {
        "Trainer": {"cpu": 8, "memory_gb": 32, "accelerator": "NVIDIA_TESLA_T4", "accelerators": 2, "retries": 1},
        "TableExampleGen": {"cpu": 4, "cache": False},
    },
}
LOOK_UPS_OF_OURS = {"SeenSpans"}
"""Vertex has none like it: see create_pipeline."""


def flights(tmp_path: Path, vertex: dict[str, Any] | None = None, **changes: Any) -> PipelineConfig:
    document = yaml.safe_load(REFERENCE.read_text())
    document["schema"]["file"] = str(REFERENCE.parents[2] / "schema" / "flights.pbtxt")
    file = tmp_path / "flights.yaml"
    file.write_text(yaml.safe_dump(document | {"vertex": VERTEX | (vertex or {})} | changes))
    return load(file, workspace=str(tmp_path / "workspace"))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Compiled without a network and without credentials."""

    def no_network(*_: Any, **__: Any) -> Any:
        raise AssertionError("compiling asks for the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", no_network)
        patch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        return job_of(flights(tmp_path_factory.mktemp("compile")))


def tasks(job: dict[str, Any]) -> dict[str, Any]:
    return dict(job["pipelineSpec"]["root"]["dag"]["tasks"])


def container(job: dict[str, Any], step: str) -> dict[str, Any]:
    return dict(job["pipelineSpec"]["deploymentSpec"]["executors"][f"{step}_executor"]["container"])


def test_the_graph_is_the_local_one(job: dict[str, Any], tmp_path: Path) -> None:
    from pipeline.runners.vertex.emulator.job import producers

    nodes = steps_of(flights(tmp_path))
    here = {(before, node.node_info.id) for node in nodes for before in node.upstream_nodes}
    # Vertex's own query for the champion comes before all else; ours leaves the challenger out, and so waits for it.
    expected = {edge for edge in here if not LOOK_UPS_OF_OURS & {*edge} and edge[1] != "Champion"}

    def node_of(task: str) -> str:
        return re.sub(r"-model(-blessing)?-resolver$", "", task)

    there = {(node_of(before), node_of(name)) for name, spec in tasks(job).items() for before in producers(spec)}
    assert there - {("Champion", "Champion")} == expected
    assert {node_of(name) for name in tasks(job)} == {node.node_info.id for node in nodes} - LOOK_UPS_OF_OURS


def test_it_is_what_the_service_and_kubeflow_take(job: dict[str, Any]) -> None:
    from google.cloud.aiplatform_v1 import types
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    json_format.ParseDict(job, types.PipelineJob.pb()())
    spec = json_format.ParseDict(job["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
    assert spec.schema_version == "2.1.0"
    deployment = pipeline_spec_pb2.PipelineDeploymentConfig()
    json_format.ParseDict(job["pipelineSpec"]["deploymentSpec"], deployment)
    assert deployment.executors["Trainer_executor"].container.resources.accelerator.count == 2


def test_steps_get_their_resources_retries_and_caches(job: dict[str, Any]) -> None:
    accelerator = {"type": "NVIDIA_TESLA_T4", "count": "2"}
    assert container(job, "Trainer")["resources"] == {"cpuLimit": 8.0, "memoryLimit": 32.0, "accelerator": accelerator}
    assert container(job, "TableExampleGen")["resources"] == {"cpuLimit": 4.0}
    assert "resources" not in container(job, "Pusher")
    assert tasks(job)["Trainer"]["retryPolicy"]["maxRetryCount"] == 1
    uncached = {name for name, task in tasks(job).items() if task.get("cachingOptions") == {"enableCache": False}}
    assert uncached == {"TableExampleGen"}


def test_the_job_says_as_whom_and_where(job: dict[str, Any]) -> None:
    assert job["serviceAccount"] == VERTEX["service_account"]
    assert job["labels"]["team"] == "flights"
    assert job["runtimeConfig"] == {
        "gcsOutputDirectory": "gs://my-bucket/longhaul/artifacts",
        "parameterValues": {
            "data_root": "gs://my-bucket/flights",
            "push_to": "gs://my-bucket/longhaul/serving/flights",
        },
    }
    assert job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"].keys() == {"data_root", "push_to"}


def test_nothing_of_this_machine_travels(job: dict[str, Any]) -> None:
    text = json.dumps(job)
    assert str(Path.home()) not in text
    assert str(REFERENCE.parents[2]) not in text
    schema = tasks(job)["CuratedSchema"]["inputs"]["parameters"]["schema_text"]["runtimeValue"]["constant"]
    assert schema == (REFERENCE.parents[2] / "schema" / "flights.pbtxt").read_text()


def test_every_step_waits_for_its_gates(job: dict[str, Any]) -> None:
    """Every condition asks for an input that the step has; Pusher asks all three gates."""
    asked = {}
    for name, task in tasks(job).items():
        condition = task.get("triggerPolicy", {}).get("condition", "")
        keys = re.findall(r"inputs\.artifacts\['([^']+)'\]", condition)
        sources = [task["inputs"]["artifacts"][key]["taskOutputArtifact"]["producerTask"] for key in keys]
        if sources:
            asked[name] = sources
    behind = ["Transform", "Trainer", "Evaluator", "InfraCheck"]
    assert asked == {name: ["DataGate"] for name in behind} | {"Pusher": ["DataGate", "Evaluator", "InfraCheck"]}


def test_a_table_in_bigquery_is_read_in_the_step(tmp_path: Path) -> None:
    """Offline; without TFX's driver, which looks for files."""
    address = "bigquery://my-project.flights.of_{SPAN}"
    job = job_of(flights(tmp_path, {"data": address}))
    assert job["runtimeConfig"]["parameterValues"]["data_root"] == address
    assert "lifecycle" not in container(job, "TableExampleGen")
    assert tasks(job)["TableExampleGen"]["cachingOptions"] == {"enableCache": False}
    assert tasks(job)["StatisticsGen"]["cachingOptions"] == {"enableCache": True}
    with pytest.raises(DataError, match=re.escape("bigquery://flights.of is no table in BigQuery")):
        job_of(flights(tmp_path, {"data": "bigquery://flights.of"}))


@pytest.mark.parametrize(
    ("vertex", "changes", "message"),
    [
        ({"data": None}, {}, "data.path: .* lies on this machine"),
        ({}, {"trainer": {"warm_start": True}}, "trainer.warm_start: Vertex AI finds the last blessed model, but not"),
        ({}, {"serving": {"rollout": {"canary": 10}}}, "serving.rollout: a push to gs:// begins no rollout"),
        ({"steps": {"Trianer": {"cpu": 1}}}, {}, "there is no step 'Trianer'"),
    ],
)
def test_what_vertex_cannot_do_is_refused(
    tmp_path: Path, vertex: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        job_of(flights(tmp_path, vertex, **changes))


def test_settings_that_no_command_can_hold_are_refused(job: dict[str, Any]) -> None:
    """Those of a step that is told 130,000 letters; Linux would not start it."""
    from pipeline.runners.vertex.compile import _check_size

    wide = copy.deepcopy(tasks(job)["CuratedSchema"])
    wide["inputs"]["parameters"]["schema_text"]["runtimeValue"]["constant"] = "x" * 130_000
    with pytest.raises(ConfigError, match=r"CuratedSchema would be told 13\d,\d{3} bytes .* takes 120,000"):
        _check_size("CuratedSchema", wide, container(job, "CuratedSchema"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("root", "s3://my-bucket/x"),
        ("root", "/tmp/root"),
        ("image", "longhaul"),
        ("image", "Host/Path:1"),
        ("project", "P"),
        ("region", "moon"),
        ("labels", {"Team": "x"}),
        ("data", "flights.csv"),
        ("service_account", "me"),
        ("steps", {"Trainer": {"cpus": 4}}),
        ("steps", {"Trainer": {"accelerator": "t4"}}),
    ],
)
def test_the_section_is_checked_before_anything_else(tmp_path: Path, field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"vertex.{field}"):
        flights(tmp_path, {field: value})


def test_without_the_section_there_is_no_job(tmp_path: Path) -> None:
    from pipeline.commands.vertex import vertex_of

    with pytest.raises(ConfigError, match="there is no section `vertex`"):
        vertex_of(load(REFERENCE))
    with pytest.raises(ConfigError, match="Vertex AI refuses a job named '2013-flights'"):
        vertex_of(flights(tmp_path, name="2013-flights"))


def test_kubeflow_loads_the_yaml(job: dict[str, Any], tmp_path: Path) -> None:
    from kfp import components

    from pipeline.runners.vertex.compile import for_kubeflow

    file = tmp_path / "flights.yaml"
    file.write_text(for_kubeflow(job))
    loaded = components.load_component_from_file(str(file))
    assert loaded.pipeline_spec.default_pipeline_root == "gs://my-bucket/longhaul/artifacts"
    inputs = loaded.component_spec.inputs
    assert {name: given.default for name, given in inputs.items()} == job["runtimeConfig"]["parameterValues"]
    looked_up = {"Champion-model-resolver", "Champion-model-blessing-resolver"}  # Kubeflow's backend refuses them
    assert tasks(job).keys() - loaded.pipeline_spec.root.dag.tasks.keys() == looked_up
    assert "resolver" not in file.read_text().lower()
    evaluator = loaded.pipeline_spec.root.dag.tasks["Evaluator"]
    assert {*evaluator.dependent_tasks} == {"CuratedSchema", "DataGate", "TableExampleGen", "Trainer"}
    assert {*evaluator.inputs.artifacts} == {"_DataGate.verdict", "examples", "model", "schema"}
    assert loaded.pipeline_spec.components["Evaluator"].input_definitions.artifacts.keys() == {
        *evaluator.inputs.artifacts
    }
    conditions = {name: task.trigger_policy.condition for name, task in loaded.pipeline_spec.root.dag.tasks.items()}
    assert conditions["Pusher"] == tasks(job)["Pusher"]["triggerPolicy"]["condition"]
    assert {name for name, condition in conditions.items() if not condition} >= {"TableExampleGen", "DataGate"}


def test_kubeflow_cannot_look_up_the_last_tuning(tmp_path: Path) -> None:
    from pipeline.runners.vertex.compile import for_kubeflow

    job = job_of(flights(tmp_path, tuner={"mode": "reuse"}))
    with pytest.raises(ConfigError, match="Kubeflow Pipelines looks nothing up, so LastTuning"):
        for_kubeflow(job)


def test_the_job_is_the_one_that_was_reviewed(job: dict[str, Any]) -> None:
    """After a change that is meant: WRITE_GOLDEN=1 python -m pytest tests/runners/vertex/test_compile.py -k reviewed"""
    found = normalised(job)
    if os.environ.get("WRITE_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    assert found == json.loads(GOLDEN.read_text())


def normalised(job: dict[str, Any]) -> dict[str, Any]:
    """Without digests and versions, and without what says how the flights' columns are."""
    plain = copy.deepcopy(job)
    plain["pipelineSpec"]["sdkVersion"] = "tfx"
    plain["labels"] = {key: value for key, value in job["labels"].items() if not key.startswith("tfx")}
    for task in tasks(plain).values():
        for name, source in task.get("inputs", {}).get("parameters", {}).items():
            constant = source.get("runtimeValue", {}).get("constant")
            if isinstance(constant, str) and (len(constant) > 200 or "digest" in name):
                source["runtimeValue"]["constant"] = "…"
    return plain
