"""Settings of `push`: where a model goes besides the workspace."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from pipeline.config.base import Section


class VertexModel(Section):
    """A model in Vertex AI's Model Registry; every push becomes a version of it."""

    project: str
    location: str
    display_name: str
    serving_image: str
    """The container that serves it, such as one of Google's prebuilt TensorFlow images."""


class Push(Section):
    """Where a model goes besides the workspace's `serving` folder."""

    destination: Annotated[str, Field(pattern=r"^gs://[a-z0-9][a-z0-9._-]*(/[^/]+)*$")] | None = None
    """`gs://bucket/folder`; each version becomes a folder below it."""
    vertex_model: VertexModel | None = None

    @model_validator(mode="after")
    def _registry_reads_from_storage(self) -> Push:
        if self.vertex_model is not None and self.destination is None:
            raise ValueError("vertex_model needs a destination: the registry takes a model from gs://")
        return self
