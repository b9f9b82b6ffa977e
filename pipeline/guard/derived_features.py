"""Derived features beside the columns: what the gate compares of them, as it compares columns.

They stand in no schema and in no table, so their statistics lie apart, and no rows of theirs can be shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.data.statistics_files import DERIVED, Statistics, read_span, read_split, spans_in, splits_in
from pipeline.guard.checks import TRAIN_SPLIT
from pipeline.guard.drift import drift, drift_from, skew
from pipeline.guard.findings import Distances, Finding
from pipeline.guard.policy import Policy
from trainer.derived_rows import comparable, derived_rows, told_by_rows
from trainer.features import FeatureTable, Storage

Rows = Callable[[], Iterable[pa.RecordBatch]]


class DerivedFeatures(NamedTuple):
    """What is known of them.

    Attributes:
        stored: those that are compared, and how each is stored.
        training: of the training split.
        spans: by span.
        previous: what the training split is held against, by a name for it, if the table has no spans.
        serving: of a table of serving requests.
        in_parts: columns of texts that only they read, as lists and free text: their wordings are ever new.
    """

    stored: Mapping[str, Storage]
    training: Statistics
    spans: Mapping[int, Statistics]
    previous: tuple[str, Statistics] | None = None
    serving: Statistics | None = None
    in_parts: Collection[str] = ()

    def changes(self, policy: Policy) -> tuple[list[Finding], dict[str, Distances], dict[str, Distances]]:
        """Return findings, and each feature's distances: drift and skew."""
        types = {Storage.BYTES: schema_pb2.BYTES, Storage.FLOAT: schema_pb2.FLOAT}
        schema = schema_pb2.Schema(
            feature=[schema_pb2.Feature(name=name, type=types[how]) for name, how in self.stored.items()]
        )
        skewed: dict[str, Distances] = {}
        if self.previous:
            found, drifted = drift_from(*self.previous, self.training, schema, policy)
        else:
            found, drifted = drift(self.spans, schema, policy)
        if self.serving:
            more, skewed = skew(self.training, self.serving, schema, policy)
            found += more
        return [replace(one, offends=None) for one in found], drifted, skewed


def counted_in(statistics: str, table: FeatureTable, changed: Collection[str] = ()) -> DerivedFeatures | None:
    """Return what an ExampleStatistics artifact knows of them; None where it knows nothing.

    Args:
        changed: those that have had another expression since; they are not compared.
    """
    folder = f"{statistics}/{DERIVED}"
    if not table.derived or TRAIN_SPLIT not in splits_in(folder):
        return None
    spans = {number: read_span(folder, number) for number in spans_in(folder)}
    texts = (one for one in table.features if one.storage is Storage.BYTES)
    in_parts = tuple(one.name for one in texts if not one.shown)
    return DerivedFeatures(comparable(table, changed), read_split(folder, TRAIN_SPLIT), spans, in_parts=in_parts)


def count(rows: Iterable[pa.RecordBatch], table: FeatureTable) -> Statistics:
    """Return the statistics of the derived features of flat rows, which are computed here."""
    from pipeline.data.table_statistics import table_statistics

    told = told_by_rows(table)
    return table_statistics(derived_rows(batch, told) for batch in rows)
