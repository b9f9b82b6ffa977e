"""The values of a batch by the settings of their columns, whatever format of file they came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config.text_format import TextFormat
from pipeline.data.columns import ColumnType
from pipeline.data.convert import EXPECTED, REMEDY, shorten
from pipeline.data.sources.number_marks import plain_numbers
from pipeline.data.values.readings import Readings, convert
from pipeline.errors import DataError


@dataclass(frozen=True)
class Misfit:
    """A value that its column cannot hold.

    Attributes:
        row: of the batch, from 0.
        reason: what is expected.
    """

    row: int
    column: str
    value: str
    reason: str


def as_text(
    columns: Mapping[str, ColumnType], readings: Readings, is_text: bool, own: pa.Schema | None = None
) -> dict[str, ColumnType]:
    """Return the columns with STRING for those whose texts are converted here and not by the reader of their format.

    Args:
        is_text: whether the file holds nothing but texts.
        own: the types that the file gives its columns, if it does. What is already of the kind that is meant is read
            as it is: true and false are no words.
    """
    asked = dict(columns)
    for name, column_type in columns.items():
        kind = readings.of(name).kind
        touched = readings.touches(name) and not _says_itself(own, name, kind)
        here = touched or readings.set_aside if is_text else touched and (kind is not None or _is_text(column_type))
        if here:
            asked[name] = ColumnType.STRING
    return asked


def converted(
    batch: pa.RecordBatch,
    columns: Mapping[str, ColumnType],
    asked: Mapping[str, ColumnType],
    readings: Readings,
    form: TextFormat,
) -> tuple[pa.RecordBatch, list[Misfit]]:
    """Return a batch in its stored types, and what does not fit and is null in it; in columns as `asked`."""
    arrays, misfits = [], []
    for name, column_type in columns.items():
        array = batch.column(name)
        if asked[name] is ColumnType.STRING:
            text = plain = readings.without_missing(array, name)
            if readings.of(name).kind is None:
                plain = plain_numbers(text, form, column_type)
            array, bad = convert(plain, readings.of(name), column_type)
            if bad is not None:
                rows = np.flatnonzero(np.asarray(bad.to_numpy(zero_copy_only=False)))
                reason = expected(name, column_type, readings)
                misfits += [Misfit(int(row), name, str(text[int(row)].as_py()), reason) for row in rows]
        arrays.append(array)
    schema = pa.schema([(name, column_type.stored) for name, column_type in columns.items()])
    return pa.RecordBatch.from_arrays(arrays, schema=schema), misfits


def expected(name: str, column_type: ColumnType, readings: Readings) -> str:
    """Say what a column may hold."""
    settings = readings.of(name).model_dump(exclude_defaults=True, exclude={"kind", "missing"})
    if not settings or column_type is ColumnType.STRING:
        return EXPECTED[column_type]
    told = ", ".join(f"{key} {list(value) if isinstance(value, tuple) else value!r}" for key, value in settings.items())
    held = "a date or time" if "format" in settings and column_type is ColumnType.TIMESTAMP else EXPECTED[column_type]
    return f"{held} with {told}"


def first_error(misfits: list[Misfit], place: Callable[[int, str], str]) -> DataError:
    """Make the error for the first of them.

    Args:
        place: names the file and where in it a value is, by the row in the batch and the column.
    """
    first = min(misfits, key=lambda misfit: misfit.row)
    return DataError(
        f"{place(first.row, first.column)}: column {first.column!r} holds {shorten(first.value)} "
        f"where {first.reason} is expected",
        REMEDY,
    )


def without_rows(batches: Iterator[tuple[pa.RecordBatch, list[Misfit]]]) -> Iterator[pa.RecordBatch]:
    """Yield the batches without the rows that hold a misfit."""
    for batch, misfits in batches:
        yield without_misfits(batch, misfits)


def without_misfits(batch: pa.RecordBatch, misfits: list[Misfit]) -> pa.RecordBatch:
    """Return the batch without the rows that hold a misfit."""
    return batch.filter(pa.array(rows_without(misfits, batch.num_rows))) if misfits else batch


def rows_without(misfits: list[Misfit], rows: int) -> npt.NDArray[np.bool_]:
    """Return which rows of a batch, shape (rows,), hold no misfit."""
    kept = np.ones(rows, bool)
    kept[[misfit.row for misfit in misfits]] = False
    return kept


def _says_itself(own: pa.Schema | None, name: str, kind: str | None) -> bool:
    place = -1 if own is None or kind is None else own.get_field_index(name)
    if own is None or place < 0:
        return False
    stored = own.field(place).type
    is_number = pa.types.is_integer(stored) or pa.types.is_floating(stored) or pa.types.is_decimal(stored)
    return {
        "boolean": pa.types.is_boolean(stored) or is_number,
        "date": pa.types.is_temporal(stored),
        "number": is_number,
        "duration": is_number,
    }.get(str(kind), False)


def _is_text(column_type: ColumnType) -> bool:
    return column_type is ColumnType.STRING
