"""Settings of `split`: which rows train, which evaluate, which are held out."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.config.spans import span_number
from trainer.settings.base import Section


def unix_seconds(text: str) -> int:
    """Read an ISO 8601 date or date-time; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


MOVING = r"last (?:[1-9]\d* spans?|(?:\d*\.)?\d+ ?%)"
"""Rows that move with the data, `last 2 spans` or `last 20 %`."""


def moving(text: str | tuple[int, ...]) -> float:
    """Read the number in `last 2 spans` or `last 20 %`."""
    assert isinstance(text, str)
    return float(text.removeprefix("last ").removesuffix("%").split()[0])


def _is_of_spans(text: str | tuple[int, ...] | None) -> bool:
    return isinstance(text, tuple) or (isinstance(text, str) and "span" in text)


class TimeSplit(Section):
    """By time: earlier rows train, later ones evaluate, the latest are held out."""

    by: Literal["time"]
    """The kind of split."""
    column: str | None = None
    """The column that holds the time. It may be absent where `eval` counts spans."""
    eval: str | tuple[int, ...] | None = None
    """The rows that evaluate, in words that move with the data: `last 2 spans`, or `last 20 %` of the rows by time. A
    list names spans."""
    test: str | tuple[int, ...] | None = None
    """The rows that are held out, in the split `test`, as `eval` is written. They come last; those that evaluate stand
    before them. Without it there is no such split."""
    eval_from: str | None = None
    """Instead of `eval`: rows from this moment on evaluate. An ISO 8601 date or date-time; without a zone it is UTC."""
    test_from: str | None = None
    """Beside `eval_from`: rows from this moment on are held out, in the split `test`."""

    @field_validator("eval", "test", mode="before")
    @classmethod
    def _moves(cls, value: Any) -> Any:
        if value is None or (isinstance(value, str) and re.fullmatch(MOVING, value)):
            return value
        if not isinstance(value, list | tuple) or not value:
            raise ValueError("must be `last N spans`, `last N %`, or a list of spans")
        return tuple(sorted({*map(span_number, value)}))

    @field_validator("eval_from", "test_from", mode="before")
    @classmethod
    def _iso_date(cls, value: Any) -> Any:
        """Keep the text of a date, which YAML reads as one, and check it."""
        return None if value is None else datetime.fromisoformat(str(value)).isoformat()

    @model_validator(mode="after")
    def _in_one_way(self) -> TimeSplit:
        if (self.eval is None) == (self.eval_from is None):
            raise ValueError("name either eval, for example `last 2 spans`, or eval_from, a date")
        if self.eval_from is not None and self.test is not None:
            raise ValueError("test: stands beside eval; beside eval_from it is test_from")
        if self.eval is not None and self.test_from is not None:
            raise ValueError("test_from: stands beside eval_from; beside eval it is test")
        if self.test is not None and self.counts_spans != _is_of_spans(self.test):
            raise ValueError("eval and test must both count spans, or both be a share of the rows")
        if self.column is None and not self.counts_spans:
            raise ValueError("column: name the column that holds the time")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> TimeSplit:
        if self.eval_from and self.test_from and unix_seconds(self.test_from) <= unix_seconds(self.eval_from):
            raise ValueError(f"test_from ({self.test_from}) must be later than eval_from ({self.eval_from})")
        shares = [0 if text is None or self.counts_spans else moving(text) for text in (self.eval, self.test)]
        if sum(shares) >= 100:
            raise ValueError("eval, test: no row is left to train")
        return self

    @property
    def counts_spans(self) -> bool:
        """Whether whole spans evaluate, whatever the time of their rows."""
        return _is_of_spans(self.eval)


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
    stratify: str | None = None
    """A column of classes, as the label: each of its values gets its share of every split, as far as its rows go. For
    small tables, where chance may leave a class out; `longhaul init` writes it there. Rows may change their split when
    the table grows."""
    bounds: dict[str, tuple[float, ...]] | None = None
    """What ingestion finds for `stratify`: by value, the places between 0 and 1 at which the splits part. Not to be
    written by hand."""

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


def deciding_columns(split: TimeSplit | HashSplit | GroupSplit) -> tuple[str, ...] | None:
    """Name the columns that tell a row's split; None when it is the whole row that does, none when its span does."""
    if isinstance(split, HashSplit):
        return split.columns or None
    if isinstance(split, GroupSplit):
        return (split.column,)
    return (split.column,) if split.column is not None and not split.counts_spans else ()


def time_column(split: TimeSplit | HashSplit | GroupSplit) -> str | None:
    """Name the column that puts the rows into the order of time; None if the split has none."""
    return split.column if isinstance(split, TimeSplit) else None


def has_test_split(split: TimeSplit | HashSplit | GroupSplit) -> bool:
    """Return whether the split sets rows aside that training and its early stopping never see."""
    if isinstance(split, TimeSplit):
        return split.test_from is not None or bool(split.test)
    return split.weights.test > 0
