"""What all steps are told alike: who does the data work, and the digest of their code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.base_component import BaseComponent

from pipeline.beam import arguments
from pipeline.config.beam import BeamSettings
from pipeline.config.vertex import Vertex
from pipeline.errors import ConfigError
from pipeline.lineage.artifact_names import STEP_CODE
from pipeline.lineage.provenance import step_code_digest


def tell_runners(nodes: list[Any], beam: BeamSettings, vertex: Vertex | None, job_servers: Mapping[str, str]) -> None:
    """Name the runners that do the data work."""
    by_beam = {node.id: node for node in nodes if isinstance(node, BaseBeamComponent)}
    if unknown := sorted(beam.steps.keys() - by_beam.keys()):
        raise ConfigError(f"beam.steps: Beam does no work of {unknown[0]!r}", f"it does that of {', '.join(by_beam)}")
    for name, step in by_beam.items():
        step.with_beam_pipeline_args(arguments.arguments(beam, vertex, name, job_servers))


def tell_code(nodes: list[Any]) -> None:
    """Tell every step the digest of its own code: TFX's cache knows what goes into a step and its settings, but no
    code. Look-ups are made anew in every run."""
    for node in nodes:
        if isinstance(node, BaseComponent) and (digest := step_code_digest(node)):
            node.spec.exec_properties[STEP_CODE] = digest
