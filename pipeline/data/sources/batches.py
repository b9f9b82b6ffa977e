"""Record batches put together and cut to one size."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


def regroup(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches of `rows`, the last of fewer."""
    pending: list[pa.RecordBatch] = []
    n_pending = 0
    for batch in batches:
        if not pending and batch.num_rows == rows:
            yield batch
            continue
        pending.append(batch)
        n_pending += batch.num_rows
        if n_pending >= rows:
            table = pa.Table.from_batches(pending).combine_chunks()
            whole = n_pending - n_pending % rows
            yield from table.slice(0, whole).to_batches(max_chunksize=rows)
            pending = table.slice(whole).to_batches()
            n_pending -= whole
    if n_pending:
        yield from pa.Table.from_batches(pending).combine_chunks().to_batches()
