"""Which row goes to which split, computed on whole columns.

Hashes are of values, never of positions, so that a row keeps its split when files are added,
reordered or read in other batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config.spans import span_name, spans_text
from pipeline.config.split import (
    GroupSplit,
    HashSplit,
    TimeSplit,
    deciding_columns,
    has_test_split,
    moving,
    unix_seconds,
)
from pipeline.errors import DataError
from trainer.rows import MISSING, hashes

_MIX = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: the increment of SplitMix64 (Steele, Lea, Flood 2014)."""


def split_names(split: TimeSplit | HashSplit | GroupSplit) -> tuple[str, ...]:
    """Return the splits that the configuration defines, training first."""
    return ("train", "eval", "test") if has_test_split(split) else ("train", "eval")


def assign(batch: pa.RecordBatch, split: TimeSplit | HashSplit | GroupSplit, span: int = 0) -> npt.NDArray[np.int8]:
    """Return the index into `split_names` for each row of `batch`; shape (rows,).

    Args:
        batch: columns in their stored types (pipeline.data.columns); a time column holds Unix seconds.
        split: settled, if it is one that moves with the data.
        span: of all these rows.

    Raises:
        DataError: rows without a time under a time split.
    """
    if isinstance(split, TimeSplit):
        return _by_span(batch.num_rows, span, split) if split.counts_spans else _by_time(batch, split)
    draw = _draw(batch, split)
    weights = split.weights
    total = weights.train + weights.eval + weights.test
    bounds = (np.cumsum([weights.train, weights.eval]) / total)[: len(split_names(split)) - 1]
    which = np.searchsorted(bounds, draw, side="right").astype(np.int8)
    if isinstance(split, HashSplit) and split.stratify:
        assert split.bounds is not None, "stratify() comes first"
        for value, rows in _strata(batch, split.stratify):
            which[rows] = np.searchsorted(split.bounds.get(value, bounds), draw[rows], side="right")
    return which


def _draw(batch: pa.RecordBatch, split: HashSplit | GroupSplit) -> npt.NDArray[np.float64]:
    """Return what is uniform in [0, 1) for different rows, and the same for equal ones; shape (rows,)."""
    columns = deciding_columns(split)
    drawn: npt.NDArray[np.float64] = hash_rows(batch.select(list(columns)) if columns else batch) / 2.0**64
    return drawn


