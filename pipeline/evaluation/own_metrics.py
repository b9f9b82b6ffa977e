"""The user's own metrics: functions over labels, predictions and weights, called with the rows of a slice.

What adds up is not enough for them, so their rows are kept: those of every slice, by model.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import CodeError, causes
from trainer.user_code import UserCodeError, blamed, kind_of, load

Array = npt.NDArray[Any]
Code = Mapping[str, str]
"""A function as plain data, see trainer.user_code."""

_ARGUMENTS = ("labels", "predictions", "weights")
_HELP = "return a number, and float('nan') where the metric has no value (docs/extend/own-metric.md)"


@dataclass(frozen=True)
class ScoredRows:
    """Rows with what a model said of them.

    Attributes:
        labels, weights, blocks: (rows,).
        predictions: (rows, outputs).
    """

    labels: Array
    predictions: Array
    weights: Array
    blocks: Array

    @classmethod
    def of(cls, labels: Array, predictions: Array, blocks: Array, weights: Array | None) -> ScoredRows:
        """Take rows that all count alike where there are no weights."""
        return cls(labels, predictions, np.ones(len(labels)) if weights is None else weights, blocks)

    def take(self, rows: Array) -> ScoredRows:
        """Choose the rows with the given numbers, without those of weight 0."""
        rows = rows[self.weights[rows] > 0]
        return ScoredRows(self.labels[rows], self.predictions[rows], self.weights[rows], self.blocks[rows])

    @staticmethod
    def joined(parts: Sequence[ScoredRows]) -> ScoredRows:
        """Put the rows of several one after the other."""
        fields = ("labels", "predictions", "weights", "blocks")
        return ScoredRows(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))

    def ordered(self) -> ScoredRows:
        """Return the rows in an order of their own: the last digits of a sum follow from it, not from the workers."""
        return self.take(np.lexsort((self.weights, self.labels, self.predictions[:, 0], self.blocks)))


@contextmanager
def user_code_blamed() -> Iterator[None]:
    """Tell an error of the user's functions as such, however deep in Beam it lies.

    Raises:
        CodeError: one of them failed.
    """
    try:
        yield
    except Exception as exc:
        for cause in causes(exc):
            if isinstance(cause, UserCodeError):
                raise CodeError(cause.what, cause.remedy) from exc
        raise


def check_own(metrics: Mapping[str, Code]) -> None:
    """Look whether the functions can be imported and take what they are given, before anything is scored.

    Raises:
        UserCodeError: one cannot.
    """
    for code in metrics.values():
        function = load(code)
        try:
            inspect.signature(function).bind(*_ARGUMENTS)
        except TypeError as exc:
            raise UserCodeError(
                f"{code['said']} cannot be called with {', '.join(_ARGUMENTS)}: {exc}",
                f"write `def {code['name']}({', '.join(_ARGUMENTS)}):`",
            ) from exc
        except ValueError:  # some functions that are written in C do not tell
            continue


def own_values(
    task: str, rows: ScoredRows, metrics: Mapping[str, Code], blocks: int, where: str, *, beside: bool = False
) -> dict[str, Array]:
    """Call the metrics with rows.

    Args:
        blocks: into so many the rows are dealt; 0 for the value over all rows alone.
        where: the slice in words; empty for all rows.
        beside: rows that judge nothing, a period or a baseline's: a metric that fails there has no value.

    Returns:
        {metric: (1 + blocks,)}: of all these rows, and without each of the blocks; (1,) where a block has no row.

    Raises:
        UserCodeError: a function failed, or returned no number.
    """
    rows = rows.ordered()
    left_out = range(blocks) if len(np.unique(rows.blocks)) == blocks else ()
    sets = [rows, *(rows.take(np.flatnonzero(rows.blocks != block)) for block in left_out)]
    arguments = [_arguments(task, one) for one in sets]
    found = {}
    for name, code in metrics.items():
        try:
            found[name] = np.array([_called(code, given, where) for given in arguments])
        except UserCodeError:
            if not beside:
                raise
            found[name] = np.full(len(arguments), np.nan)
    return found


def _arguments(task: str, rows: ScoredRows) -> tuple[Array, Array, Array]:
    """What a function is given: read only, since the next one is given the same."""
    labels = rows.labels.astype(np.float64 if task == "regression" else np.int64)
    predictions = rows.predictions.astype(np.float64)
    given = (labels, predictions if task == "multiclass" else predictions[:, 0], rows.weights.astype(np.float64))
    for array in given:
        array.flags.writeable = False
    return given


def _called(code: Code, given: tuple[Array, Array, Array], where: str) -> float:
    rows = f"{len(given[0]):,} rows" + (f" of {where}" if where else "")
    try:
        function = _loaded(tuple(code.items()))
        with blamed(code):
            value = function(*given)
    except UserCodeError as exc:
        raise UserCodeError(f"{exc.what}\n  called with {rows}", f"{exc.remedy}; {_HELP}") from exc
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, Real) or isinstance(value, bool | np.bool_):
        raise UserCodeError(f"{code['said']} returned {kind_of(value)} of {rows}, not a number", _HELP)
    return float(value)


@lru_cache(maxsize=32)
def _loaded(code: tuple[tuple[str, str], ...]) -> Callable[..., Any]:
    """Load a function once a process: it is called twenty-one times for each slice."""
    return load(dict(code))


def why_no_value(code: Code, value: float) -> str:
    """Say why a metric has no value."""
    return f"{code['said']} returned {'nan' if math.isnan(value) else value}"
