"""Settings of `data`: where the table lies and what is predicted."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from pipeline.config.arrival import Arrival
from pipeline.config.reading import Reading
from pipeline.config.spans import ALL, SpanSetting
from pipeline.config.text_format import CSV, TextFormat
from pipeline.config.value_types import LocalPath, as_text, as_written
from trainer.settings.base import Section, Share

_BIGQUERY = r"bigquery://(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]*[a-z0-9]"
_TABLE = rf"{_BIGQUERY}\.\w+\.[^?`]+"
DUCKDB = (".duckdb", ".ddb")
SQLITE = (".sqlite", ".sqlite3", ".db")
PACKED = (".gz", ".bz2", ".zip", ".zst", ".xz")
"""How a file of any format may be packed."""
_POSTGRESQL = r"postgres(?:ql)?://[^?#]+"
_DATABASE = rf".+({'|'.join(map(re.escape, (*DUCKDB, *SQLITE)))})({'|'.join(map(re.escape, PACKED))})?"
UNLABELLED_AT_MOST = 0.5


class Data(Section):
    """Where the table lies, and which column is to be predicted."""

    path: str
    """The table: a file, a folder or a glob of CSV (`.csv`, `.csv.gz`), Parquet (`.parquet`), TFRecord
    (`.tfrecord`, `.tfrecord.gz`) or another format of docs/sources.md. Or a sheet of a workbook, `book.xlsx#SHEET`, or
    a table of a database file, `shop.duckdb#TABLE`, `shop.sqlite#TABLE`: the name can be left out where there is only
    one. Or a table in BigQuery, `bigquery://PROJECT.DATASET.TABLE` (docs/bigquery.md), or in PostgreSQL,
    `postgresql://USER@HOST/DATABASE#TABLE` (docs/postgresql.md). `{SPAN}` stands for the number of a span,
    `{YYYY}-{MM}-{DD}` or `{YYYY}-{MM}` for its date. `{VERSION}` stands for the number of its version; the highest
    counts. `{workspace}` stands for the workspace."""
    query: str | None = None
    """A SELECT whose result is the table. `path` is then a DuckDB or SQLite file, `postgresql://USER@HOST/DATABASE`, or
    `bigquery://PROJECT` or `bigquery://PROJECT.DATASET`."""
    format: TextFormat = CSV
    """How files of delimited text are written."""
    spans: SpanSetting = ALL
    """The spans to use: `[first, last]`, both inclusive, `last N`, `from FIRST`, or `all` as when absent. A date stands
    for the span of that day, `from 2025-03-01`. The long form `{use: last 6, except: [9]}` leaves spans out."""
    arrival: Arrival = Arrival()
    builder: str | None = None
    """Dotted path of a function `build(folder)` that writes the files when they are not there yet."""
    label: str
    """The column to predict."""
    task: Literal["binary", "multiclass", "regression"]
    """What kind of label that is: one of two classes, one of several classes, or a number."""
    classes: tuple[str, ...] = ()
    """The values of the label, in order. Of two, the second is the positive one. A binary label without them is 0 or 1;
    a multiclass label needs them; a regression has none."""
    ordered: bool = False
    """Whether several `classes` are in order, from low to high. Then the page also says how far off predictions are,
    and lists the classes in their order. See docs/evaluation.md#classes-in-order."""
    unlabelled_at_most: Share = UNLABELLED_AT_MOST
    """The largest part of the rows that may have no label. They are left out of what is learned from; with more of them
    the run stops, since a join or an export often lost the labels."""
    weight: Annotated[str, Field(min_length=1)] | None = None
    """A column of numbers, 0 or more: how much a row counts in statistics, training and evaluation. It is no feature,
    and rows to score need not have it. See docs/evaluation.md#row-weights."""
    drop: tuple[str, ...] = ()
    """Columns that are never read, and that nothing asks for, though the schema may describe them.
    `longhaul drop COLUMN` adds one."""
    payload: Literal["parquet", "tf_example"] = "parquet"
    """How the rows are kept: as Parquet, or as gzipped TFRecords of tf.Examples where another tool needs them. That is
    several times slower."""
    missing: tuple[str, ...] = ()
    """Texts that mean 'missing' in every column, besides the empty field and, in delimited text, NA, N/A, n/a, NaN,
    nan, null, NULL and #N/A. Blanks around them do not matter. See docs/values.md."""
    columns: dict[str, Reading] = Field(default_factory=dict)
    """How the texts of single columns are read, by the column's name: numbers with units or thousands marks, dates in
    other orders, yes and no in words. A column that is not named is read as Arrow reads it."""
    bad_rows: Literal["refuse", "set_aside"] = "refuse"
    """What becomes of a row with a value that its column cannot hold. `refuse`: the first one is an error. `set_aside`:
    such rows are left out and written, with column, value and reason, to a file of the run."""
    bad_rows_at_most: Share = 0.01
    """With `bad_rows: set_aside`, the largest part of the rows that may be set aside; with more the run stops."""
    label_decisions: LocalPath | None = None
    """A file with labels that a person decided, as `longhaul suspects` writes it: of rows of the training split the
    label is changed, or the row dropped. Relative to the YAML file; `{workspace}` stands for the workspace. See
    docs/suspects.md."""
    serving: str | None = None
    """A table of serving requests, given as `path` is but without spans. The data gate compares the training data with
    it; see docs/gate.md."""

    @field_validator("classes", "missing", mode="before")
    @classmethod
    def _as_text(cls, value: Any, about: ValidationInfo) -> Any:
        """Take 0 and true, which YAML reads as numbers and booleans, as text; booleans are stored as 0 and 1."""
        if not isinstance(value, list | tuple):
            return value
        convert = as_written if about.field_name == "missing" else as_text
        return tuple(convert(int(item) if isinstance(item, bool) else item) for item in value)

    @model_validator(mode="after")
    def _bigquery_is_named_whole(self) -> Data:
        table = "bigquery://PROJECT.DATASET.TABLE"
        in_file = re.fullmatch(f"{_DATABASE}|{_POSTGRESQL}", self.path, re.IGNORECASE)
        if self.query is not None and not in_file and not re.fullmatch(rf"{_BIGQUERY}(\.\w+)?", self.path):
            raise ValueError(
                f"query: path must be bigquery://PROJECT or bigquery://PROJECT.DATASET, not {self.path}; "
                "or a DuckDB or SQLite file, or postgresql://USER@HOST/DATABASE"
            )
        if self.query is not None and in_file and not re.match(r"\s*(select|with|from)\b", self.query, re.IGNORECASE):
            raise ValueError("query: must begin with SELECT, WITH or FROM")
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
        if self.task == "regression" and self.label_decisions is not None:
            raise ValueError("label_decisions: is for a classification; take it out")
        if self.task == "binary" and len(self.classes) not in (0, 2):
            raise ValueError(f"classes: a binary task has two, not {len(self.classes)}")
        if self.task == "multiclass" and len(self.classes) < 3:
            raise ValueError("classes: list the label's values, three or more, in order")
        if self.ordered and self.task != "multiclass":
            raise ValueError(f"ordered: only several classes have an order to be measured by, and task is {self.task}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes: a value stands twice")
        return self

    @property
    def label_classes(self) -> tuple[str, ...]:
        """`classes`, where a binary label without them is 0 or 1 (or false and true)."""
        return self.classes or (("0", "1") if self.task == "binary" else ())
