"""Offending rows: the file, the number, the value; of the right split and span; and words where there are none."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.data.columns import ColumnType
from pipeline.data.split import assign
from pipeline.guard.findings import Finding, Verdict
from pipeline.guard.row_checks import DuplicateRows
from pipeline.guard.rows import Source, with_rows
from pipeline.sections.split import GroupSplit, HashSplit, TimeSplit
from tests.guard.conftest import batch

COLUMNS = {"day": ColumnType.TIMESTAMP, "size": ColumnType.INT, "label": ColumnType.STRING}
BY_TIME = TimeSplit(by="time", column="day", eval_from="2013-01-03")
LINES = {
    1: ["2013-01-01,1,a", "2013-01-01,90,", '2013-01-02,91,"b\nc"', "2013-01-03,92,a"],
    2: ["2013-01-02,2,a", "2013-01-02,93,b", "2013-01-03,94,a"],
}


def is_big(rows: pa.RecordBatch) -> Any:
    return pc.greater(rows.column("size"), 80)


BIG = Finding("int_type_big_int", "size", "train", "schema: domain", "at most 80", "more", offends=is_big)


@pytest.fixture
def where(tmp_path: Path) -> Source:
    for span, lines in LINES.items():
        (tmp_path / f"span-{span}.csv").write_text("\n".join(["day,size,label", *lines]) + "\n")
    return Source(str(tmp_path / "span-{SPAN}.csv"), COLUMNS, None, "label", BY_TIME)


def rows(finding: Finding, source: Source, limit: int = 9) -> list[tuple[str, int, str]]:
    verdict = with_rows(Verdict((finding,)), {"training": source, "serving": source}, limit)
    assert verdict.notes == ()
    return [(Path(row.file).name, row.row, row.value) for row in verdict.findings[0].rows]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", [("span-1.csv", 3, "91"), ("span-2.csv", 2, "93")]),  # row 2 has no label and was not taken in
        ("eval", [("span-1.csv", 4, "92"), ("span-2.csv", 3, "94")]),
        ("span 2", [("span-2.csv", 2, "93"), ("span-2.csv", 3, "94")]),
        (None, [("span-1.csv", 3, "91"), ("span-1.csv", 4, "92"), ("span-2.csv", 2, "93"), ("span-2.csv", 3, "94")]),
    ],
)
def test_rows_are_those_of_the_split(where: Source, split: str | None, expected: list[Any]) -> None:
    assert rows(replace(BIG, split=split), where) == expected
    assert rows(replace(BIG, split=split), where, limit=1) == expected[:1]
    assert rows(BIG, where, limit=0) == []


def test_of_a_table_that_is_not_split_all_rows_count(where: Source) -> None:
    found = rows(replace(BIG, split="serving"), Source(where.pattern, {"size": ColumnType.INT}))
    assert [row for _, row, _ in found] == [2, 3, 4, 2, 3]


@pytest.mark.parametrize(
    "split",
    [HashSplit(by="hash"), HashSplit(by="hash", columns=("key",)), GroupSplit(by="group", column="key")],
)
def test_the_split_is_the_one_that_ingestion_made(tmp_path: Path, split: HashSplit | GroupSplit) -> None:
    table = batch(size=[90] * 50, key=[f"k{i}" for i in range(50)], label=["a", "b"] * 25)
    pq.write_table(pa.Table.from_batches([table]), tmp_path / "t.parquet")
    columns = {"size": ColumnType.INT, "key": ColumnType.STRING, "label": ColumnType.STRING}
    source = Source(str(tmp_path / "t.parquet"), columns, None, "label", split)
    expected = [int(i) + 1 for i in (assign(table, split) == 1).nonzero()[0]]
    assert 0 < len(expected) < 50
    assert [row for _, row, _ in rows(replace(BIG, split="eval"), source, 50)] == expected


def test_rows_are_counted_through_row_groups_and_in_gzip(tmp_path: Path) -> None:
    sizes = [0] * 20_000 + [90] + [0] * 9
    pq.write_table(pa.table({"size": sizes}), tmp_path / "t.parquet", row_group_size=9_000)
    plain = {"size": ColumnType.INT}
    assert rows(replace(BIG, split=None), Source(str(tmp_path / "t.parquet"), plain)) == [("t.parquet", 20_001, "90")]
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"size\n1\n90\n"))
    assert rows(replace(BIG, split=None), Source(str(tmp_path / "t.csv.gz"), plain)) == [("t.csv.gz", 2, "90")]


def test_a_row_that_repeats_another_is_known_again_in_the_file(where: Source, tmp_path: Path) -> None:
    for span in (1, 2):
        (tmp_path / f"span-{span}.csv").write_text(f"day,size,label\n2013-01-01,1,a\n2013-01-02,{span},a\n")
    check = DuplicateRows(0.0)
    check.add("train", batch(day=[1356998400, 1357084800] * 2, size=[1, 1, 1, 2], label=["a"] * 4))
    (finding,) = check.findings()
    assert rows(finding, where) == [("span-1.csv", 1, ""), ("span-2.csv", 1, "")]


def test_rows_that_cannot_be_read_are_told_of(where: Source) -> None:
    def noted(source: Source) -> str:
        verdict = with_rows(Verdict((BIG,)), {"training": source}, 3)
        assert verdict.findings == (BIG,)
        (note,) = verdict.notes
        return note

    remote = replace(where, pattern="gs://bucket/t.csv")
    assert noted(remote) == (
        "offending rows of gs://bucket/t.csv cannot be shown: only files on a local disk are read again"
    )
    Path(where.pattern.replace("{SPAN}", "2")).write_text("day,label\n2013-01-01,a\n")
    assert "span-2.csv has no column 'size'" in noted(where)
    for span in (1, 2):
        Path(where.pattern.replace("{SPAN}", str(span))).unlink()
    assert "no data file matches" in noted(where)
    assert with_rows(Verdict((replace(BIG, offends=None),)), {"training": where}, 3).notes == ()
