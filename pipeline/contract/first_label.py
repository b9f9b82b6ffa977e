"""What a label seems to be: two classes, several, or a quantity; and which of a table's columns may be one."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.data import UNLABELLED_AT_MOST
from pipeline.config.number_text import bound_text
from pipeline.contract.first_bound import FirstBound, bound_of_amounts, bound_of_classes
from pipeline.data.columns import ColumnType
from pipeline.data.convert import shorten
from pipeline.data.labels import part_text
from pipeline.data.values.booleans import PAIRS
from pipeline.data.values.counted import alike, words_of
from pipeline.data.values.scales import in_order
from pipeline.errors import DataError

Task = Literal["binary", "multiclass", "regression"]

MAX_CLASSES = 50
"""Whole numbers with more distinct values are a quantity."""
MAX_TEXT_CLASSES = 1000
_CLASSES = 10
_ROWS_OF_A_CLASS = 10
"""More whole numbers than _CLASSES are classes only where each has so many rows; else they are a quantity."""
_RARE = 10
_SHOWN = 5
_NAMES = frozenset((
    "label", "target", "class", "y", "outcome", "response", "result", "survived", "churn", "churned", "default",
    "defaulted", "fraud", "price", "diagnosis", "status", "score", "rating", "quality", "income", "sales",
    "output", "category", "species", "grade", "won", "clicked", "converted", "attrition", "exited", "approved",
    "cancelled", "canceled", "returned", "readmitted", "strength",
))  # fmt: skip
"""Words in the name of a column that people predict."""


@dataclass(frozen=True)
class LabelGuess:
    """What the label seems to be, and what a model must beat.

    Attributes:
        first: the first threshold: not clearly worse than always giving the commonest class or the mean.
        kind: as which the column is to be read.
        missing: rows without a label.
        said: what a person should know.
        ordered: whether the classes are words in order, from low to high.
    """

    task: Task
    classes: tuple[str, ...]
    first: FirstBound
    kind: ColumnType
    missing: int = 0
    said: tuple[str, ...] = ()
    ordered: bool = False


def guess_label(
    column: pa.ChunkedArray,
    name: str,
    kind: ColumnType,
    task: Task | None = None,
    marks: Mapping[str, int] | None = None,
    is_text: bool = True,
    unlabelled_at_most: float = UNLABELLED_AT_MOST,
) -> LabelGuess:
    """Return the task from the label's type and its distinct values.

    Args:
        column: in its stored type, with its missing values.
        task: what a person says that it is.
        marks: texts in it that mean 'missing', and how often they come.
        is_text: it comes from delimited text, where one can say what a text means.
        unlabelled_at_most: what part of the rows may have no label.

    Raises:
        DataError: nothing can be learned from it; names value, rows and remedy.
    """
    values = column.drop_null()
    distinct = pc.unique(values).sort()
    where = f"label {name!r}"
    said = _missing(column, name, marks or {}, unlabelled_at_most)
    if len(distinct) < 2:
        raise _does_not_vary(name, distinct.to_pylist(), marks or {}, column.null_count)
    if kind is ColumnType.TIMESTAMP:
        raise DataError(f"{where} holds dates or times", "choose a label that is a class or a number: another --label")
    if kind is ColumnType.FLOAT:
        _check_finite(column, where, is_text)
        are_classes = task is None and _are_classes(ColumnType.INT, values)
        if _are_whole(distinct) and (are_classes or task in ("binary", "multiclass")):
            kind, values, distinct = ColumnType.INT, values.cast(pa.int64()), distinct.cast(pa.int64())
    if task == "regression" or (task is None and not _are_classes(kind, values)):
        return _regression(values, where, kind, column.null_count, said)
    if kind is ColumnType.FLOAT:
        raise DataError(
            f"{where} holds fractional numbers, such as {bound_text(distinct[0].as_py())}, and classes are whole "
            "numbers or text",
            f"`--type {shlex.quote(name)}=text` takes them for texts, `--task regression` for a quantity",
        )
    return _classes(values, distinct, where, kind, task, column.null_count, said)


def _does_not_vary(name: str, values: Sequence[object], marks: Mapping[str, int], missing: int) -> DataError:
    remedy = "choose a label that varies: another --label"
    found = f"constant: {_text(values[0])}" if values else "missing"
    rows = f"in every row that has one; it is missing in {missing:,}" if values and missing else "in every row"
    if marks:
        listed = ", ".join(f"{text!r} ({count:,} rows)" for text, count in marks.items())
        rows += f"; taken for missing: {listed}"
        remedy = f"if these are values, `--na-is-value {shlex.quote(name)}`; or {remedy}"
    return DataError(f"label {name!r} is {found} {rows}", remedy)


def _regression(values: pa.ChunkedArray, where: str, kind: ColumnType, missing: int, said: Sequence[str]) -> LabelGuess:
    if kind not in (ColumnType.INT, ColumnType.FLOAT):
        raise DataError(
            f"{where} holds {kind.value} values, such as {_text(values[0].as_py())}, and a regression needs numbers",
            "leave --task out, or choose another --label",
        )
    first = bound_of_amounts(values.to_numpy().astype(float))
    distinct = pc.count_distinct(values).as_py()
    if kind is ColumnType.INT and distinct <= 2 * MAX_CLASSES:
        said = (*said, f"{distinct} different whole numbers: taken for a quantity; `--task multiclass` makes classes")
    return LabelGuess("regression", (), first, kind, missing, tuple(said))


def _classes(
    values: pa.ChunkedArray,
    distinct: pa.Array,
    where: str,
    kind: ColumnType,
    task: Task | None,
    missing: int,
    said: Sequence[str],
) -> LabelGuess:
    found = distinct.to_pylist()
    if len(found) > MAX_TEXT_CLASSES or (len(found) > MAX_CLASSES and len(found) * 2 > len(values)):
        raise DataError(
            f"{where} holds {len(found):,} different values in {len(values):,} rows, such as {_text(found[0])}: too "
            "many for classes",
            "choose a label with fewer classes: another --label",
        )
    if task == "binary" and len(found) != 2:
        raise DataError(f"{where} holds {len(found)} different values, not two", "leave --task out")
    classes = tuple(str(int(value) if kind is ColumnType.BOOL else value) for value in found)
    said = [*said, *_rare(values, classes, kind), *filter(None, [alike(found) if kind is ColumnType.STRING else ""])]
    first = bound_of_classes(pc.value_counts(values).field("counts").to_pylist())
    if len(classes) == 2:
        lower = tuple(one.casefold() for one in classes)
        if lower[::-1] in PAIRS:
            classes = classes[::-1]
        classes = tuple(in_order(classes) or classes)
        said = [f"{classes[1]!r} is the positive class (data.classes: the second)", *said]
        return LabelGuess("binary", classes, first, kind, missing, tuple(said))
    if kind is ColumnType.INT:
        scale = "`--task regression` takes them for a scale, data.ordered: true for classes in order"
        said = [f"{found[0]} to {found[-1]}: classes; {scale}", *said]
    elif order := in_order(classes):
        said = [f"{order[0]} to {order[-1]}: classes in order (data.ordered)", *said]
        return LabelGuess("multiclass", tuple(order), first, kind, missing, tuple(said), ordered=True)
    return LabelGuess("multiclass", classes, first, kind, missing, tuple(said))


def _are_classes(kind: ColumnType, values: pa.ChunkedArray) -> bool:
    if kind is not ColumnType.INT:
        return kind in (ColumnType.BOOL, ColumnType.STRING)
    counts = pc.value_counts(values).field("counts")
    few = len(counts) <= _CLASSES or pc.min(counts).as_py() >= _ROWS_OF_A_CLASS
    return len(counts) == 2 or (len(counts) <= MAX_CLASSES and few)


def _are_whole(distinct: pa.Array) -> bool:
    numbers = distinct.cast(pa.float64())
    return bool(pc.all(pc.equal(numbers, pc.round(numbers))).as_py()) and abs(pc.max(pc.abs(numbers)).as_py()) < float(
        1 << 53
    )


def _missing(column: pa.ChunkedArray, name: str, marks: Mapping[str, int], at_most: float) -> list[str]:
    """Say which rows have no label.

    Raises:
        DataError: too many of them.
    """
    missing = column.null_count
    if not missing:
        return []
    rows = rows_text(np.flatnonzero(column.is_null().to_numpy()))
    of = f"{missing:,} of {len(column):,} rows"
    read = "; ".join(f"{times:,} say {mark!r}" for mark, times in marks.items())
    as_class = f"`--na-is-value {shlex.quote(name)}` takes {'it' if len(marks) == 1 else 'them'} for a class"
    if at_most * len(column) < missing < len(column):
        leaving = f"; or `--unlabelled-at-most {part_text(missing, len(column))}` leaves these rows out"
        varies = pc.count_distinct(column).as_py() > 1  # else there is nothing to learn from the others
        raise DataError(
            f"label {name!r} is missing in {of} ({rows})" + (f": {read}" if read else ""),
            "correct the join or the export that fills it"
            + (leaving if varies else "")
            + (f"; {as_class}" if read else ""),
        )
    return [
        f"{of} have no label ({rows}): they are left out of what is learned from"
        + (f". {read}: {as_class}" if read else "")
    ]


def _check_finite(column: pa.ChunkedArray, where: str, is_text: bool) -> None:
    infinite = np.flatnonzero(pc.fill_null(pc.is_inf(column), False).to_numpy())
    if not len(infinite):
        return
    found = [bound_text(value) for value in pc.unique(column.take(pa.array(infinite))).to_pylist()]
    what = "an infinite number" if len(found) == 1 else "infinite numbers"
    options = " ".join(f"--missing={value}" for value in found)
    raise DataError(
        f"{where} holds {what}, {' and '.join(found)}, in {rows_text(infinite)}",
        "correct those rows"
        + (
            f"; or `{options}` (as it stands in the file) takes it for a missing label; rows without one are left out"
            if is_text
            else "; or write no value there: rows without a label are left out"
        ),
    )


def _rare(values: pa.ChunkedArray, classes: Sequence[str], kind: ColumnType) -> list[str]:
    counts = {
        str(int(entry["values"]) if kind is ColumnType.BOOL else entry["values"]): entry["counts"]
        for entry in pc.value_counts(values).to_pylist()
    }
    rare = [name for name in classes if counts[name] < _RARE]
    if not rare or len(values) < 3 * _RARE:
        return []
    listed = ", ".join(f"{shorten(name)} {counts[name]}" for name in rare[:_SHOWN])
    more = f" and {len(rare) - _SHOWN:,} more" if len(rare) > _SHOWN else ""
    return [f"classes with few rows: {listed}{more}; little can be learned or judged of them"]


def rows_text(places: Iterable[int]) -> str:
    """Return which rows of the table are meant, counted from 1."""
    numbers = [int(place) + 1 for place in places]
    more = f" and {len(numbers) - _SHOWN:,} more" if len(numbers) > _SHOWN else ""
    return f"row{'s' if len(numbers) > 1 else ''} {', '.join(f'{one:,}' for one in numbers[:_SHOWN])}{more}"


def _text(value: object) -> str:
    return shorten(value) if isinstance(value, str) else str(value)


def candidates(rows: pa.Table, columns: dict[str, ColumnType]) -> list[tuple[str, str]]:
    """Return columns that may be meant as the label, the likeliest first, each with what it would be."""
    found = []
    for place, (name, kind) in enumerate(columns.items()):
        try:
            guess = guess_label(rows.column(name), name, kind)
        except DataError:
            continue
        named = bool(words_of(name) & _NAMES)
        likely = 4 * named + 2 * (place == len(columns) - 1) + (guess.task == "binary") + 0.5 * bool(guess.classes)
        what = f"{guess.task}: {', '.join(guess.classes[:4])}{', …' if len(guess.classes) > 4 else ''}"
        found.append((likely, name, what if guess.classes else "regression: a quantity"))
    found.sort(key=lambda one: -one[0])
    return [(name, what) for _, name, what in found[:_SHOWN]]
