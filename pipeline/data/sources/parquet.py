"""Parquet files, by row group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.sources.compressed import plain_file
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.magic import check_is
from pipeline.data.sources.typed import SMALL_PART, check_names


class ParquetTable:
    """A Parquet file; see TypedTable."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._file = pq.ParquetFile(plain_file(path))
        except (OSError, pa.ArrowException) as exc:
            check_is(path, "parquet")
            raise corrupt(path, exc) from exc
        check_names(path, self._file.schema_arrow)

    @property
    def schema(self) -> pa.Schema:
        """See TypedTable."""
        return self._file.schema_arrow

    def has_rows(self) -> bool:
        """See TypedTable."""
        return bool(self._file.metadata.num_rows)

    def parts(self) -> Sequence[int | None]:
        """Return its row groups, or [None], the whole file, if those are tiny."""
        metadata = self._file.metadata
        if metadata.num_row_groups < 2 or metadata.num_rows < SMALL_PART * metadata.num_row_groups:
            return [None]
        return list(range(metadata.num_row_groups))

    def first_row(self, part: int) -> int:
        """See TypedTable."""
        return sum(self._file.metadata.row_group(group).num_rows for group in range(part))

    def batches(self, part: int | None, names: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """See TypedTable."""
        groups = list(range(self._file.metadata.num_row_groups)) if part is None else [part]
        try:
            for batch in self._file.iter_batches(batch_rows, row_groups=groups, columns=list(names)):
                yield batch.select(list(names))
        except (OSError, pa.ArrowException) as exc:
            raise corrupt(self.path, exc) from exc
