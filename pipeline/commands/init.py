"""A first configuration and a first schema for a table that somebody has."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf import text_format
from jinja2 import Environment, PackageLoader
from rich.markup import escape
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.editor_schema import SCHEMA, write_editor_schema
from pipeline.config.yaml_file import quoted
from pipeline.data.columns import ColumnType
from pipeline.data.convert import nearest
from pipeline.data.sources import source, table_files
from pipeline.data.sources.bigquery_address import is_address
from pipeline.data.sources.text_format import sniff_files
from pipeline.errors import ConfigError, DataError
from pipeline.files import one_spelling
from pipeline.terminal.console import console_for

MAX_CLASSES = 50
"""An integer label with more distinct values is taken for a quantity."""
MAX_DOMAIN = 100
"""A string column with more distinct values gets no closed domain."""
MIN_NAMED = 20
"""In fewer rows a column may well have another value in each by chance."""
_SAMPLE_ROWS = 1_000_000


@dataclass(frozen=True)
class LabelGuess:
    """What the label seems to be, and what a model must beat.

    Attributes:
        metric, bound: the first threshold: better than always giving the commonest class or the mean.
    """

    task: str
    classes: tuple[str, ...]
    metric: str
    bound: str


def write_first_files(table: str, label: str, name: str | None, folder: Path, force: bool) -> None:
    """Write `<name>.yaml`, a schema of it for editors and `schema/<name>.pbtxt` into `folder`; say what to do next.

    Raises:
        DataError: the table cannot be used, or has no such column.
        ConfigError: a file is in the way.
    """
    name = name or _name_from(table)
    config_file, schema_file = folder / f"{name}.yaml", folder / "schema" / f"{name}.pbtxt"
    for file in (config_file, schema_file):
        if file.exists() and not force:
            raise ConfigError(f"{file} is there already", "give another --name, or --force to overwrite it")
    console = console_for(sys.stdout)
    files = table_files.find_files(table)
    form, said = sniff_files(files)
    files = [replace(file, form=form) for file in files]
    unusable: dict[str, DataError] = {}
    columns = source.infer_columns(files, unusable=unusable)
    if label in unusable:
        raise unusable[label]
    if label not in columns:
        raise DataError(f"{files[0].path} has no column {label!r}; {nearest(label, columns)}", "correct --label")
    rows = _read(files, columns)
    guess = _guess_label(rows.column(label).drop_null(), label, columns[label])
    schema = _infer_schema(rows, columns, label)
    unshown = _naming_columns(rows, columns, label)
    table, query = table_files.without_query(table)
    path = table if "://" in table else str(one_spelling(table))

    environment = Environment(loader=PackageLoader("pipeline.commands", "templates"), keep_trailing_newline=True)
    environment.filters["quoted"] = quoted
    environment.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    text = environment.get_template("config.yaml.j2").render(
        name=name, path=path, query=query, drop=list(unusable), format=form.written(), label=label, guess=guess,
        rows=rows.num_rows, unshown=unshown,
        **_sizes(rows.num_rows, len(columns)),
    )  # fmt: skip
    schema_file.parent.mkdir(parents=True, exist_ok=True)
    schema_file.write_text(
        _SCHEMA_HEADER.format(table=Path(table).name) + text_format.MessageToString(schema, as_utf8=True)
    )
    config_file.write_text(text)
    write_editor_schema(folder / SCHEMA.name)
    shown, schema_shown = escape(config_file.name), escape(str(schema_file.relative_to(folder)))
    looks = f"{escape(repr(label))} looks like a {guess.task} label"
    console.print(f"{rows.num_rows:,} rows, {len(columns)} columns; {looks}")
    for sentence in said:
        console.print(f"Read as   {escape(sentence)}", soft_wrap=True)
    for column, reason in unusable.items():
        console.print(f"Left out  {escape(repr(column))}, by data.drop: {escape(reason.what)}", soft_wrap=True)
    if unshown:
        console.print(
            f"Left out  {escape(', '.join(map(repr, unshown)))}: another value in every row tells a model nothing; "
            "features.exclude names them",
            soft_wrap=True,
        )
    console.print(f"Wrote     {shown} and {schema_shown}: read both, they are yours now")
    console.print(f"Editors   {SCHEMA.name} tells them what may stand in {shown}")
    console.print(f"Next      longhaul run --config {shown}")


_SCHEMA_HEADER = """\
# Inferred from {table} by `longhaul init`. From here on it is yours: it says what the data must be, not what
# they happened to be. Read it line by line; loosen what is too tight, tighten what is too loose.

