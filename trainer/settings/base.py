"""Defines what a section of a configuration is."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0, lt=1)]
"""A part of a whole, without none and all of it."""


class Section(BaseModel):
    """A frozen part of a configuration that refuses what it does not know.

    The docstrings of a section and of its fields are what docs/configuration.md and the JSON schema say of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
