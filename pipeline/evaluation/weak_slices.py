"""Finds where a model is worst, in columns that nobody configured: values of one column, and of two at once.

Of a sample of the evaluated rows, each with its loss (log loss; of a regression the squared error). The mean loss of a
slice is compared with that of the other rows by Welch's t-test, one-sided; since hundreds of slices are looked at, each
p-value is multiplied by how many they are (Bonferroni). A slice of two columns is told only where it is worse than each
of the two alone. After Chung et al.: Slice Finder: Automated Data Slicing for Model Validation, ICDE 2019.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.evaluation.number_text import quantity_text
from pipeline.evaluation.row_sample import RowSample

Array = npt.NDArray[Any]

MOST_TOLD = 8
_SURE = 0.05
"""A p-value after the correction; greater ones are not told."""
_FEWEST_ROWS = 30
_MOST_VALUES = 12
"""Of a column of text: the commonest."""
_MOST_PARTS = 400
"""Values of all columns together; a wide table has no more of its columns looked at."""
_PARTS_OF_NUMBERS = 4
_LEAST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class _Part:
    column: str
    text: str
    holds: Array


def weak_slices(
    task: str, sample: RowSample, columns: Mapping[str, pa.Array], dates: Collection[str] = ()
) -> dict[str, Any]:
    """Find the slices with the greatest loss.

    Args:
        columns: {name: one value a row of the sample}.
        dates: columns that are seconds since 1970.

    Returns:
        `rows`: how many were looked at; `looked_at`: slices; `loss`: its name; `overall`: its mean; `slices`: the worst
        first, [{where, columns, rows, loss, p, said, true}]: p after the correction; said and true: means of
        prediction and label, None of several classes. A slice that tells of rows that a worse one before it has
        mostly told of is left out.
    """
    losses = _losses(task, sample.labels, sample.predictions)
    parts = list(_parts(columns, dates))[:_MOST_PARTS]
    found: dict[str, Any] = {"rows": len(losses), "looked_at": 0, "loss": _LOSS[task], "overall": None, "slices": []}
    if len(losses) < 2 * _FEWEST_ROWS or not parts:
        return found
    holds = np.stack([part.holds for part in parts], axis=1).astype(np.float64)
    # So scaled, the weights of a slice add up to its effective number of rows, as in pipeline.evaluation.tallies.Tally.
    weights = sample.weights * (sample.weights.sum() / (sample.weights**2).sum())
    counts, sums, squares = (
        holds.T @ (weight[:, None] * holds) for weight in (weights, weights * losses, weights * losses**2)
    )
    whole, overall = float(weights.sum()), float(np.average(losses, weights=weights))
    names = [part.column for part in parts]
    other = np.array([[one != two for two in names] for one in names])
    seen = np.triu(other) | np.eye(len(parts), dtype=bool)
    seen &= (counts >= _FEWEST_ROWS) & (whole - counts >= _FEWEST_ROWS)
    p = np.minimum(1.0, _worse(counts, sums, squares, losses, weights) * max(1, int(seen.sum())))
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    alone = np.diag(means)
    # Two columns at once: worse than either alone by more than what a slice of so few rows varies.
    spread = np.sqrt(np.maximum(0.0, np.divide(squares, counts, out=np.zeros_like(sums), where=counts > 0) - means**2))
    margin = 2 * spread / np.sqrt(np.maximum(counts, 1))
    is_more = (means > np.maximum.outer(alone, alone) + margin) | np.eye(len(parts), dtype=bool)
    rows, cells = np.nonzero(seen & is_more & (p < _SURE))
    order = np.argsort(-(means - overall)[rows, cells] * np.sqrt(counts[rows, cells]), kind="stable")
    told: list[Array] = []
    for one, two in zip(rows[order], cells[order], strict=True):
        members = parts[one].holds & parts[two].holds
        if any((members & before).sum() > 0.6 * min(members.sum(), before.sum()) for before in told):
            continue
        told.append(members)
        found["slices"].append(
            {
                "where": " and ".join(dict.fromkeys((parts[one].text, parts[two].text))),
                "columns": list(dict.fromkeys((names[one], names[two]))),
                "rows": int(members.sum()),
                "loss": float(means[one, two]),
                "p": float(p[one, two]),
                "said": None if task == "multiclass" else _mean(sample.predictions[:, 0], members, weights),
                "true": None if task == "multiclass" else _mean(sample.labels, members, weights),
            }
        )
        if len(told) == MOST_TOLD:
            break
    return found | {"looked_at": int(seen.sum()), "overall": overall}


_LOSS = {"binary": "log_loss", "multiclass": "log_loss", "regression": "squared error"}


def _losses(task: str, labels: Array, predictions: Array) -> Array:
    if task == "regression":
        squared: Array = (predictions[:, 0].astype(np.float64) - labels) ** 2
        return np.nan_to_num(squared)
    right = predictions[:, 0] if task == "binary" else predictions[np.arange(len(labels)), labels.astype(np.int64)]
    of_truth = np.where(labels == 1, right, 1 - right) if task == "binary" else right
    losses: Array = -np.log(np.clip(of_truth.astype(np.float64), _LEAST_PROBABILITY, 1.0))
    return losses


def _mean(values: Array, members: Array, weights: Array) -> float:
    return float(np.average(values[members], weights=weights[members]))


def _worse(counts: Array, sums: Array, squares: Array, losses: Array, weights: Array) -> Array:
    """Return one-sided p-values, by Welch's t-test, of each slice against the rows outside it."""
    from scipy.stats import t

    outside = weights.sum() - counts
    means, variances, sizes = [], [], []
    for size, total, square in (
        (counts, sums, squares),
        (outside, (weights * losses).sum() - sums, (weights * losses**2).sum() - squares),
    ):
        safe = np.maximum(size, 2.0)
        mean = total / safe
        means.append(mean)
        variances.append(np.maximum(1e-18, (square - safe * mean**2) / (safe - 1)) / safe)
        sizes.append(safe)
    error = variances[0] + variances[1]
    freedom = error**2 / sum(variance**2 / (size - 1) for variance, size in zip(variances, sizes, strict=True))
    p: Array = t.sf((means[0] - means[1]) / np.sqrt(error), freedom)
    return p


