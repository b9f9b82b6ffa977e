"""What a model does with each class, or in each tenth of its predictions, from Evaluator's curves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.evaluation.share_intervals import wilson

MOST_PAIRS = 5
_TENTHS = 10
_LEAST_POINTS = 20


@dataclass(frozen=True)
class OfClass:
    """One class: its rows, and what is right of what was called so (precision) and of what is so (recall), with
    Wilson's intervals; None where there is no such row."""

    name: str
    rows: int
    called: int
    precision: float | None
    precision_ends: tuple[float, float] | None
    recall: float | None
    recall_ends: tuple[float, float] | None
    f1: float | None


@dataclass(frozen=True)
class Pair:
    """Rows of a class that were taken for another; `share`: of the rows of that class."""

    true: str
    predicted: str
    rows: int
    share: float


@dataclass(frozen=True)
class Tenth:
    """A tenth of the predictions, from the least: their ends, rows, and how far they are off."""

    low: float
    high: float
    rows: int
    mean_error: float
    absolute_error: float


def classes_of(document: Mapping[str, Any] | None, confidence: float = 0.95) -> list[OfClass]:
    """Return the classes, the worst F1 first, or in their order if they have one; none of another task."""
    confusion = ((document or {}).get("challenger") or {}).get("confusion")
    if not confusion:
        return []
    counts = np.array(confusion["rows"], dtype=float)
    right, rows, called = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    found = []
    for place, name in enumerate(confusion["classes"]):
        precision, precision_ends = _share(right[place], called[place], confidence)
        recall, recall_ends = _share(right[place], rows[place], confidence)
        both = rows[place] + called[place]
        f1 = float(2 * right[place] / both) if both else None
        found.append(
            OfClass(
                *(name, int(rows[place]), int(called[place]), precision, precision_ends, recall, recall_ends, f1),
            )
        )
    if document and "order" in document["challenger"]:
        return found
    return sorted(found, key=lambda one: one.f1 if one.f1 is not None else 2.0)


def worst_pairs(document: Mapping[str, Any] | None) -> list[Pair]:
    """Return which class is most often taken for which."""
    confusion = ((document or {}).get("challenger") or {}).get("confusion")
    if not confusion:
        return []
    names, counts = confusion["classes"], confusion["rows"]
    last = len(names) - _has_heap(confusion)  # a heap is no class
    pairs = [
        Pair(names[row], names[column], count, count / sum(of_class))
        for row, of_class in enumerate(counts)
        for column, count in enumerate(of_class)
        if row != column and count and max(row, column) < last
    ]
    return sorted(pairs, key=lambda pair: (-pair.rows, -pair.share))[:MOST_PAIRS]


def _has_heap(confusion: Mapping[str, Any]) -> bool:
    """Tell whether the last class stands for several; records of earlier versions tell it by its name alone."""
    return bool(confusion.get("rest", re.fullmatch(r"\d+ others", confusion["classes"][-1])))


def tenths_of(document: Mapping[str, Any] | None) -> list[Tenth]:
    """Return a regression's error by tenth of its predictions; none of another task or of few rows."""
    points = ((document or {}).get("challenger") or {}).get("points")
    if not points or len(points["true"]) < _LEAST_POINTS:
        return []
    true, predicted = np.array(points["true"], dtype=float), np.array(points["predicted"], dtype=float)
    if predicted.min() == predicted.max():  # tenths of equal predictions would be chance
        return []
    order = np.argsort(predicted, kind="stable")
    return [
        Tenth(
            float(predicted[part].min()),
            float(predicted[part].max()),
            len(part),
            float((predicted[part] - true[part]).mean()),
            float(np.abs(predicted[part] - true[part]).mean()),
        )
        for part in np.array_split(order, _TENTHS)
    ]


def _share(count: float, of: float, confidence: float) -> tuple[float | None, tuple[float, float] | None]:
    if not of:
        return None, None
    low, high = wilson(np.array([count]), np.array([of]), confidence)
    return float(count / of), (float(low[0]), float(high[0]))
