"""The type of a text column, guessed from all its values, batch by batch."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.columns import ColumnType
from pipeline.data.convert import PROBE, REMEDY, shorten, to_stored
from pipeline.errors import DataError

# From this share of numbers on, the rest is taken for mistakes, not for what the column is about.
MOSTLY_NUMBERS = 0.95

_INT = r"^\s*-?\d+\s*$"
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_LEADING_ZERO = r"^\s*[+-]?0\d+\s*$"
_DATE = r"^\s*\d{4}-\d\d-\d\d"


class ColumnGuess:
    """What is known of a column so far.

    Attributes:
        n_values: how many values are not missing.
        n_numbers: how many of them are numbers.
        stray: (path, row counted from 0 in that file, value) of the first that is not a number.
    """

    def __init__(self) -> None:
        self.n_values = 0
        self.n_numbers = 0
        self.stray: tuple[str, int, str] | None = None
        self._n_ints = 0
        self._n_bools = 0
        self._n_timestamps = 0
        self._leading_zero = False

    def add(self, column: pa.Array, path: str, first_row: int) -> None:
        """Take in the next values, text of shape [rows]; `first_row` is the place of the first."""
        values = column.drop_null()
        if not len(values):
            return
        self.n_values += len(values)
        if not self._leading_zero and pc.any(pc.starts_with(values, "0")).as_py():
            self._leading_zero = bool(pc.any(pc.match_substring_regex(values, _LEADING_ZERO)).as_py())
        if _casts(values, pa.int64()):
            self.n_numbers += len(values)
            self._n_ints += len(values)
        elif _casts(values, pa.float64()):
            self.n_numbers += len(values)
        else:
            self._add_text(column, values, path, first_row)

    @property
    def two_types(self) -> bool:
        """Whether most values are numbers and some are not."""
        return (
            not self._leading_zero
            and self.n_numbers < self.n_values
            and self.n_numbers >= MOSTLY_NUMBERS * self.n_values
        )

    def verdict(self) -> ColumnType | None:
        """Return the narrowest type that holds every value; None if there is no value."""
        if not self.n_values:
            return None
        if self._leading_zero:  # zip codes, part numbers: as numbers they would lose the zero
            return ColumnType.STRING
        for count, column_type in (
            (self._n_ints, ColumnType.INT),
            (self.n_numbers, ColumnType.FLOAT),
            (self._n_bools, ColumnType.BOOL),
            (self._n_timestamps, ColumnType.TIMESTAMP),
        ):
            if count == self.n_values:
                return column_type
        return ColumnType.STRING

    def _add_text(self, column: pa.Array, values: pa.Array, path: str, first_row: int) -> None:
        counts = values.value_counts()  # in order of first appearance
        if pc.any(blank := pc.match_substring_regex(counts.field("values"), r"^\s*$")).as_py():
            # Among numbers, truths and times they are missing; among texts they change nothing.
            self.n_values -= _total(counts.field("counts"), blank)
            counts = counts.filter(pc.invert(blank))
        if not len(counts):
            return
        distinct, times = counts.field("values"), counts.field("counts")
        is_number = pc.match_substring_regex(distinct, _NUMBER)
        self.n_numbers += _total(times, is_number)
        self._n_ints += _total(times, pc.match_substring_regex(distinct, _INT))
        if self.stray is None and not pc.all(is_number).as_py():
            value = distinct[pc.index(is_number, False).as_py()].as_py()
            self.stray = (path, first_row + pc.index(column, value).as_py(), value)
        self._n_bools += _total(times, pc.match_substring_regex(distinct, r"^(?i:true|false)$"))
        # Only a date-like first value makes it worth trying the rest.
        if pc.match_substring_regex(distinct.slice(0, 1), _DATE)[0].as_py():
            try:
                to_stored(distinct, ColumnType.TIMESTAMP)
                self._n_timestamps += int(pc.sum(times).as_py())
            except pa.ArrowInvalid:
                pass


class TwoTypesError(DataError):
    """Most values of a column are numbers, and some are not.

    Attributes:
        share: what part of them is not.
        told: how many of how many, and the first, with its place.
    """

    def __init__(self, what: str, remedy: str, share: float, told: str) -> None:
        super().__init__(what, remedy)
        self.share = share
        self.told = told


def two_types(name: str, guess: ColumnGuess, place: Callable[[str, int, str], str]) -> TwoTypesError:
    """Make the error for a column of which most values are numbers and some are not.

    Args:
        place: names file and place of a value, by the path, its row there and the column.
    """
    assert guess.stray is not None  # some values are not numbers
    path, row, value = guess.stray
    strays = guess.n_values - guess.n_numbers
    return TwoTypesError(
        f"{place(path, row, name)}: column {name!r} holds {shorten(value)} where "
        f"a number is expected; it is a column with two types: {guess.n_numbers:,} of its "
        f"{guess.n_values:,} values are numbers and {strays:,} {'is' if strays == 1 else 'are'} not",
        REMEDY,
        strays / guess.n_values,
        f"{strays:,} of its {guess.n_values:,} values are no numbers ({place(path, row, name)}: {shorten(value)})",
    )


def _casts(values: pa.Array, data_type: pa.DataType) -> bool:
    try:
        values.slice(0, PROBE).cast(data_type)
        values.cast(data_type)
    except pa.ArrowInvalid:
        return False
    return True


def _total(times: pa.Array, mask: pa.Array) -> int:
    return int(pc.sum(pc.if_else(mask, times, 0)).as_py() or 0)


def widest(name: str, before: tuple[ColumnType, str] | None, now: ColumnType, path: str) -> ColumnType | DataError:
    """Return the type of a column that holds values of both types, `before` with the file that says so; an error where
    there is none."""
    if before is None or before[0] is now:
        return now
    if {before[0], now} == {ColumnType.INT, ColumnType.FLOAT}:
        return ColumnType.FLOAT
    return DataError(
        f"column {name!r} is of type {before[0]} in {before[1]} but {now} in {path}",
        f"write it with one type in all files, or leave it out by `longhaul drop {shlex.quote(name)}` (data.drop)",
    )
