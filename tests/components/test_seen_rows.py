"""Rows of an evaluation that a model was trained on: counted exactly where they can be there, and not looked for where
they cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from pipeline.components.seen_rows import Ingested, count_seen
from pipeline.config.split import Split
from pipeline.data.split import assign, split_names
from pipeline.lineage.artifact_names import SUMMARY_FILE

ROWS = pa.record_batch(
    {
        "id": pa.array(range(1_000), pa.int64()),
        "day": pa.array([86_400 * i for i in range(1_000)], pa.int64()),
        "x": pa.array([i * 37 % 101 / 8 for i in range(1_000)], pa.float32()),
    }
)
MORE = pa.record_batch(
    {**{name: ROWS[name] for name in ROWS.schema.names}, "new": pa.array([i % 5 for i in range(1_000)])}
)
KINDS = {"id": "int", "day": "timestamp", "x": "float", "new": "int"}


def ingest(folder: Path, rows: pa.RecordBatch, split: dict[str, Any], says_how: bool = True) -> Ingested:
    rule: Split = TypeAdapter(Split).validate_python(split)
    which = assign(rows, rule)
    for index, name in enumerate(split_names(rule)):
        (folder / f"Split-{name}").mkdir(parents=True)
        part = rows.filter(pa.array(which == index))
        pq.write_table(pa.Table.from_batches([part]), folder / f"Split-{name}" / "data-00000.parquet")
    summary = {"columns": {name: KINDS[name] for name in rows.schema.names}} | ({"split": split} if says_how else {})
    (folder / SUMMARY_FILE).write_text(json.dumps(summary))
    found = Ingested.read(str(folder))
    assert found
    return found


def ids(folder: Path, split: str) -> set[int]:
    return set(pq.read_table(folder / f"Split-{split}")["id"].to_pylist())


HASH: dict[str, Any] = {"by": "hash"}
BY_ID: dict[str, Any] = {"by": "hash", "columns": ["id"]}
BY_TIME: dict[str, Any] = {"by": "time", "column": "day", "eval_from": "1972-01-01"}


@pytest.mark.parametrize(
    ("then", "rows", "today", "flattered"),
    [
        (HASH, MORE, HASH, True),  # the fault: a new column moves rows
        (HASH, ROWS, HASH | {"weights": {"train": 6, "eval": 4}}, True),
        (HASH, ROWS, BY_TIME, True),
        (BY_TIME, ROWS, BY_TIME | {"eval_from": "1971-01-01"}, True),
        (BY_ID, MORE, BY_ID, False),
        (BY_ID, ROWS, BY_ID | {"weights": {"train": 9, "eval": 1}}, False),
        (HASH, ROWS, HASH, False),
        (BY_TIME, MORE, BY_TIME | {"eval_from": "1972-06-01"}, False),
    ],
)
@pytest.mark.parametrize("says_how", [True, False])
def test_they_are_counted(
    tmp_path: Path, then: dict[str, Any], rows: pa.RecordBatch, today: dict[str, Any], flattered: bool, says_how: bool
) -> None:
    before = ingest(tmp_path / "then", ROWS, then, says_how)
    after = ingest(tmp_path / "today", rows, today)
    both = len(ids(tmp_path / "then", "train") & ids(tmp_path / "today", "eval"))
    assert bool(both) is flattered
    assert count_seen(after, ["eval"], before) == both


@pytest.mark.parametrize(("split", "rows"), [(HASH, ROWS), (BY_ID, MORE), (BY_TIME, MORE)])
def test_where_rows_cannot_move_none_is_read(tmp_path: Path, split: dict[str, Any], rows: pa.RecordBatch) -> None:
    before, after = ingest(tmp_path / "then", ROWS, split), ingest(tmp_path / "today", rows, split)
    for shard in tmp_path.glob("*/*/*.parquet"):
        shard.unlink()
    assert count_seen(after, ["eval"], before) == 0


def test_of_examples_that_are_gone_nothing_is_known(tmp_path: Path) -> None:
    assert Ingested.read(str(tmp_path / "gone")) is None
