"""The pipeline as a job for Vertex AI Pipelines: compiled offline, without credentials.

What comes out is the REST resource `PipelineJob` with all that a submission needs:
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs
"""

from __future__ import annotations

import copy
import json
from typing import Any

import yaml
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from pipeline.beam import arguments
from pipeline.beam.job_servers import check_options
from pipeline.components.placement import DATA_ROOT, PUSH_TO, OnVertex
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.vertex import VertexStep
from pipeline.contract.run_inputs import RunInputs
from pipeline.data.sources import postgresql_address
from pipeline.data.sources.bigquery_address import is_address, parse
from pipeline.data.sources.table_files import split_root
from pipeline.definition import create_pipeline
from pipeline.errors import ConfigError
from pipeline.runners.vertex import container

_MOST_ARGUMENT_BYTES = 120_000
"""Linux's MAX_ARG_STRLEN is 131,072; artifacts are told besides."""


def compile_job(config: PipelineConfig, inputs: RunInputs, *, use_cache: bool = True) -> dict[str, Any]:
    """Compile the pipeline to a job as plain JSON.

    Args:
        config: `as_seen_from_vertex`.
        use_cache: False switches every step's cache off, whatever the configuration says.

    Raises:
        ConfigError: the configuration asks for what Vertex AI Pipelines cannot do, or names a step that is not there.
    """
    assert config.vertex, "whoever compiles has looked"
    vertex = config.vertex
    arguments.check(config.beam, config.file, on_vertex=True)
    check_options(config.beam, {})
    pipeline = create_pipeline(
        config,
        inputs,
        OnVertex(vertex.root),
        enable_cache=use_cache,
        job_servers={
            name: str(portable.job_endpoint) for name, portable in arguments.clusters(config.beam, config.file).items()
        },
    )
    settings = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
        display_name=config.name,
        default_image=vertex.image,
        default_commands=list(container.COMMAND),
        use_pipeline_spec_2_1=True,
    )
    # TFX drops the defaults of runtime parameters: every one gets its value here.
    parameters = {DATA_ROOT: split_root(config.data_pattern)[0], PUSH_TO: f"{vertex.root}/serving/{config.name}"}
    job: dict[str, Any] = kubeflow_v2_dag_runner.KubeflowV2DagRunner(settings).run(pipeline, parameters, False)

    spec = job["pipelineSpec"]
    tasks, executors = spec["root"]["dag"]["tasks"], spec["deploymentSpec"]["executors"]
    containers = {name: executors[f"{name}_executor"].get("container") for name in tasks}
    steps = sorted(name for name, container in containers.items() if container)
    if unknown := sorted(vertex.steps.keys() - set(steps)):
        raise ConfigError(f"vertex.steps: there is no step {unknown[0]!r}", f"the steps are {', '.join(steps)}")
    for name in steps:
        step = vertex.steps.get(name, VertexStep())
        tasks[name]["cachingOptions"] = {"enableCache": use_cache and step.cache}
        if step.retries:
            tasks[name]["retryPolicy"] = {"maxRetryCount": step.retries, "backoffDuration": "5s", "backoffFactor": 2.0}
        if resources := _resources(step):
            containers[name]["resources"] = resources
    if postgresql_address.is_address(config.data_pattern):
        raise ConfigError(
            "data.path: steps on Vertex AI have no password for PostgreSQL",
            "export the table to Parquet in a bucket or to BigQuery, and name that in vertex.data",
        )
    if is_address(config.data_pattern):
        parse(config.data_pattern)  # better refused here than in the step
        # TFX's driver knows files only, so nothing would see a table in BigQuery change.
        del containers["TableExampleGen"]["lifecycle"]
        tasks["TableExampleGen"]["cachingOptions"] = {"enableCache": False}
    for name in steps:
        _check_size(name, tasks[name], containers[name])
    job["labels"] = job.get("labels", {}) | vertex.labels
    if vertex.service_account:
        job["serviceAccount"] = vertex.service_account
    if vertex.network:
        job["network"] = vertex.network
    return job


def for_kubeflow(job: dict[str, Any]) -> str:
    """Return the same for Kubeflow Pipelines: YAML of the specification alone, which holds the values and the root.

    Without the champion, which Kubeflow could not look up: every model is judged by the thresholds alone.

    Raises:
        ConfigError: the tuner's last result is to be looked up, too.
    """
    spec = copy.deepcopy(job["pipelineSpec"])
    _remove_resolvers(spec)
    runtime = job["runtimeConfig"]
    spec["defaultPipelineRoot"] = runtime["gcsOutputDirectory"]
    for name, value in runtime["parameterValues"].items():
        spec["root"]["inputDefinitions"]["parameters"][name] |= {"defaultValue": value, "isOptional": True}
    return str(yaml.safe_dump(spec, sort_keys=True))


def _remove_resolvers(spec: dict[str, Any]) -> None:
    """Kubeflow's own backend takes no specification that holds one ("resolver not implemented yet" in
    https://github.com/kubeflow/pipelines/blob/master/backend/src/v2/compiler/argocompiler/argo.go). To be removed when
    it does."""
    tasks, executors = spec["root"]["dag"]["tasks"], spec["deploymentSpec"]["executors"]
    resolvers = {name for name in tasks if "resolver" in executors[spec["components"][name]["executorLabel"]]}
    if others := sorted(name for name in resolvers if not name.startswith("Champion-")):
        raise ConfigError(
            f"Kubeflow Pipelines looks nothing up, so {others[0]} cannot run there",
            "set tuner.mode to none or search in the configuration of the job",
        )
    for name in resolvers:
        del executors[spec["components"].pop(name)["executorLabel"]], tasks[name]
    for name, task in tasks.items():
        if "dependentTasks" in task:
            task["dependentTasks"] = [before for before in task["dependentTasks"] if before not in resolvers]
        found = task.get("inputs", {}).get("artifacts", {})
        for key in [key for key, made in found.items() if made["taskOutputArtifact"]["producerTask"] in resolvers]:
            del found[key], spec["components"][name]["inputDefinitions"]["artifacts"][key]


def _resources(step: VertexStep) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if step.cpu:
        found["cpuLimit"] = step.cpu
    if step.memory_gb:
        found["memoryLimit"] = step.memory_gb
    if step.accelerator:
        found["accelerator"] = {"type": step.accelerator, "count": str(step.accelerators)}
    return found


def _check_size(name: str, task: dict[str, Any], container: dict[str, Any]) -> None:
    """Check the size of what a step is told in one argument of its command.

    Raises:
        ConfigError: Linux would not take it.
    """
    parameters = task.get("inputs", {}).get("parameters", {})
    size = max(map(len, [json.dumps(parameters), *container["args"]]))
    if size > _MOST_ARGUMENT_BYTES:
        raise ConfigError(
            f"{name} would be told {size:,} bytes of settings; a container's command takes {_MOST_ARGUMENT_BYTES:,}",
            "leave columns out (`longhaul drop COLUMN`), or run such a table with --on local",
        )
