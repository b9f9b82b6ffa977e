"""Defines the section `features`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainer.settings.base import Section


class FeaturesSettings(Section):
    """What the model is shown of the columns. What a column is stands in the schema."""

    exclude: tuple[str, ...] = ()
    """Columns that are kept and validated, but never shown to the model; rows to score need not have them.
    `longhaul drop --exclude COLUMN` adds one."""
    categorical: tuple[str, ...] = ()
    """Columns of whole numbers that are codes, not quantities. The model treats them as categories."""
    max_vocabulary: Annotated[int, Field(ge=2, le=1_000_000)] = 1000
    """How many values of a categorical column the model tells apart, the most frequent ones. All others are one value,
    "unknown"."""
    bins: Annotated[int, Field(ge=2, le=1024)] = 12
    """Bins into which the model cuts each number. The cuts lie where the label changes most; see docs/model.md."""
