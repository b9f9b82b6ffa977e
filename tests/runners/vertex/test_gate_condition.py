"""What stands behind the data gate stands under its condition, here and on Vertex AI Pipelines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig

pytestmark = pytest.mark.slow

BEHIND = {"Transform", "Trainer", "Champion", "Evaluator", "InfraCheck", "Pusher"}


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    return load(workspace=str(tmp_path))


def test_every_step_behind_the_gate_asks_for_its_blessing(config: PipelineConfig) -> None:
    from tfx.dsl.compiler import compiler

    from pipeline.definition import create_pipeline

    nodes = [node.pipeline_node for node in compiler.Compiler().compile(create_pipeline(config)).nodes]
    asking = {node.node_info.id for node in nodes if "blessed" in str(node.inputs.conditionals)}
    assert asking == BEHIND
    assert {node.node_info.id for node in nodes} > BEHIND


def test_on_vertex_the_blessing_triggers_what_follows(config: PipelineConfig, tmp_path: Path) -> None:
    """The gate's own command and the trigger of a stock Transform behind it, as TFX compiles them for Vertex."""
    from tfx.components.transform.component import Transform
    from tfx.dsl.experimental.conditionals import conditional
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as vertex
    from tfx.orchestration.pipeline import Pipeline

    from pipeline.components.curated_schema import CuratedSchema
    from pipeline.components.data_gate import DataGate
    from pipeline.components.example_gen import TableExampleGen
    from pipeline.components.example_validator import ExampleValidator
    from pipeline.components.statistics_gen import StatisticsGen
    from pipeline.guard.policy import Policy

    def out(component: Any, key: str) -> Any:
        return component.outputs[key]

    table = TableExampleGen(pattern=config.data_pattern, data=config.data, split=config.split, declared={})
    examples = out(table, "examples")
    statistics = StatisticsGen(examples=examples)
    schema = CuratedSchema(config.schema_file)
    validator = ExampleValidator(statistics=out(statistics, "statistics"), schema=out(schema, "schema"))
    gate = DataGate(
        examples=examples,
        statistics=out(statistics, "statistics"),
        schema=out(schema, "schema"),
        anomalies=out(validator, "anomalies"),
        policy=Policy(),
        pattern=config.data_pattern,
        serving_pattern=None,
        data=config.data,
        split=config.split,
        excluded=(),
    )
    with conditional.Cond(out(gate, "verdict").future()[0].custom_property("blessed") == 1):
        transform = Transform(examples=examples, schema=out(schema, "schema"), preprocessing_fn="a.b")
    pipeline = Pipeline(
        "flights", "gs://bucket/root", components=[table, statistics, schema, validator, gate, transform]
    )
    settings = vertex.KubeflowV2DagRunnerConfig(default_image="image:1", use_pipeline_spec_2_1=True)
    vertex.KubeflowV2DagRunner(settings, output_dir=str(tmp_path), output_filename="job.json").run(pipeline)

    spec = json.loads((tmp_path / "job.json").read_text())["pipelineSpec"]
    tasks = spec["root"]["dag"]["tasks"]
    assert "metadata['blessed'] == 1" in tasks["Transform"]["triggerPolicy"]["condition"].replace('"', "'")
    assert "triggerPolicy" not in tasks["DataGate"]
    command = json.dumps(spec["deploymentSpec"]["executors"][tasks["DataGate"]["componentRef"]["name"] + "_executor"])
    assert "pipeline.components.data_gate.Executor" in command
