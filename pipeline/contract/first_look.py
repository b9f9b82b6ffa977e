"""What `longhaul init` understands of a table: how it is written, what its columns hold, and what they are for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.number_text import bound_text
from pipeline.contract.first_derived import Proposed, propose_derived
from pipeline.contract.first_label import LabelGuess, candidates, guess_label
from pipeline.contract.first_reading import Table, Wishes, read_table
from pipeline.contract.roles import Judged, judge_roles
from pipeline.data.columns import ColumnType
from pipeline.data.convert import shorten
from pipeline.data.values.readings import ALWAYS_MISSING
from pipeline.data.values.recognise import Meaning
from pipeline.errors import DataError

_EXAMPLES = 3


@dataclass(frozen=True)
class Column:
    """A column, as a person reads it.

    Attributes:
        missing: the share of rows without a value; None where it was not read.
        distinct: how many different values there are.
        setting: the list of the configuration that names it.
        markers: texts that are taken for 'missing', and in how many rows.
        options: of `init`; one of them says what the values do not tell.
    """

    name: str
    kind: str
    role: str
    missing: float | None
    distinct: int | None
    examples: tuple[str, ...]
    remark: str
    setting: str
    markers: Mapping[str, int] = field(default_factory=dict)
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class FirstLook:
    """All that is understood of a table.

    Attributes:
        types: of the columns that are read.
        judged: what the same columns are for.
        columns: all of them, as a person reads them.
        derived: features to compute of them, by name.
    """

    label: str
    guess: LabelGuess
    table: Table
    types: Mapping[str, ColumnType]
    judged: Mapping[str, Judged]
    columns: tuple[Column, ...]
    derived: Mapping[str, Proposed]

    def named_in(self, setting: str) -> dict[str, str]:
        """Return the columns that a list of the configuration is to name, each with the reason."""
        return {one.name: one.remark for one in self.columns if one.setting == setting}

    @property
    def allowed_leaks(self) -> tuple[str, ...]:
        """The columns that alone tell the label, and that the model is shown all the same."""
        return tuple(
            name for name, one in self.judged.items() if one.tells_label and one.setting in ("", "features.categorical")
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        guess = self.guess
        return {
            "rows": self.table.rows.num_rows,
            "said": list(self.table.said),
            "format": self.table.form.written(),
            "label": {
                "column": self.label,
                "task": guess.task,
                "classes": list(guess.classes),
                "missing": guess.missing,
                "said": list(guess.said),
            },
            "columns": [asdict(column) for column in self.columns],
            "derived": {name: one._asdict() for name, one in self.derived.items()},
        }


def look_at(table: str, label: str, wishes: Wishes) -> FirstLook:
    """Read a table and say what it is; raises as `read_table`, and where the label is nothing to learn."""
    read = read_table(table, label, wishes)
    types = dict(read.types)
    marks = {text: rows for text, rows in _markers(label, read).items() if text in ALWAYS_MISSING}
    try:
        guess = guess_label(
            read.rows.column(label), label, types[label], wishes.task, marks, read.is_text, wishes.unlabelled_at_most
        )
    except DataError as exc:
        meaning = read.recognised.meanings.get(label)
        if meaning is None or not (options := _options(label, meaning)):
            raise
        listed = " or ".join(f"`{option}`" for option in options)
        raise DataError(f"{exc.what}; {meaning.said}", f"{listed}; or {exc.remedy}") from exc
    types[label] = guess.kind
    judged = judge_roles(read.rows, types, label, guess.task)
    for name in wishes.keep:
        if name != label and name in judged:
            judged[name] = replace(judged[name], role="feature", setting="", remark="kept by --keep")
    for name, kind in wishes.types.items():
        if kind == "category" and name != label and name in judged:
            judged[name] = Judged(
                "feature",
                "features.categorical" if types[name] is ColumnType.INT else "",
                "a category by --type",
                tells_label=judged[name].tells_label,
            )
    columns = [_column(name, types[name], judged[name], read) for name in types]
    columns += [Column(name, "", "left out", None, None, (), why, "data.drop") for name, why in read.unread.items()]
    labelled = read.rows.filter(read.rows.column(label).is_valid())  # by which roles are judged, too
    return FirstLook(label, guess, read, types, judged, tuple(columns), propose_derived(labelled, types, judged))


def label_candidates(table: str, wishes: Wishes) -> tuple[list[tuple[str, str]], Table]:
    """Return columns that may be meant as the label, each with what it would be, and what was read; raises as
    `read_table`."""
    read = read_table(table, None, wishes)
    return candidates(read.rows, dict(read.types)), read


def _markers(name: str, read: Table) -> dict[str, int]:
    """Return which texts of a column are taken for 'missing', and in how many rows, the commonest first."""
    if (texts := read.texts_by_name.get(name)) is None:
        return {}
    column = read.rows.column(name)
    if len(texts) == len(column):
        if not column.null_count:
            return {}
        texts = texts.filter(column.is_null())
    known = pa.array(sorted(read.recognised.readings.missing_in(name)), pa.string())
    trimmed = pc.utf8_trim_whitespace(texts.drop_null().cast(pa.string()))
    counted = pc.value_counts(trimmed.filter(pc.is_in(trimmed, known))).to_pylist()
    return {entry["values"]: entry["counts"] for entry in sorted(counted, key=lambda entry: -entry["counts"])}


_KIND_WORDS = {
    ColumnType.INT: "whole number",
    ColumnType.FLOAT: "number",
    ColumnType.STRING: "text",
    ColumnType.BOOL: "yes or no",
    ColumnType.TIMESTAMP: "date or time",
}


def _column(name: str, kind: ColumnType, judged: Judged, read: Table) -> Column:
    meaning, column = read.recognised.meanings.get(name), read.rows.column(name)
    remarks = [judged.remark, meaning.said if meaning else ""]
    shown = read.texts_by_name.get(name, column)  # as they stand in the file
    if name in read.texts_by_name:
        if len(shown) == len(column):
            shown = shown.filter(column.is_valid())
        else:  # rows were set aside
            marks = pa.array(sorted(read.recognised.readings.missing_in(name)), pa.string())
            shown = shown.filter(pc.invert(pc.is_in(pc.utf8_trim_whitespace(shown.cast(pa.string())), marks)))
    counted = pa.Table.from_struct_array(pc.value_counts(shown.drop_null()))
    counted = counted.append_column("place", pa.array(np.arange(counted.num_rows)))
    order = [("counts", "descending"), ("place", "ascending")]
    common = counted  # Arrow chooses nothing from nothing
    if counted.num_rows:
        common = counted.take(pc.select_k_unstable(counted, min(_EXAMPLES, counted.num_rows), order))
    return Column(
        name=name,
        kind="duration" if meaning and meaning.kind == "duration" else _KIND_WORDS[kind],
        role=judged.role,
        missing=column.null_count / max(1, len(column)),
        distinct=int(pc.count_distinct(column.drop_null()).as_py()),
        examples=tuple(_shown(value) for value in common.column("values").to_pylist()),
        remark="; ".join(filter(None, remarks)),
        setting=judged.setting,
        markers=_markers(name, read),
        options=_options(name, meaning) if meaning else (),
    )


def _options(name: str, meaning: Meaning) -> tuple[str, ...]:
    if meaning.kind == "text" and meaning.strays:
        return (" ".join(f"--missing={shlex.quote(text)}" for text in meaning.strays),)
    options = []
    for choice in meaning.choices:
        (setting,) = (f"{key}={value}" for key, value in choice.items() if key != "kind")
        option = f"{name}={choice['kind']}:{setting}"
        options.append(f"--type {shlex.quote(option)}")
    return tuple(options)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return shorten(value, 24)[1:-1].replace("\\'", "'")
    return bound_text(value) if isinstance(value, float) else str(value)
