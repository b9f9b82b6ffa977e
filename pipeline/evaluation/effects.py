"""What single features do to the prediction, and what was true where they have which value.

Numbers and times: accumulated local effects (Apley, Zhu: Visualizing the effects of predictor variables in black box
supervised learning models, Journal of the Royal Statistical Society B 82, 2020). Rows of a bin are scored at its two
ends only, so that no row is made that cannot be; the mean changes are added up from bin to bin, and their mean is 0.
Categories have no order to go along: their effect is the mean prediction if every row had the value, less the mean
of all (partial dependence; Friedman, Annals of Statistics 29, 2001).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.evaluation.booleans import in_words
from pipeline.evaluation.row_sample import RowSample
from pipeline.evaluation.standing import standing
from pipeline.evaluation.tallies import rows_of
from trainer.artifact_names import PREDICTION
from trainer.features import Feature, FeatureTable, Kind
from trainer.rows import to_plain

Array = npt.NDArray[Any]

MOST = 8
"""Features, the most important."""
_BINS = 12
_ROWS = 1_000
"""Scored at the ends of bins; what was true is of all rows of the sample."""
_MOST_VALUES = 8
_FEWEST_ROWS = 10


def effects(
    model: Any,
    sample: RowSample,
    columns: Mapping[str, pa.Array],
    table: FeatureTable,
    importance: Mapping[str, Any] | None,
    confidence: float,
) -> dict[str, Any]:
    """Compute them for the most important features.

    Args:
        columns: {feature: one value a row of the sample}.
        importance: its first features are told; derived ones are left out. None: as the table has them.

    Returns:
        `of`: the class whose probability is told, None of a regression; `scored` and `rows`: of how many rows effects
        and truth are; `mean`: the mean prediction; `features`: [{name, kind, cells:
        [{begin, end, text, effect, …}], missing}]: a cell reaches from begin to end, or is the value `text`, and has
        what standing.py says of its rows; missing: the same of the rows without a value, or None.
    """
    import tensorflow as tf

    output, of = told_output(table, sample.labels)
    is_one_of_many = table.label.task == "multiclass"
    labels = (sample.labels == output).astype(np.int64) if is_one_of_many else sample.labels
    task = "regression" if of is None else "binary"
    rows = rows_of(task, labels, sample.predictions[:, [output]], np.zeros(len(labels), np.int64), sample.weights)
    few = slice(0, _ROWS)
    names = table.tensor_names
    tensors = {names[one.name]: tf.constant(to_plain(columns[one.name][few], one.storage)) for one in table.features}

    def score(name: str, values: Array) -> Array:
        """Return predictions (rows,) with other values of one feature."""
        asked = {**tensors, name: tf.constant(values)}
        return np.asarray(model.signatures["serving_tensors"](**asked)[PREDICTION].numpy()[:, output])

    def said(members: Array) -> dict[str, Any]:
        return standing(task, rows.tally(np.flatnonzero(members)), confidence)

    found = []
    features = {one.name: one for one in table.features}
    ranked = [one["name"] for one in importance["features"]] if importance else list(features)
    for name in [name for name in ranked if name in features][:MOST]:
        feature, column = features[name], columns[name]
        make = _of_number if _is_number(feature, column) else _of_category
        cells = make(feature, column, partial(score, names[name]), said)
        gone = column.is_null().to_numpy(zero_copy_only=False)
        missing = said(gone) if gone.sum() >= _FEWEST_ROWS else None
        if len(cells) > 1 or (cells and missing):
            found.append({"name": name, "kind": str(feature.kind), "cells": cells, "missing": missing or None})
    scored = min(_ROWS, len(sample.labels))
    mean = float(np.average(sample.predictions[:, output], weights=sample.weights))
    return {"of": of, "scored": scored, "rows": len(sample.labels), "mean": mean, "features": found}


def told_output(table: FeatureTable, labels: Array) -> tuple[int, str | None]:
    """Return the number of the output that is told and its class: the second of two, of several the commonest."""
    classes = table.label.classes
    if table.label.task != "multiclass":
        return 0, classes[1] if classes else None
    commonest = int(np.bincount(labels.astype(np.int64), minlength=len(classes)).argmax())
    return commonest, classes[commonest]


def _is_number(feature: Feature, column: pa.Array) -> bool:
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    return is_number and feature.kind in (Kind.NUMERIC, Kind.TIMESTAMP)


Score = Callable[[Array], Array]
Said = Callable[[Array], dict[str, Any]]


def _of_number(feature: Feature, column: pa.Array, score: Score, said: Said) -> list[dict[str, Any]]:
    values = np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan))
    there = np.isfinite(values)
    if not there[:_ROWS].any():  # nothing to score
        return []
    distinct = np.unique(values[there])
    is_short = len(distinct) <= _BINS
    cuts = np.quantile(values[there], np.linspace(0, 1, _BINS + 1), method="inverted_cdf")
    edges = distinct if is_short else np.unique(cuts)
    if len(edges) < 2:
        return []
    place = np.clip(np.searchsorted(edges, values, "left"), 1, len(edges) - 1)
    some, of_some = there[:_ROWS], place[:_ROWS]
    changes = (score(edges[of_some]) - score(edges[of_some - 1]))[some]
    counts = np.bincount(of_some[some], minlength=len(edges))
    sums = np.bincount(of_some[some], changes, len(edges))
    height = np.cumsum(np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0))
    middle = (height[1:] + height[:-1]) / 2
    height, middle = (of - (middle @ counts[1:]) / counts.sum() for of in (height, middle))
    if is_short:
        parts = [(value, value, of, there & (values == value)) for value, of in zip(edges, height, strict=True)]
    else:
        ends = zip(edges[:-1], edges[1:], middle, range(1, len(edges)), strict=True)
        parts = [(low, high, of, there & (place == number)) for low, high, of, number in ends]
    return [
        {"begin": float(low), "end": float(high), "text": "", "effect": float(of)} | said(members)
        for low, high, of, members in parts
    ]


def _of_category(feature: Feature, column: pa.Array, score: Score, said: Said) -> list[dict[str, Any]]:
    common = sorted(pc.value_counts(column.drop_null()).to_pylist(), key=lambda entry: -entry["counts"])
    scored = min(_ROWS, len(column))
    as_it_is = float(score(to_plain(column[:scored], feature.storage)).mean())
    cells = []
    for entry in common[:_MOST_VALUES]:
        if entry["counts"] < _FEWEST_ROWS:
            break
        value = pa.scalar(entry["values"], column.type)
        everywhere = to_plain(pa.array([entry["values"]] * scored, column.type), feature.storage)
        text = (in_words(pa.array([value]))[0] if feature.kind is Kind.BOOLEAN else value).as_py()
        text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        members = pc.equal(column, value).fill_null(False).to_numpy(zero_copy_only=False)
        effect = float(score(everywhere).mean()) - as_it_is
        cells.append({"begin": None, "end": None, "text": text, "effect": effect} | said(members))
    return cells