"""


def _name_from(table: str) -> str:
    name = table.rpartition(".")[2] if is_address(table) else Path(table.rstrip("/")).name
    stem = name.split(".")[0].split("*")[0]
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "table"


def _read(files: Sequence[table_files.SourceFile], columns: Mapping[str, ColumnType]) -> pa.Table:
    """Return the table in memory, up to a million rows: enough for a first schema."""
    batches: list[pa.RecordBatch] = []
    rows = 0
    for fragment in source.plan_fragments(files):
        for batch in source.read_fragment(fragment, columns):
            batches.append(batch)
            rows += batch.num_rows
            if rows >= _SAMPLE_ROWS:
                return pa.Table.from_batches(batches)
    return pa.Table.from_batches(batches)


def _guess_label(values: pa.ChunkedArray, label: str, kind: ColumnType) -> LabelGuess:
    """Return the task from the label's type and its distinct values."""
    distinct = pc.unique(values).sort()
    if len(distinct) < 2:
        raise DataError(
            f"label {label!r} is {'missing' if len(distinct) == 0 else 'constant'} in every row",
            "choose a label that varies",
        )
    if kind is ColumnType.TIMESTAMP:
        raise DataError(f"label {label!r} holds timestamps", "choose a label that is a class or a number")
    is_class = (
        kind in (ColumnType.BOOL, ColumnType.STRING)
        or len(distinct) == 2
        or (kind is ColumnType.INT and len(distinct) <= MAX_CLASSES)
    )
    if not is_class:
        spread = float(np.std(values.to_numpy()))
        return LabelGuess("regression", (), "rmse", f"at_most: {spread:.4g}")
    if kind is ColumnType.FLOAT:
        raise DataError(f"label {label!r} holds two fractional numbers only", "write classes as integers or strings")
    if len(distinct) > 1000:
        raise DataError(
            f"label {label!r} holds {len(distinct):,} different strings", "choose a label with fewer classes"
        )
    classes = tuple(str(value) for value in distinct.to_pylist())
    if len(classes) == 2:
        return LabelGuess("binary", classes, "auc", "at_least: 0.55")
    commonest = max(entry["counts"] for entry in pc.value_counts(values).to_pylist()) / len(values)
    return LabelGuess("multiclass", classes, "accuracy", f"at_least: {min(0.99, commonest + 0.01):.2f}")


def _naming_columns(rows: pa.Table, columns: Mapping[str, ColumnType], label: str) -> list[str]:
    """Return columns that only name the rows: text with another value in each, whole numbers that count them."""
    if rows.num_rows < MIN_NAMED:
        return []
    found = [name for name in columns if name != label and _names_rows(rows.column(name), columns[name])]
    return found if len(found) < len(columns) - 1 else []  # something must be left for the model


def _names_rows(column: pa.ChunkedArray, kind: ColumnType) -> bool:
    values = column.drop_null()
    if kind not in (ColumnType.STRING, ColumnType.INT) or len(values) < MIN_NAMED:
        return False
    if kind is ColumnType.INT:
        span = pc.min_max(values).as_py()
        if span["max"] - span["min"] + 1 != len(column):
            return False
    return int(pc.count_distinct(values).as_py()) == len(values)


_MANY_PASSES = {"members": 8, "dropout": 0.1, "learning_rate": 0.003, "bins": 24}


def _sizes(rows: int, columns: int) -> dict[str, Any]:
    """Return a network in proportion to the table: few rows want small batches and many epochs, many columns a
    narrow one."""
    if rows < 10_000:
        sizes = {"batch_size": 64, "epochs": 60, "patience": 12} | _MANY_PASSES
    elif rows < 100_000:
        sizes = {"batch_size": 256, "epochs": 20, "patience": 5} | _MANY_PASSES
    else:
        sizes = {"members": 4, "dropout": 0.0, "learning_rate": 0.002, "bins": 12}
        sizes |= {"batch_size": 512, "epochs": 6, "patience": 2}
    wide = {"hidden_units": [128, 64], "bins": 8}
    units = [512, 128] if 10_000 <= rows < 100_000 else [256, 64]
    return {"hidden_units": units} | sizes | (wide if columns > 500 else {})


def _infer_schema(rows: pa.Table, columns: Mapping[str, ColumnType], label: str) -> schema_pb2.Schema:
    """Return what TFDV's inference would say of flat columns, with booleans and times told apart."""
    schema = schema_pb2.Schema(default_environment=["TRAINING", "SERVING"])
    for name, kind in columns.items():
        column = rows.column(name)
        feature = schema.feature.add(name=name)
        feature.type = {ColumnType.STRING: schema_pb2.BYTES, ColumnType.FLOAT: schema_pb2.FLOAT}.get(
            kind, schema_pb2.INT
        )
        feature.value_count.min = feature.value_count.max = 1
        if column.null_count < len(column):  # a column that is empty already may stay so
            feature.presence.min_count = 1
        if column.null_count == 0:
            feature.presence.min_fraction = 1.0
        if name == label:
            feature.not_in_environment.append("SERVING")
        if kind is ColumnType.BOOL:
            feature.bool_domain.SetInParent()
        elif kind is ColumnType.TIMESTAMP:
            feature.time_domain.integer_format = schema_pb2.TimeDomain.UNIX_SECONDS
        elif kind is ColumnType.STRING:
            distinct = pc.unique(column.drop_null())
            if 0 < len(distinct) <= MAX_DOMAIN and len(distinct) * 2 <= len(column):
                schema.string_domain.add(name=name, value=sorted(distinct.to_pylist()))
                feature.domain = name
    return schema
