"""A table read for the first time, with what a person says of it: its format, its columns, their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from pipeline.config.reading import Reading
from pipeline.config.text_format import TextFormat
from pipeline.contract.first_label import Task
from pipeline.data.columns import ColumnType
from pipeline.data.convert import nearest
from pipeline.data.sources import source, table_files
from pipeline.data.sources.sampling import enough_rows, sample
from pipeline.data.sources.table_files import SourceFile
from pipeline.data.sources.text_format import sniff_files
from pipeline.data.sources.typed import UnusableColumnError
from pipeline.data.values.recognise import recognise
from pipeline.data.values.recognise_table import Recognised, as_strings, raw_readings, recognise_table
from pipeline.errors import ConfigError, DataError

KINDS = ("text", "number", "boolean", "date", "duration", "category")
"""Of `--type COLUMN=KIND`."""


@dataclass(frozen=True)
class Wishes:
    """What a person says of a table; it wins over what is found.

    Attributes:
        drop: columns for `data.drop`.
        keep: columns that the model is to be shown, whatever they look like.
        types: one of KINDS, by column.
        missing: texts that mean 'missing'.
        values: columns in which NA and its like are values.
        format: settings of `data.format`.
        readings: entries of `data.columns`.
    """

    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    format: Mapping[str, Any] = field(default_factory=dict)
    readings: Mapping[str, Reading] = field(default_factory=dict)
    task: Task | None = None


@dataclass(frozen=True)
class Table:
    """A table as it is read.

    Attributes:
        texts: the columns of text as they stand in the files; rows: all columns in their stored types. Samples.
        unread: columns that are not read, each with the reason.
    """

    path: str
    form: TextFormat
    said: tuple[str, ...]
    recognised: Recognised
    types: Mapping[str, ColumnType]
    unread: Mapping[str, str]
    texts: pa.Table
    rows: pa.Table

    @property
    def is_text(self) -> bool:
        """Whether it is delimited text, of which settings can say everything."""
        return table_files.format_of(self.path) == "csv"


def read_table(table: str, label: str | None, wishes: Wishes) -> Table:
    """Read a table; a column that cannot be used is left out, with the reason.

    Raises:
        DataError: the table cannot be used; names the option that helps.
        ConfigError: an option names what is not there.
    """
    files = table_files.find_files(table)
    try:
        form, said = sniff_files(files, wishes.format)
    except ValidationError as exc:
        problem = exc.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"].removeprefix("Value error, ")
        raise ConfigError(f"--format {where}: {text}", "docs/configuration.md lists data.format's settings") from exc
    files = [replace(file, form=form) for file in files]
    path = files[0].path
    is_text = source.is_text(files)
    unread = dict.fromkeys(wishes.drop, "left out by a person")
    unusable: dict[str, DataError] = {}
    if is_text:
        names = [name for name in source.column_names(files) if name not in unread]
        known = names if label in names else source.column_names(files, usable=False)
    else:
        found = source.infer_columns(files, wishes.drop, unusable=unusable)
        known = [*found, *unusable]
        asked = {*wishes.types, *wishes.readings}
        names = [name for name, kind in found.items() if kind is ColumnType.STRING or name in asked]
    _check_options(wishes, known, label, path)
    rows = enough_rows(len(known))
    raw = [replace(file, readings=raw_readings(names)) for file in files]
    texts = _sample_usable(raw, as_strings(names), rows, unusable)
    decimal = "," if is_text and form.decimal == "," else None
    if is_text and form.delimiter == "," and decimal is None:
        decimal = "."  # "1,234" in quotes is hardly a decimal comma
    given = {
        name: _as_found(texts, name, reading, decimal) for name, reading in _given(wishes).items() if name in names
    }
    given |= {name: reading for name, reading in wishes.readings.items() if name in names}
    while True:
        recognised = recognise_table(
            {name: texts.column(name) for name in names if name not in unusable},
            label=label,
            decimal=decimal,
            all_text=is_text,
            given=given,
            missing=wishes.missing,
        )
        files = [replace(file, readings=recognised.readings) for file in files]
        beyond: dict[str, DataError] = {}
        types = source.infer_columns(files, [*unread, *unusable], unusable=beyond)
        again = [name for name in beyond if is_text and name in names and name not in given]
        given |= {name: Reading(kind="text") for name in again}  # beyond the sample it holds something else
        unusable |= {name: error for name, error in beyond.items() if name not in again}
        if not beyond:
            break
    typed = _sample_usable(files, types, rows, unusable)
    types = {name: types[name] for name in typed.column_names}
    unread |= {name: error.what for name, error in unusable.items()}
    if label in unusable:
        raise DataError(unusable[label].what, "choose another --label")
    if len(typed) == rows:
        said = [*said, f"the table is large: these {rows:,} rows are from all over it; types were checked in all rows"]
    return Table(path, form, tuple(said), recognised, types, unread, texts, typed)


def _sample_usable(
    files: Sequence[SourceFile],
    columns: Mapping[str, ColumnType],
    rows: int,
    unusable: dict[str, DataError],
) -> pa.Table:
    """Return a sample without the columns that turn out to be unusable when their values are read."""
    while True:
        try:
            return sample(files, {name: kind for name, kind in columns.items() if name not in unusable}, rows)
        except UnusableColumnError as error:
            unusable[error.column] = error


def _given(wishes: Wishes) -> dict[str, Reading]:
    kinds = {name: Reading.model_validate({"kind": kind}) for name, kind in wishes.types.items() if kind != "category"}
    for name in wishes.values:
        kinds[name] = (kinds.get(name) or Reading(kind="text")).model_copy(update={"missing": ()})
    return kinds


def _as_found(texts: pa.Table, name: str, wish: Reading, decimal: str | None) -> Reading:
    """Return how a column is read that a person names the kind of: in the style found, if it is that kind."""
    found = recognise(name, texts.column(name), decimal)
    if found.kind == wish.kind and found.settings is not None:
        return found.settings.model_copy(update={"missing": wish.missing} if wish.missing is not None else {})
    return wish


def _check_options(wishes: Wishes, known: Sequence[str], label: str | None, path: str) -> None:
    options = {"--keep": wishes.keep, "--type": tuple(wishes.types), "--na-is-value": wishes.values}
    for option, names in options.items():
        for name in names:
            if name not in known:
                raise ConfigError(f"{option} {name}: {path} has no such column; {nearest(name, known)}", "correct it")
    if label is not None and label in wishes.drop:
        raise ConfigError(f"--drop {label}: it is the label", "leave it in, or choose another --label")
    if label is not None and label not in known:
        raise DataError(f"{path} has no column {label!r}; {nearest(label, known)}", "correct --label")
