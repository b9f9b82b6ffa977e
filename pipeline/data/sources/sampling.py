"""Some rows of a table from all over it, for whoever wants to know what it is like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from pipeline.data.columns import ColumnType
from pipeline.data.sources import source
from pipeline.data.sources.table_files import SourceFile

_CELLS = 4_000_000
_LEAST_ROWS, _MOST_ROWS = 100_000, 1_000_000


def enough_rows(columns: int) -> int:
    """Return how many rows tell what a table of so many columns is like, in some hundred megabytes."""
    return min(_MOST_ROWS, max(_LEAST_ROWS, _CELLS // max(1, columns)))


def sample(files: Sequence[SourceFile], columns: Mapping[str, ColumnType], rows: int) -> pa.Table:
    """Return the given columns in their stored types, of up to `rows` rows: equally many from the start of each unit of
    reading, so that a large file is sampled every 64 MB. Of a smaller table it is all rows.

    Raises:
        DataError: a row that is looked at cannot be read.
    """
    fragments = source.plan_fragments(files, columns=columns)
    batches: list[pa.RecordBatch] = []
    left = rows
    for number, fragment in enumerate(fragments):
        share = -(-left // (len(fragments) - number))  # what others have too few rows for goes to the next
        for batch in source.read_fragment(fragment, columns, min(65536, max(1, share))):
            batches.append(batch.slice(0, share))
            share -= batches[-1].num_rows
            left -= batches[-1].num_rows
            if share <= 0:
                break
    return pa.Table.from_batches(batches, pa.schema([(name, kind.stored) for name, kind in columns.items()]))
