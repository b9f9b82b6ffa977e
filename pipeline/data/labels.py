"""Is there something to learn? What ingestion counts of the label, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.data import Data
from pipeline.config.number_text import bound_text
from pipeline.errors import DataError

MAX_LISTED = 1000
"""Distinct label values that are counted one by one."""


def part_text(some: int, of: int) -> str:
    """Return a part of rows that `some` of them, not all, do not exceed, in few digits and below 1."""
    parts = (math.ceil(some / of * 10**digits) / 10**digits for digits in range(2, 16))
    return f"{next(part for part in parts if part < 1):.15g}"


@dataclass
class LabelTally:
    """Counts of labels: additive over fragments, JSON in between.

    Attributes:
        unlabelled: rows dropped because their label is missing.
        classes: per split, rows of each label value (as text); empty for regression.
        span: per split, the least and the greatest label; empty for classification.
    """

    unlabelled: int = 0
    classes: dict[str, dict[str, int]] = field(default_factory=dict)
    span: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, split: str, labels: pa.Array, task: str) -> None:
        """Count the labels (no nulls) of some rows of one split."""
        if len(labels) == 0:
            return
        if task == "regression":
            values = labels.to_numpy(zero_copy_only=False)
            least, greatest = self.span.get(split, (np.inf, -np.inf))
            self.span[split] = (min(least, float(values.min())), max(greatest, float(values.max())))
            return
        counts = self.classes.setdefault(split, {})
        for entry in pc.value_counts(labels).slice(0, MAX_LISTED).to_pylist():
            value = str(entry["values"])
            counts[value] = counts.get(value, 0) + entry["counts"]

    def to_json(self) -> dict[str, Any]:
        """Write a plain dictionary; `merge` reads it back."""
        return asdict(self)

    @classmethod
    def merge(cls, parts: Iterable[dict[str, Any]]) -> LabelTally:
        """Return the sum of several tallies."""
        total = cls()
        for part in parts:
            total.unlabelled += part["unlabelled"]
            for split, counts in part["classes"].items():
                mine = total.classes.setdefault(split, {})
                for value, count in counts.items():
                    mine[value] = mine.get(value, 0) + count
            for split, (least, greatest) in part["span"].items():
                mine_least, mine_greatest = total.span.get(split, (np.inf, -np.inf))
                total.span[split] = (min(least, mine_least), max(greatest, mine_greatest))
        return total


def check_label(tally: LabelTally, data: Data, labelled: int) -> None:
    """Refuse a label from which nothing can be learnt.

    Args:
        labelled: rows with a label, over all splits.

    Raises:
        DataError: missing in too many rows, constant, or holding values that `data.classes` lacks.
    """
    rows = labelled + tally.unlabelled
    where = f"label {data.label!r}"
    bounds = {bound for span in tally.span.values() for bound in span}
    found = {value for counts in tally.classes.values() for value in counts}
    if not labelled or tally.unlabelled > data.unlabelled_at_most * rows:
        leaving = ""
        # Else there is nothing to learn from the others.
        if labelled and len(bounds if data.task == "regression" else found) > 1:
            leaving = f"; or `data.unlabelled_at_most: {part_text(tally.unlabelled, rows)}` leaves them out"
        raise DataError(
            f"{where} is missing in {tally.unlabelled:,} of {rows:,} rows ({tally.unlabelled / rows:.0%})",
            f"correct the join or the export that fills it{leaving}",
        )
    if data.task == "regression":
        if len(bounds) < 2:
            raise DataError(
                f"{where} is constant: {bound_text(next(iter(tally.span.values()))[0])} in every row",
                "choose a label that varies",
            )
        return
    if len(found) < 2:
        raise DataError(f"{where} is constant: {found.pop()!r} in every row", "choose a label that varies")
    if unknown := sorted(found - set(data.label_classes)):
        raise DataError(
            f"{where} holds values that are not among its classes {list(data.label_classes)}: {unknown[:5]}",
            "list all values under data.classes, or set data.task: regression if the label is a quantity",
        )
    if len(train := tally.classes.get("train", {})) == 1:  # an empty split is another matter
        raise DataError(
            f"{where} is constant in the training split: {next(iter(train))!r} in every row",
            "move the split so that training sees several values",
        )
