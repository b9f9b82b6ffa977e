"""The sections of a configuration file: what each field means, and which values it may have.

docs/configuration.md lists them for users; pipeline/config.py reads a file whole.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,127}$")]  # what Vertex AI accepts as a pipeline name
Share = Annotated[float, Field(gt=0, lt=1)]
SplitName = Literal["train", "eval", "test"]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(Section):
    """Where the table lies and what in it is to be predicted."""

    path: str
    """A file, a folder or a glob of CSV (.csv, .csv.gz), Parquet or TFRecord files; `{SPAN}` marks the span number."""
    spans: tuple[int, int] | None = None
    """First and last span to use, both inclusive; all spans when absent."""
    builder: str | None = None
    """Dotted path of a function `build(folder)` that writes the tables when they are not there yet."""
    label: str
    task: Literal["binary", "multiclass", "regression"]
    classes: tuple[str, ...] = ()
    """The label's values in order, as text; of two, the second is the positive one. Not for regression."""
    drop: tuple[str, ...] = ()
    """Columns that are never read."""
    payload: Literal["parquet", "tf_example"] = "parquet"
    """How ExampleGen keeps the rows: Parquet, or gzipped TFRecords of tf.Examples for tools that want those."""
    serving: str | None = None
    """A table of serving requests, as `path` but without spans; the gate compares the training data with it."""

    @field_validator("classes", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """YAML reads 0 and true as numbers and booleans; booleans are stored as 0 and 1."""
        if not isinstance(value, list | tuple):
            return value
        return tuple(str(int(item)) if isinstance(item, bool) else str(item) for item in value)

    @model_validator(mode="after")
    def _classes_fit_task(self) -> Data:
        if self.task == "regression" and self.classes:
            raise ValueError("classes: a regression has none")
        if self.task == "binary" and len(self.classes) not in (0, 2):
            raise ValueError(f"classes: a binary task has two, not {len(self.classes)}")
        if self.task == "multiclass" and len(self.classes) < 3:
            raise ValueError("classes: list the label's values, three or more, in order")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes: a value stands twice")
        return self

    @property
    def label_classes(self) -> tuple[str, ...]:
        """`classes`, where a binary label without them is 0 or 1 (or false and true)."""
        return self.classes or (("0", "1") if self.task == "binary" else ())


def unix_seconds(text: str) -> int:
    """An ISO 8601 date or date-time; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


class TimeSplit(Section):
    """Rows before `eval_from` train; rows from `test_from` on, if given, are held out."""

    by: Literal["time"]
    column: str
    eval_from: str
    test_from: str | None = None

    @field_validator("eval_from", "test_from", mode="before")
    @classmethod
    def _iso_date(cls, value: Any) -> Any:
        """YAML reads 2013-11-01 as a date; keep the text and check it."""
        return None if value is None else datetime.fromisoformat(str(value)).isoformat()

    @model_validator(mode="after")
    def _in_order(self) -> TimeSplit:
        if self.test_from is not None and unix_seconds(self.test_from) <= unix_seconds(self.eval_from):
            raise ValueError(f"test_from ({self.test_from}) must be later than eval_from ({self.eval_from})")
        return self


class Weights(Section):
    """Relative sizes of the splits; a test weight of 0 means no held-out split."""

    train: Annotated[float, Field(gt=0)] = 8
    eval: Annotated[float, Field(gt=0)] = 2
    test: Annotated[float, Field(ge=0)] = 0


class HashSplit(Section):
    """By a hash of the whole row, so that equal rows never part."""

    by: Literal["hash"]
    weights: Weights = Weights()


class GroupSplit(Section):
    """By a hash of one column, so that a group (a customer, a day) is never in two splits."""

    by: Literal["group"]
    column: str
    weights: Weights = Weights()


Split = Annotated[TimeSplit | HashSplit | GroupSplit, Field(discriminator="by")]


class Schema(Section):
    """The curated schema that guards and trains."""

    file: str
    policy: str | None = None
    """What the gate does about findings; when absent `<stem of file>.policy.yaml` beside the schema, if it is there."""


class Features(Section):
    """Choices about the features; the facts stand in the schema."""

    exclude: tuple[str, ...] = ()
    """Columns that are kept and validated, but never shown to the model."""
    categorical: tuple[str, ...] = ()
    """Integer columns that are codes, not quantities."""
    max_vocabulary: Annotated[int, Field(ge=2, le=1_000_000)] = 1000
    bins: Annotated[int, Field(ge=2, le=1024)] = 24
    """Quantile bins of the piecewise-linear encoding of numbers."""


class Trainer(Section):
    """The network and its fitting; see trainer/model.py."""

    hidden_units: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = (512, 256)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.4
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    batch_size: Annotated[int, Field(ge=1, le=1_048_576)] = 1024
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 8
    patience: Annotated[int, Field(ge=1)] = 2
    """Epochs without a better validation loss before training stops; the best weights are kept."""
    validation_share: Share = 0.1
    """Share of the training split used to stop early: its latest rows under a time split, else random ones."""
    seed: Annotated[int, Field(ge=0)] = 13


class Threshold(Section):
    """Bounds on one metric: absolute, and against the last blessed model (the champion)."""

    at_least: float | None = None
    at_most: float | None = None
    may_lose: Annotated[float, Field(ge=0)] | None = None
    """How much worse than the champion it may be."""

    @model_validator(mode="after")
    def _some_bound(self) -> Threshold:
        if self.at_least is None and self.at_most is None and self.may_lose is None:
            raise ValueError("a threshold needs at_least, at_most or may_lose")
        return self


class Evaluation(Section):
    """What is measured, on which slices, and what blocks a push."""

    splits: tuple[SplitName, ...] = ("eval",)
    slices: tuple[tuple[str, ...], ...] = ()
    """Columns to slice by, singly or crossed: `[[carrier], [carrier, origin]]`. Overall is always there."""
    thresholds: Annotated[dict[str, Threshold], Field(min_length=1)]


class Metadata(Section):
    """Where ML Metadata keeps its records."""

    url: str | None = None
    """`postgresql://user@host:port/database` or `mysql://…`; SQLite in the workspace when absent."""
    password_env: str = "LONGHAUL_METADATA_PASSWORD"
    """The environment variable that holds the password; a password never stands in a file."""

    @field_validator("url")
    @classmethod
    def _known_and_without_password(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not re.match(r"^(postgresql|mysql)://[^/@]+@[^/]+/\w+$", value):
            raise ValueError("must look like postgresql://user@host:port/database or mysql://user@host:port/database")
        if ":" in value.split("//")[1].split("@")[0]:
            raise ValueError("must not hold a password; put it in the environment variable that password_env names")
        return value


def has_test_split(split: TimeSplit | HashSplit | GroupSplit) -> bool:
    """Whether the split sets rows aside that training and its early stopping never see."""
    return split.test_from is not None if isinstance(split, TimeSplit) else split.weights.test > 0
