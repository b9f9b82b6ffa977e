"""Looks over the machine, the installation, the workspace and what the configuration names. Each finding has a remedy
or is fine. Nothing is sent, and nothing is asked of a server that the configuration does not name."""

from __future__ import annotations

from pipeline.config.pipeline import PipelineConfig
from pipeline.doctor import elsewhere, installation, machine, workspace
from pipeline.doctor.finding import Finding as Finding


def examine(config: PipelineConfig) -> list[Finding]:
    """Return all findings, in the order in which problems should be fixed."""
    return [*machine.look(), *installation.look(), *workspace.look(config), *elsewhere.look(config, config.observe)]
