"""What stands behind the data gate stands under its condition; tests/golden holds those of the job for Vertex."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from tests.compiled import steps_of

pytestmark = pytest.mark.slow

BEHIND = {"Transform", "Trainer", "Champion", "Evaluator", "InfraCheck", "Pusher"}


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    return load(workspace=str(tmp_path))


def test_every_step_behind_the_gate_asks_for_its_blessing(config: PipelineConfig) -> None:
    nodes = steps_of(config)
    asking = {node.node_info.id for node in nodes if "blessed" in str(node.inputs.conditionals)}
    assert asking == BEHIND
    assert {node.node_info.id for node in nodes} > BEHIND
