"""What a table costs beyond time: bytes per row, and what statistics and Transform send between workers.

    python -m bench.unit_costs FOLDER     # of Parquet files, such as Split-train of an Examples artifact

docs/scale.md is reckoned from these figures and from bench/results/.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tfx_bsl import sketches

from pipeline.data.table_statistics import accumulate, extract, merge
from trainer.preprocessing import SKETCH_BUCKETS
from trainer.rows import as_lists, list_type


def main(folder: Path) -> None:
    """Prints one figure a line."""
    files = sorted(folder.glob("*.parquet"))
    groups = [(pq.ParquetFile(file), group) for file in files for group in range(pq.ParquetFile(file).num_row_groups)]
    rows = sum(file.metadata.row_group(group).num_rows for file, group in groups)
    print(f"{rows:,} rows x {len(groups[0][0].schema_arrow.names)} columns in {len(groups)} row groups")
    on_disk = sum(file.stat().st_size for file in files)
    print(f"on disk: {on_disk / rows:.0f} bytes a row")

    sent, in_memory, total = [], 0, None
    for file, group in groups:
        table = file.read_row_group(group)
        in_memory += table.nbytes
        packed = pickle.dumps(accumulate(map(_in_lists, table.to_batches())))
        sent.append(len(packed))
        counted = pickle.loads(packed)
        total = counted if total is None else merge(total, counted)
    assert total is not None
    print(f"in memory: {in_memory / rows:.0f} bytes a row")
    print(f"statistics, accumulators of a row group: {sum(sent) / len(sent) / 1e6:.2f} MB; most {max(sent) / 1e6:.2f}")
    print(f"statistics, accumulators of all rows: {len(pickle.dumps(total)) / 1e6:.2f} MB")
    print(f"statistics, written: {len(extract(total).SerializeToString()) / 1e3:.0f} kB")
    for rows in (100_000, 1_000_000, 10_000_000):
        held, sent_bytes = _sketch(rows)
        print(
            f"Transform, sketch of a column, {rows:,} rows: {held / 1e6:.2f} MB; as it is sent: {sent_bytes / 1e6:.2f}"
        )


def _sketch(rows: int) -> tuple[int, int]:
    """Bytes of TFT's quantile sketch at the precision of trainer/preprocessing.py, before and after compaction."""
    sketch = sketches.QuantilesSketch(0.5 / SKETCH_BUCKETS, 1 << 32, 1)
    random = np.random.default_rng(0)
    for _ in range(rows // 100_000):
        sketch.AddValues(pa.array(random.normal(size=100_000).astype(np.float32)))
    held = len(pickle.dumps(sketch))
    sketch.Compact()
    return held, len(pickle.dumps(sketch))


def _in_lists(batch: pa.RecordBatch) -> pa.RecordBatch:
    """TFDV's layout."""
    lists = [as_lists(column, list_type(column.type)) for column in batch.columns]
    return pa.RecordBatch.from_arrays(lists, names=batch.schema.names)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