def _strata(batch: pa.RecordBatch, column: str) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Yield the values of a column, as text, with the rows that have them."""
    encoded = batch.column(column).dictionary_encode()
    places = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    for place, value in enumerate(encoded.dictionary.to_pylist()):
        yield str(value), places == place


def stratify(split: HashSplit, batches: Iterable[pa.RecordBatch]) -> HashSplit:
    """Return a stratified split with its bounds: each value's rows by their hashes, in shares as the weights say.

    A value of two rows or more is in training and evaluation, one of three or more in all splits; equal rows, which
    are never in two splits, may move that.

    Args:
        batches: all rows that are split.
    """
    assert split.stratify
    draws: dict[str, list[npt.NDArray[np.float64]]] = {}
    for batch in batches:
        draw = _draw(batch, split)
        for value, rows in _strata(batch, split.stratify):
            draws.setdefault(value, []).append(draw[rows])
    weights = split.weights
    total = weights.train + weights.eval + weights.test
    bounds = {}
    for value, parts in draws.items():
        ordered = np.sort(np.concatenate(parts))
        count = len(ordered)
        held_out = max(round(count * weights.test / total), int(count > 2)) if weights.test else 0
        judging = max(round(count * weights.eval / total), int(count > 1))
        starts = [max(count - held_out - judging, min(count, 1)), count - held_out][: len(split_names(split)) - 1]
        bounds[value] = tuple(float(ordered[start]) if start < count else 1.0 for start in starts)
    return split.model_copy(update={"bounds": bounds})


def settle(
    split: TimeSplit | HashSplit | GroupSplit,
    spans: Sequence[int],
    times: Callable[[str], npt.NDArray[np.int64]] | None = None,
) -> TimeSplit | HashSplit | GroupSplit:
    """Return a split that moves with the data as it falls today: with the numbers of spans, or with moments.

    Args:
        spans: those that are used, in order.
        times: gives all values of a column of Unix seconds, shape (rows,); needed if a share of the rows is
            meant.

    Raises:
        DataError: no span would be left to train, or one that is named is not used.
    """
    if not isinstance(split, TimeSplit) or split.eval is None:
        return split
    if split.counts_spans:
        held_out = _last_spans(split.test, spans)
        judging = _last_spans(split.eval, [span for span in spans if span not in held_out])
        if unknown := {*held_out, *judging} - {*spans}:
            raise DataError(
                f"split: span {span_name(min(unknown))} is not among those that are used, {spans_text(spans)}",
                "correct split.eval and split.test, or data.spans",
            )
        if not set(spans) - {*held_out, *judging}:
            raise DataError(
                f"split: no span is left to train; there are {len(spans)}: {spans_text(spans)}",
                "let fewer spans evaluate, or use more in data.spans",
            )
        return split.model_copy(update={"eval": tuple(judging), "test": tuple(held_out) or None})
    assert split.column is not None
    assert times is not None
    shares = [moving(text) / 100 if text else 0.0 for text in (split.eval, split.test)]
    ordered = np.sort(times(split.column))
    ends = [ordered[int(len(ordered) * (1 - share))] for share in (sum(shares), shares[1]) if share and len(ordered)]
    moments = [datetime.fromtimestamp(int(end), UTC).isoformat() for end in ends]
    update = dict(zip(("eval_from", "test_from"), moments, strict=False)) | {"eval": None, "test": None}
    return split.model_copy(update=update)


def _last_spans(wanted: str | tuple[int, ...] | None, spans: Sequence[int]) -> list[int]:
    if wanted is None:
        return []
    return list(wanted) if isinstance(wanted, tuple) else list(spans[-int(moving(wanted)) :])


def _by_span(rows: int, span: int, split: TimeSplit) -> npt.NDArray[np.int8]:
    assert isinstance(split.eval, tuple), "settle() comes first"
    which = 2 if span in (split.test or ()) else 1 if span in split.eval else 0
    return np.full(rows, which, np.int8)


def _by_time(batch: pa.RecordBatch, split: TimeSplit) -> npt.NDArray[np.int8]:
    assert split.column is not None, "settle() comes first"
    check_times(batch, split)
    column = batch.column(split.column)
    bounds = [unix_seconds(text) for text in (split.eval_from, split.test_from) if text is not None]
    return np.searchsorted(bounds, column.to_numpy(), side="right").astype(np.int8)


def check_times(batch: pa.RecordBatch, split: TimeSplit | HashSplit | GroupSplit) -> None:
    """Refuse rows without the time that tells their split.

    Raises:
        DataError: says how many.
    """
    if not isinstance(split, TimeSplit):
        return
    for name in deciding_columns(split) or ():
        if missing := batch.column(name).null_count:
            raise DataError(
                f"{missing} rows have no {name!r}, by which the split is made",
                "fill it in, drop those rows, or split by hash",
            )


def hash_rows(batch: pa.RecordBatch) -> npt.NDArray[np.uint64]:
    """Return a hash of each row's values, whatever the order of the columns; shape (rows,)."""
    row_hash = np.zeros(batch.num_rows, dtype=np.uint64)
    for name in sorted(batch.schema.names):  # a TFRecord file has its columns in no order
        row_hash = _mix(row_hash ^ _hash_column(batch.column(name)))
    return row_hash


def _hash_column(column: pa.Array) -> npt.NDArray[np.uint64]:
    """Hash a column: strings once per distinct value, numbers by their bits; a missing value is a value."""
    if pa.types.is_string(column.type):
        return hashes(column)
    numbers = column.cast(pa.float64() if pa.types.is_floating(column.type) else pa.int64())
    values = numbers.fill_null(0).to_numpy(zero_copy_only=False) + 0  # -0.0 becomes 0.0, its equal
    return np.where(column.is_null().to_numpy(zero_copy_only=False), MISSING, _mix(values.view(np.uint64)))


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the output function of SplitMix64: spreads every input bit over the whole word."""
    values = values + _MIX
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
