"""Settings of `data`: where the table lies and what is predicted."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import field_validator, model_validator

from pipeline.config.base import Section

_BIGQUERY = r"bigquery://(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]*[a-z0-9]"
_TABLE = rf"{_BIGQUERY}\.\w+\.[^?`]+"


class Data(Section):
    """Where the table lies and what in it is to be predicted."""

    path: str
    """A file, a folder or a glob of CSV (.csv, .csv.gz), Parquet or TFRecord files, or a table in BigQuery,
    bigquery://PROJECT.DATASET.TABLE; `{SPAN}` marks the span number."""
    query: str | None = None
    """Of BigQuery: a SELECT whose result is the table; `path` then is bigquery://PROJECT or bigquery://PROJECT.DATASET."""
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
    def _bigquery_is_named_whole(self) -> Data:
        table = "bigquery://PROJECT.DATASET.TABLE"
        if self.query is not None and not re.fullmatch(rf"{_BIGQUERY}(\.\w+)?", self.path):
            raise ValueError(f"query: path must be bigquery://PROJECT or bigquery://PROJECT.DATASET, not {self.path}")
        if self.query is not None and "{SPAN}" in self.query:
            raise ValueError(f"query: {{SPAN}} can only stand in the name of a table, {table}_{{SPAN}}")
        if self.query is None and self.path.startswith("bigquery://") and not re.fullmatch(_TABLE, self.path):
            raise ValueError(f"path: must be {table}, or bigquery://PROJECT beside a query, not {self.path}")
        if (self.serving or "").startswith("bigquery://") and not re.fullmatch(_TABLE, self.serving or ""):
            raise ValueError(f"serving: must be {table}, not {self.serving}")
        return self

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
