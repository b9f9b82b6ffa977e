"""Settings of `features`: what the model is shown."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.config.base import Section


class Features(Section):
    """Choices about the features; the facts stand in the schema."""

    exclude: tuple[str, ...] = ()
    """Columns that are kept and validated, but never shown to the model."""
    categorical: tuple[str, ...] = ()
    """Integer columns that are codes, not quantities."""
    max_vocabulary: Annotated[int, Field(ge=2, le=1_000_000)] = 1000
    bins: Annotated[int, Field(ge=2, le=1024)] = 12
    """Bins of the piecewise-linear encoding of numbers, cut where the label changes most."""
