"""Derived features of rows as Arrow columns, in their own units: what is described and compared before a model learns.

What only the training split can tell (`count_by`, `mean_by`, `rate_by`) is not known yet, and n-grams are no value.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trainer.derived_columns import trees_of
from trainer.expressions import Node, Type
from trainer.features import FeatureTable, Kind, Storage
from trainer.functions import STATISTICS

_STEADY = ("hour", "weekday")
"""Parts of a time that do not go on with it."""


def told_by_rows(table: FeatureTable) -> FeatureTable:
    """Return the table with those derived features alone that a row tells by itself, and the columns that they read."""
    trees = trees_of(table)
    parts = {name: list(_parts(tree, trees)) for name, tree in trees.items()}
    kept = tuple(
        one
        for one in table.derived
        if one.feature.kind is not Kind.WORDS and all(part.op not in STATISTICS for part in parts[one.feature.name])
    )
    read = {part.value for one in kept for part in parts[one.feature.name] if part.op == "column"}
    return replace(table, features=tuple(one for one in table.features if one.name in read), derived=kept)


def comparable(table: FeatureTable, changed: Collection[str] = ()) -> dict[str, Storage]:
    """Return which of them should stay what they were, and how each is stored.

    These are no times and nothing that goes on with one, as its year and an age do, and nothing that the model is not
    shown.

    Args:
        changed: derived features that were computed otherwise before; what names one of them is left out, too.
    """
    trees = trees_of(table)
    return {
        one.feature.name: Storage.BYTES if one.feature.kind is Kind.CATEGORICAL else Storage.FLOAT
        for one in told_by_rows(table).derived
        if one.feature.shown
        and one.feature.name not in changed
        and all(part.op != "derived" or part.value not in changed for part in _parts(trees[one.feature.name], trees))
        and all(part.type is not Type.TIME for part in _parts(trees[one.feature.name], trees, but=_STEADY))
    }


def _parts(tree: Node, trees: Mapping[str, Node], but: Collection[str] = ()) -> Iterator[Node]:
    """Yield all parts, also those of the derived features that it names, but not what is inside some functions."""
    yield tree
    if tree.op not in but:
        for inner in [trees[tree.value]] if tree.op == "derived" else tree.args:
            yield from _parts(inner, trees, but)


def derived_rows(batch: pa.RecordBatch, table: FeatureTable) -> pa.RecordBatch:
    """Compute the derived features of flat rows, as the transform graph does; a column that is not there is missing.

    Args:
        table: of `told_by_rows`.

    Returns:
        Numbers, yes and no and times as float32, categories as text; null where missing.
    """
    from trainer.preprocessing import DERIVED_NUMBERS, units_of
    from trainer.stacks import of_batch

    there = [name for name in batch.schema.names if any(one.name == name for one in table.features)]
    label = pa.nulls(batch.num_rows)
    rows = pa.RecordBatch.from_arrays([*map(batch.column, there), label], names=[*there, table.label.name])
    found: dict[str, pa.Array] = {}
    for output, values in _compiled(table)(of_batch(rows, table)).items():
        for place, name in enumerate(units_of(table, output)):
            column = pa.array(values.numpy()[:, place], from_pandas=True)
            if output != DERIVED_NUMBERS:
                column = pc.if_else(pc.equal(column, b""), pa.scalar(None, column.type), column).cast(pa.string())
            found[name] = column
    return pa.RecordBatch.from_pydict({one.feature.name: found[one.feature.name] for one in table.derived})


@functools.lru_cache(maxsize=8)
def _compiled(table: FeatureTable) -> Callable[[Any], dict[str, Any]]:
    import tensorflow as tf

    from trainer.derived import Derived
    from trainer.preprocessing import in_their_units
    from trainer.raw_columns import RawColumns

    def compute(matrices: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return in_their_units(Derived(RawColumns(matrices, table).columns(), table), table)

    return tf.function(compute, autograph=False, reduce_retracing=True)
