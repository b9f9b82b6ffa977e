"""Settings of `push`: who decides that a model serves, and where it goes besides the workspace."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.value_types import Duration
from trainer.settings.base import Section


class VertexModel(Section):
    """A model in Vertex AI's Model Registry. Every push becomes a version of it."""

    project: str
    """Id of the project."""
    location: str
    """Region of the registry, such as `us-central1`."""
    display_name: str
    """Name of the model in the registry."""
    serving_image: str
    """Container image that serves the model, such as one of Google's prebuilt TensorFlow images."""


class Push(Section):
    """Who decides that a model serves, and where it goes besides the folder `serving` of the workspace. See
    docs/shipping.md."""

    approval: Literal["automatic", "manual"] = "automatic"
    """With `manual`, a model that was blessed twice waits until a person calls `longhaul approve RUN`."""
    approval_within: Duration | None = None
    """How long it waits, such as `14d`; for ever when absent. Then only `longhaul approve RUN --force` pushes it."""

    destination: Annotated[str, Field(pattern=r"^gs://[a-z0-9][a-z0-9._-]*(/[^/]+)*$")] | None = None
    """`gs://bucket/folder`. Each version becomes a folder in it."""
    vertex_model: VertexModel | None = None
    """The model in Vertex AI's Model Registry. It needs a `destination`, where the registry reads the files."""

    @model_validator(mode="after")
    def _registry_reads_from_storage(self) -> Push:
        if self.vertex_model is not None and self.destination is None:
            raise ValueError("vertex_model needs a destination: the registry takes a model from gs://")
        return self
