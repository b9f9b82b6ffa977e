"""The least and greatest values that a model was trained on, by column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc

from trainer.features import FeatureTable, Kind
from trainer.reading import record_batches

Ranges = dict[str, tuple[float, float]]


def trained_ranges(patterns: Sequence[str], table: FeatureTable) -> Ranges:
    """Return least and greatest finite value of each number in a split; a column without one is left out.

    Times, booleans and codes have none: times always move on, and of codes the vocabulary tells which are known.

    Args:
        patterns: globs of the rows as they are stored.
    """
    names = [feature.name for feature in table.features if feature.kind is Kind.NUMERIC]
    found: Ranges = {}
    for batch in record_batches(patterns, names) if names else ():
        for name, column in zip(names, batch.columns, strict=True):
            numbers = column.drop_null()
            values = numbers.to_numpy(zero_copy_only=False)[pc.is_finite(numbers).to_numpy(zero_copy_only=False)]
            if len(values):
                least, greatest = found.get(name, (np.inf, -np.inf))
                found[name] = min(least, values.min().item()), max(greatest, values.max().item())
    return found
