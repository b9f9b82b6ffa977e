"""A sample of a window's rows from the log, as numbers for a classifier, and the estimate that it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.watch.estimates import Estimate, density_ratio, estimate_binary, estimate_mean
from pipeline.watch.harm import loss_name
from pipeline.watch.profiles import ColumnSpec
from pipeline.watch.reference import SCORE, TRUTH, Reference, losses
from pipeline.watch.requests import LogFile, hours, read_log, scores_of
from pipeline.watch.state import State
from pipeline.watch.windows import Window

MOST_ROWS = 8_000
"""Of a window, that the classifier tells from those of the reference."""
MOST_COLUMNS = 100
"""The most important ones, or the first."""
Array = npt.NDArray[Any]


def estimates(state: State, window: Window, version: str, reference: Reference) -> Mapping[str, Estimate]:
    """Estimate the metrics of a version in a window, if its rows are still in the log."""
    columns = columns_of(reference)
    rows, scores = _sample(state, window, version, columns)
    if len(scores) < 50:
        return {}
    known = matrix(columns, reference.table), reference.scores, reference.truth
    return estimated(reference.spec.task, *known, categorical(columns), rows, scores)


def estimated(
    task: str, values: Array, of_reference: Array, truth: Array, places: list[int], rows: Array, scores: Array
) -> dict[str, Estimate]:
    """Estimate the metrics of rows with scores by others with labels, all as numbers; `places` are of categories."""
    weights = density_ratio(values, rows, places)
    if task == "binary":
        return estimate_binary(of_reference[:, 0], truth, weights, scores[:, 0])
    surest = (of_reference[:, 0], scores[:, 0]) if task == "regression" else (of_reference.max(1), scores.max(1))
    return {loss_name(task): estimate_mean(losses(task, truth, of_reference), weights, *surest)}


def difference(
    reference: Reference,
    columns: Sequence[ColumnSpec],
    champion: Callable[[pa.RecordBatch], Array],
    features: pa.Table,
    first: Array,
    second: Array,
) -> Estimate:
    """Estimate how much more a row of production loses by a challenger than by the champion.

    Args:
        reference: what the challenger promised: its evaluation rows, with labels.
        champion: gives scores to rows.
        features: of rows of production, with `columns`; first, second: what champion and challenger said of them.
    """
    task, of_challenger = reference.spec.task, reference.scores
    batch = reference.table.combine_chunks().to_batches()[0]
    of_champion = np.asarray(champion(batch.drop_columns([SCORE, TRUTH])), float)
    lost = losses(task, reference.truth, of_challenger) - losses(task, reference.truth, of_champion)
    step = max(1, len(first) // MOST_ROWS)
    weights = density_ratio(matrix(columns, reference.table), matrix(columns, features)[::step], categorical(columns))

    def surer(challenger: Array, champion: Array) -> Array:
        return np.asarray(challenger.max(axis=1) - champion.max(axis=1))

    return estimate_mean(lost, weights, surer(of_challenger, of_champion), surer(second, first))


def columns_of(reference: Reference) -> list[ColumnSpec]:
    """Return the columns that rows are told apart by, the most important first."""
    importance = reference.importance
    there = [one for one in reference.spec.columns if one.name in reference.table.schema.names]
    return sorted(there, key=lambda one: -importance.get(one.name, 0.0))[:MOST_COLUMNS]


def categorical(columns: Sequence[ColumnSpec]) -> list[int]:
    """Return the places of columns that are categories."""
    return [place for place, one in enumerate(columns) if not one.is_number]


def _sample(state: State, window: Window, version: str, columns: Sequence[ColumnSpec]) -> tuple[Array, Array]:
    """Return different rows of the window, spread over its files: (rows, columns), and their scores."""
    known = state.files()
    paths = [path for path in state.paths_of(set(range(*window))) if Path(path).exists()]
    if not paths:
        return np.zeros((0, len(columns))), np.zeros((0, 1))
    chosen = [paths[k] for k in np.unique(np.linspace(0, len(paths) - 1, 48).astype(int))]
    each = -(-2 * MOST_ROWS // len(chosen))
    names = ["time", "version", "route", "error", "scores", *(one.name for one in columns)]
    rows, scores = [], []
    for path in chosen:
        got = 0
        for batch in read_log(LogFile(path, known[path].size, known[path].changed), names):
            hour = hours(batch)
            inside = (hour >= window.first) & (hour < window.last)
            for name, wanted in (("version", version), ("route", "stable")):
                if name in batch.schema.names:
                    inside &= pc.equal(batch.column(name).fill_null(wanted), wanted).to_numpy(zero_copy_only=False)
            value = scores_of(batch)
            inside &= np.isfinite(value).all(axis=1)
            places = np.flatnonzero(inside)
            places = places[:: max(1, len(places) // each)]
            if len(places):
                rows.append(matrix(columns, pa.Table.from_batches([batch.take(pa.array(places))])))
                scores.append(value[places])
                got += len(places)
            if got >= each:
                break
    if not rows:
        return np.zeros((0, len(columns))), np.zeros((0, 1))
    table, found = np.concatenate(rows), np.concatenate(scores)
    _, first = np.unique(
        np.column_stack([table, found]).view(np.uint64) @ _mix(table.shape[1] + found.shape[1]), return_index=True
    )
    first.sort()
    first = first[:: max(1, len(first) // MOST_ROWS)]
    return table[first], found[first]


def _mix(size: int) -> Array:
    return np.random.default_rng(11).integers(1, 2**63, size, dtype=np.uint64) | np.uint64(1)


def matrix(columns: Sequence[ColumnSpec], table: pa.Table) -> Array:
    """Return numbers, (rows, columns): NaN where one is missing, of text the place among the frequent values."""
    found = np.full((table.num_rows, len(columns)), np.nan)
    for place, spec in enumerate(columns):
        if spec.name not in table.schema.names:
            continue
        column = table.column(spec.name).combine_chunks()
        if spec.is_number and not pa.types.is_string(column.type):
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.int64())
            found[:, place] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        elif not spec.is_number:
            values = column.cast(pa.string())
            code = pc.index_in(values, value_set=pa.array(spec.values, pa.string())).fill_null(len(spec.values))
            code = code.to_numpy(zero_copy_only=False).astype(float)
            code[column.is_null().to_numpy(zero_copy_only=False)] = np.nan
            found[:, place] = code
    return found
