"""Defines the section `features`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from trainer.expressions import ExpressionError
from trainer.parsing import in_order, names_in
from trainer.settings.base import Section


class FeaturesSettings(Section):
    """What the model is shown of the columns. What a column is stands in the schema."""

    exclude: tuple[str, ...] = ()
    """Columns that are kept and validated, but never shown to the model; rows to score need not have them.
    `longhaul drop --exclude COLUMN` adds one."""
    categorical: tuple[str, ...] = ()
    """Columns of whole numbers that are codes, not quantities. The model treats them as categories."""
    derive: dict[Annotated[str, Field(min_length=1)], str] = {}
    """Columns that are computed of others, by name: `{ratio: balance / income, rush: hour(departure) in [7, 8], route:
    "cross(origin, dest)"}`. The model is shown them beside the table's own columns, in training and when it serves.
    See docs/features.md."""
    max_vocabulary: Annotated[int, Field(ge=2, le=1_000_000)] = 1000
    """How many values of a categorical column the model tells apart, the most frequent ones. All others are one value,
    "unknown"."""
    bins: Annotated[int, Field(ge=2, le=1024)] = 12
    """Bins into which the model cuts each number. The cuts lie where the label changes most; see docs/model.md."""

    @property
    def never_asked(self) -> tuple[str, ...]:
        """The columns of `exclude` that no derived feature reads either."""
        read = {name for tree in in_order(self.derive).values() for name, _ in names_in(tree)}
        return tuple(name for name in self.exclude if name not in read and name not in self.derive)

    @field_validator("derive")
    @classmethod
    def _can_be_read(cls, value: dict[str, str]) -> dict[str, str]:
        value = {name: text.strip() for name, text in value.items()}
        try:
            in_order(value)
        except ExpressionError as exc:
            raise ValueError(str(exc)) from exc
        return value
