"""Where the things of one pipeline are, and under which names.

Most functions want nothing else of a configuration. They ask for a `Place`; `PipelineConfig` is one as it stands, and
mypy proves that they read no other setting.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

from pipeline.config.metadata import Metadata
from pipeline.config.vertex import Vertex


class Place(Protocol):
    """Where the things of one pipeline are, and under which names."""

    @property
    def name(self) -> str:
        """Of the pipeline."""

    @property
    def record_name(self) -> str:
        """What ML Metadata knows the pipeline by."""

    @property
    def file(self) -> Path | None:
        """The YAML file; None if the settings come from elsewhere."""

    @property
    def root(self) -> Path:
        """The workspace."""

    @property
    def serving_folder(self) -> Path:
        """In the workspace: the versions of the model."""

    @property
    def requests_folder(self) -> Path:
        """In the workspace: the logs of requests."""

    @property
    def watch_folder(self) -> Path:
        """In the workspace: what watching knows."""

    @property
    def metadata(self) -> Metadata:
        """The section that says where ML Metadata is."""

    @property
    def orchestrator(self) -> Literal["local", "vertex"]:
        """Where the steps run."""

    @property
    def vertex(self) -> Vertex | None:
        """The section that says where jobs run."""

    @property
    def data_pattern(self) -> str:
        """Where the table is."""

    @property
    def schema_file(self) -> Path:
        """The contract about the table."""
