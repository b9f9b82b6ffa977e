"""Settings of `split`: which rows train, which evaluate, which are held out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from trainer.settings.base import Section


def unix_seconds(text: str) -> int:
    """Read an ISO 8601 date or date-time; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


class TimeSplit(Section):
    """By time: earlier rows train, later ones evaluate, the latest are held out."""

    by: Literal["time"]
    """The kind of split."""
    column: str
    """The column that holds the time."""
    eval_from: str
    """Rows from this moment on evaluate. An ISO 8601 date or date-time; without a zone it is UTC."""
    test_from: str | None = None
    """Rows from this moment on are held out, in the split `test`. Without it there is no such split."""

    @field_validator("eval_from", "test_from", mode="before")
    @classmethod
    def _iso_date(cls, value: Any) -> Any:
        """Keep the text of a date, which YAML reads as one, and check it."""
        return None if value is None else datetime.fromisoformat(str(value)).isoformat()

    @model_validator(mode="after")
    def _in_order(self) -> TimeSplit:
        if self.test_from is not None and unix_seconds(self.test_from) <= unix_seconds(self.eval_from):
            raise ValueError(f"test_from ({self.test_from}) must be later than eval_from ({self.eval_from})")
        return self


class Weights(Section):
    """Relative sizes of the splits."""

    train: Annotated[float, Field(gt=0)] = 8
    """Weight of the rows that train."""
    eval: Annotated[float, Field(gt=0)] = 2
    """Weight of the rows that evaluate."""
    test: Annotated[float, Field(ge=0)] = 0
    """Weight of the rows that are held out, in the split `test`. With 0 there is no such split."""


class HashSplit(Section):
    """By a hash of the row, so that equal rows are never in two splits."""

    by: Literal["hash"]
    """The kind of split."""
    columns: tuple[str, ...] = ()
    """The columns that are hashed, for example a key. When absent, all are; then a new column moves rows from one split
    to another."""
    weights: Weights = Weights()
    """Relative sizes of the splits."""

    @field_validator("columns")
    @classmethod
    def _named_once(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Put them into one order: which comes first means nothing."""
        if len(set(columns)) != len(columns):
            raise ValueError("a column stands twice")
        return tuple(sorted(columns))


class GroupSplit(Section):
    """By a hash of one column, so that a group (a customer, a day) is never in two splits."""

    by: Literal["group"]
    """The kind of split."""
    column: str
    """The column that names the group."""
    weights: Weights = Weights()
    """Relative sizes of the splits."""


Split = Annotated[TimeSplit | HashSplit | GroupSplit, Field(discriminator="by")]


def deciding_columns(split: TimeSplit | HashSplit | GroupSplit) -> tuple[str, ...]:
    """Name the columns that tell a row's split; none when it is the whole row that does."""
    return split.columns if isinstance(split, HashSplit) else (split.column,)


def has_test_split(split: TimeSplit | HashSplit | GroupSplit) -> bool:
    """Return whether the split sets rows aside that training and its early stopping never see."""
    return split.test_from is not None if isinstance(split, TimeSplit) else split.weights.test > 0
