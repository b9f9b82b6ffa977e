"""Arrow's own files, by record batch: Feather (both versions), the IPC file and the IPC stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyarrow import feather

from pipeline.data.sources.compressed import plain_file
from pipeline.data.sources.damage import corrupt
from pipeline.data.sources.magic import check_is
from pipeline.data.sources.typed import SMALL_PART, check_names

_FILE, _FEATHER_1 = b"ARROW1", b"FEA1"


class ArrowTable:
    """An Arrow file; see TypedTable. What is a stream, or Feather's first version, is read in one part."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: pa.RecordBatchFileReader | None = None
        try:
            with pa.OSFile(plain_file(path)) as file:
                self._magic = file.read(len(_FILE))
            if self._magic == _FILE:
                self._file = pa.ipc.open_file(pa.memory_map(plain_file(path)))
            self._schema = self._file.schema if self._file else next(self._read())[0]
        except (OSError, pa.ArrowException) as exc:
            check_is(path, "feather")
            raise corrupt(path, exc) from exc
        check_names(path, self._schema)

    @property
    def schema(self) -> pa.Schema:
        """See TypedTable."""
        return self._schema

    def has_rows(self) -> bool:
        """See TypedTable."""
        return any(batch.num_rows for batch in self.batches(None, self._schema.names[:1], SMALL_PART))

    def parts(self) -> Sequence[int | None]:
        """Return its record batches, or [None], the whole file, if those are few or tiny."""
        count = self._file.num_record_batches if self._file else 1
        if count < 2 or self.first_row(count) < SMALL_PART * count:
            return [None]
        return list(range(count))

    def first_row(self, part: int) -> int:
        """See TypedTable."""
        assert self._file is not None  # else there is one part only
        return sum(self._batch(index).num_rows for index in range(part))

    def batches(self, part: int | None, names: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """See TypedTable."""
        try:
            for _, batch in self._read() if part is None else [(None, self._batch(part))]:
                if batch is not None:
                    chosen = batch.select(list(names))
                    yield from (chosen.slice(at, batch_rows) for at in range(0, batch.num_rows, batch_rows))
        except (OSError, pa.ArrowException) as exc:
            raise corrupt(self.path, exc) from exc

    def _batch(self, index: int) -> pa.RecordBatch:
        assert self._file is not None
        try:
            return self._file.get_batch(index)
        except (OSError, pa.ArrowException) as exc:
            raise corrupt(self.path, exc) from exc

    def _read(self) -> Iterator[tuple[pa.Schema, pa.RecordBatch | None]]:
        """Yield the schema alone, then every batch with it."""
        if self._file is not None:
            yield self._file.schema, None
            yield from ((self._file.schema, self._batch(index)) for index in range(self._file.num_record_batches))
        elif self._magic.startswith(_FEATHER_1):
            table = feather.read_table(plain_file(self.path))
            yield table.schema, None
            yield from ((table.schema, batch) for batch in table.to_batches())
        else:
            with pa.ipc.open_stream(pa.memory_map(plain_file(self.path))) as stream:
                yield stream.schema, None
                yield from ((stream.schema, batch) for batch in stream)
