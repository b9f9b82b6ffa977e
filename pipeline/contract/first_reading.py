"""A table read for the first time, with what a person says of it: its format, its columns, their texts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from pipeline.config.data import UNLABELLED_AT_MOST
from pipeline.config.reading import Reading
from pipeline.config.text_format import TextFormat
from pipeline.contract.first_label import Task
from pipeline.data.columns import ColumnType, nearest
from pipeline.data.sources import source, table_files
from pipeline.data.sources.csv_types import TwoTypesError
from pipeline.data.sources.sampling import enough_rows, sample
from pipeline.data.sources.table_files import SourceFile
from pipeline.data.sources.text_bytes import open_utf8
from pipeline.data.sources.text_format import sniff_files
from pipeline.data.sources.typed import UnusableColumnError
from pipeline.data.values.counted import NEARLY_ALL
from pipeline.data.values.recognise import recognise
from pipeline.data.values.recognise_table import Recognised, as_strings, raw_readings, recognise_table
from pipeline.errors import ConfigError, DataError

KINDS = ("text", "number", "boolean", "date", "duration", "category")
"""Of `--type COLUMN=KIND`."""
_NEAR = 1 << 14


@dataclass(frozen=True)
class Wishes:
    """What a person says of a table; it wins over what is found.

    Attributes:
        drop: columns for `data.drop`.
        keep: columns that the model is to be shown, whatever they look like.
        types: one of KINDS, by column.
        settings: those of an entry in `data.columns`, by column; it has a kind in `types`.
        missing: texts that mean 'missing'; values: columns in which NA and its like are values.
        format: settings of `data.format`; readings: entries of `data.columns`.
        bad_rows_at_most, unlabelled_at_most: what part of the rows may be set aside, and may have no label.
        forgiven: columns that may be named though the table has them no longer.
    """

    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    values: tuple[str, ...] = ()
    format: Mapping[str, Any] = field(default_factory=dict)
    readings: Mapping[str, Reading] = field(default_factory=dict)
    task: Task | None = None
    bad_rows_at_most: float = 1 - NEARLY_ALL
    unlabelled_at_most: float = UNLABELLED_AT_MOST
    forgiven: frozenset[str] = frozenset()


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

    @cached_property
    def texts_by_name(self) -> dict[str, pa.ChunkedArray]:
        """Return the columns of `texts`; Arrow would go through the names of all columns at each question."""
        return dict(zip(self.texts.column_names, self.texts.columns, strict=True))

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
        names = [name for name in source.column_names(files, uneven=unusable) if name not in unread]
        unusable = {name: error for name, error in unusable.items() if name not in unread}
        known = names if label in names else source.column_names(files, usable=False)
    else:
        found = source.infer_columns(files, wishes.drop, unusable=unusable)
        known = [*found, *unusable]
        asked = {*wishes.types, *wishes.readings}
        names = [name for name, kind in found.items() if kind is ColumnType.STRING or name in asked]
    below = [] if label is None or label in known or not is_text or form.skip else _further_down(path, label, form)
    _check_options(wishes, known, label, path, [*said, *below])
    if table_files.format_of(path) != "tfrecord":  # only some of its records tell what columns there are
        _check_dropped(wishes, files)
    rows = enough_rows(len(known))
    raw = [replace(file, readings=raw_readings(names)) for file in files]
    texts = _sample_usable(raw, as_strings(names), rows, unusable)
    decimal = "," if is_text and form.decimal == "," else None
    if is_text and form.delimiter == "," and decimal is None:
        decimal = "."  # "1,234" in quotes is hardly a decimal comma
    given = {name: reading for name, reading in wishes.readings.items() if name in names}
    given |= {name: one for name, one in _given(wishes, texts, decimal).items() if name in names}
    further_down: dict[str, str] = {}
    while True:
        recognised = recognise_table(
            {name: texts.column(name) for name in names if name not in unusable},
            label=label,
            decimal=decimal,
            all_text=is_text,
            given=given,
            missing=wishes.missing,
        )
        _check_fit(path, recognised, given, further_down, wishes)
        files = [replace(file, readings=recognised.readings) for file in files]
        beyond: dict[str, DataError] = {}
        types = source.infer_columns(files, [*unread, *unusable], unusable=beyond)
        again = _beyond_sample(recognised, types, beyond if is_text else {}, wishes, further_down)
        again = {name: reading for name, reading in again.items() if name in names and name not in given}
        given |= again
        unusable |= {name: error for name, error in beyond.items() if name not in again}
        if not beyond and not again:
            break
    typed = _sample_usable(files, types, rows, unusable)
    types = {name: types[name] for name in typed.column_names}
    unread |= {name: error.what for name, error in unusable.items()}
    if label in unusable:
        raise DataError(unusable[label].what, "choose another --label")
    if len(typed) == rows:
        said = [*said, f"the table is large: these {rows:,} rows are from all over it; types were checked in all rows"]
        recognised = _for_a_large_table(recognised, further_down)
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


def _given(wishes: Wishes, texts: pa.Table, decimal: str | None) -> dict[str, Reading]:
    """Return how the columns are read that a person names the kind of: in the style found, if it is that kind."""
    given = {}
    for name in texts.column_names:
        kind, settings = wishes.types.get(name), wishes.settings.get(name, {})
        if name in wishes.values:
            kind, settings = kind or "text", {**settings, "missing": ()}
        if kind is None or kind == "category":
            continue
        if kind == "number" and settings.keys() & {"decimal", "thousands"}:
            decimal = settings.get("decimal") or ("." if settings["thousands"] == "," else ",")
        found = recognise(name, texts.column(name), decimal, missing=wishes.missing)
        known = found.settings.model_dump(exclude={"missing"}) if found.kind == kind and found.settings else {}
        try:
            given[name] = Reading.model_validate({**known, "kind": kind, **settings})
        except ValidationError as exc:
            text = exc.errors()[0]["msg"].removeprefix("Value error, ")
            where = ".".join(str(part) for part in exc.errors()[0]["loc"])
            raise ConfigError(
                f"--type {name}={kind}: {where}: {text}".replace(": : ", ": "),
                "docs/configuration.md lists data.columns' settings",
            ) from exc
    return given


def _check_fit(
    path: str,
    recognised: Recognised,
    given: Mapping[str, Reading],
    further_down: Collection[str],
    wishes: Wishes,
) -> None:
    """Refuse a kind that a person names for a column, most values of which may be of it but too many are not."""
    for name in given:
        meaning = recognised.meanings.get(name)
        if meaning is None or name in further_down or 1 - meaning.share <= wishes.bad_rows_at_most:
            continue
        option = f"--type {shlex.quote(f'{name}=text')}"
        missing = " ".join(f"--missing={shlex.quote(text)}" for text in meaning.strays)
        raise DataError(
            f"{path}: column {name!r} is not to be read as a {meaning.kind}: {meaning.said}",
            (f"`{missing}` takes them for missing; " if missing else "correct them; or ") + f"`{option}` keeps it text",
        )


def _beyond_sample(
    recognised: Recognised,
    types: Mapping[str, ColumnType],
    errors: Mapping[str, DataError],
    wishes: Wishes,
    further_down: dict[str, str],
) -> dict[str, Reading]:
    """Return how columns are read that hold something else than the sample says; a few values of many are set aside.

    Args:
        further_down: takes what is to be said of the latter.
    """
    readings = {}
    for name, error in errors.items():
        few = isinstance(error, TwoTypesError) and error.share <= 1 - NEARLY_ALL
        readings[name] = Reading(kind="number" if few else "text")
        if isinstance(error, TwoTypesError) and few:
            further_down[name] = error.told
    for name, kind in types.items():
        meaning = recognised.meanings.get(name)
        if meaning and meaning.kind == "date" and meaning.settings is None and kind is ColumnType.STRING:
            readings[name] = Reading(kind="date")
            further_down[name] = "further down some of its values are no dates"
        if wishes.types.get(name) == "category" and kind is ColumnType.FLOAT:
            readings[name] = Reading(kind="text")
    return readings


def _for_a_large_table(recognised: Recognised, further_down: Mapping[str, str]) -> Recognised:
    """Return the same for a table of which not all values were seen: one of millions that does not fit stops no run."""
    meanings = dict(recognised.meanings)
    for name, said in further_down.items():
        meanings[name] = replace(meanings[name], said=said)
    converted = any(one.settings and one.kind not in ("text", "empty") for one in meanings.values())
    return replace(recognised, meanings=meanings, set_aside=recognised.set_aside or converted)


def _check_dropped(wishes: Wishes, files: Sequence[SourceFile]) -> None:
    asked = [name for name in wishes.drop if name not in wishes.forgiven]
    if not asked:
        return
    uneven: dict[str, DataError] = {}
    known = [*source.column_names(files, usable=False, uneven=uneven), *uneven]
    for name in asked:
        if name not in known:
            raise ConfigError(
                f"--drop {name}: {files[0].path} has no such column; {nearest(name, known)}", "correct it"
            )


def _further_down(path: str, label: str, form: TextFormat) -> list[str]:
    """Say which line near the beginning names the label, as where a few rows stand below more lines that are none."""
    with open_utf8(path, form.encoding) as file:
        lines = file.read(_NEAR).decode("utf-8", "ignore").splitlines()
    for place, line in enumerate(lines[1:], start=1):
        if label in [field.strip(" \"'") for field in re.split(r"[,;|\t]", line)]:
            return [f"if line {place + 1} names the columns, give --format skip={place}"]
    return []


def _check_options(wishes: Wishes, known: Sequence[str], label: str | None, path: str, said: Sequence[str]) -> None:
    options = {"--keep": wishes.keep, "--type": tuple(wishes.types), "--na-is-value": wishes.values}
    for option, names in options.items():
        for name in names:
            if name not in known and name not in wishes.forgiven:
                raise ConfigError(f"{option} {name}: {path} has no such column; {nearest(name, known)}", "correct it")
    if label is not None and label in wishes.drop:
        raise ConfigError(f"--drop {label}: it is the label", "leave it in, or choose another --label")
    sheets = [one for one in said if "FILE#SHEET" in one]  # the label may be on another
    sheets += [one for one in said if "--format skip=" in one]
    cuts = [f"if {one}, but should not be, give --delimiter" for one in said if one.startswith("fields are separated")]
    if label is not None and label not in known:
        raise DataError(
            f"{path} has no column {label!r}; {nearest(label, known)}", "; ".join(["correct --label", *cuts, *sheets])
        )