def _parts(columns: Mapping[str, pa.Array], dates: Collection[str]) -> Iterator[_Part]:
    """Cut each column into values, or quarters of numbers, and what is missing."""
    for name, column in columns.items():
        gone = column.is_null().to_numpy(zero_copy_only=False)
        if gone.any():
            yield _Part(name, f"{name} missing", gone)
        there = ~gone
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            distinct = np.unique(values[there])
            if len(distinct) <= _MOST_VALUES and name not in dates:
                for value in distinct:
                    yield _Part(name, f"{name} = {_whole(value)}", there & (values == value))
                continue
            inner = np.unique(np.quantile(values[there], np.linspace(0, 1, _PARTS_OF_NUMBERS + 1)[1:-1]))
            ends = [-np.inf, *inner, np.inf]
            for low, high in pairwise(ends):
                after, until = ("after", "until") if name in dates else ("above", "up to")
                bounds = [f"{after} {_end(low, name in dates)}"] if np.isfinite(low) else []
                bounds += [f"{until} {_end(high, name in dates)}"] if np.isfinite(high) else []
                yield _Part(name, f"{name} {', '.join(bounds)}", there & (values > low) & (values <= high))
        else:
            common = pc.value_counts(column.drop_null()).to_pylist()
            common.sort(key=lambda entry: -entry["counts"])
            for entry in common[:_MOST_VALUES]:
                value = entry["values"]
                text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                same = pc.equal(column, pa.scalar(value, column.type)).fill_null(False)
                yield _Part(name, f"{name} = {text}", same.to_numpy(zero_copy_only=False))


def _end(value: float, is_date: bool) -> str:
    return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d}" if is_date else quantity_text(value)


def _whole(value: float) -> str:
    """Write a value that is one of few: of codes, which are whole, every digit."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1 << 53 else f"{value:g}"
