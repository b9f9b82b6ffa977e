"""The pipeline of a configuration, compiled: here, and as a job for Vertex AI Pipelines."""

from __future__ import annotations

from typing import Any

from pipeline.config.pipeline import PipelineConfig
from pipeline.contract.run_inputs import look
from pipeline.runners.vertex.addresses import as_seen_from_vertex


def chain(config: PipelineConfig, **options: Any) -> Any:
    """TFX's pipeline of a run on this machine; its tables need not be there."""
    from pipeline.definition import create_pipeline

    return create_pipeline(config, look(config, elsewhere=True), **options)


def steps_of(config: PipelineConfig) -> list[Any]:
    """The steps of that run, as TFX's compiler describes them."""
    from tfx.dsl.compiler import compiler

    return [node.pipeline_node for node in compiler.Compiler().compile(chain(config)).nodes]


def job_of(config: PipelineConfig, **options: Any) -> dict[str, Any]:
    """The job on Vertex AI."""
    from pipeline.runners.vertex.compile import compile_job

    assert config.vertex
    config = as_seen_from_vertex(config, config.vertex)
    return compile_job(config, look(config, elsewhere=True), **options)
