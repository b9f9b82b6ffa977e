"""Offending rows: counts by file, ranges, values; of the right split and span; and words where there are none."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.config.split import GroupSplit, HashSplit, TimeSplit
from pipeline.data.columns import ColumnType
from pipeline.data.split import assign
from pipeline.data.values.readings import Readings
from pipeline.guard.duplicate_rows import DuplicateRows
from pipeline.guard.findings import DataVerdict, Finding
from pipeline.guard.rows import Source, with_rows
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


def looked_at(finding: Finding, source: Source, limit: int = 9) -> Finding:
    verdict = with_rows(DataVerdict((finding,)), {"training": source, "serving": source}, limit)
    assert verdict.notes == ()
    return verdict.findings[0]


def rows(finding: Finding, source: Source, limit: int = 9) -> list[str]:
    return [line.rpartition("/")[2] for line in looked_at(finding, source, limit).places()]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", ["span-2.csv: 1 of 2 rows, row 2 (93)", "span-1.csv: 1 of 2 rows, row 3 (91)"]),  # 2 has no label
        ("eval", ["span-2.csv: 1 of 1 row (94)", "span-1.csv: 1 of 1 row (92)"]),
        ("span 2", ["span-2.csv: 2 of 3 rows, rows 2 to 3 (93, 94)"]),
        (None, ["span-2.csv: 2 of 3 rows, rows 2 to 3 (93, 94)", "span-1.csv: 2 of 3 rows, rows 3 to 4 (91, 92)"]),
    ],
)
def test_rows_are_those_of_the_split(where: Source, split: str | None, expected: list[str]) -> None:
    found = looked_at(replace(BIG, split=split), where)
    assert rows(replace(BIG, split=split), where) == expected
    assert (found.count, found.of) == tuple(
        sum(numbers) for numbers in zip(*((file.count or 0, file.of or 0) for file in found.rows), strict=True)
    )


def test_rows_that_were_set_aside_are_none_of_them_but_count_as_rows_of_the_file(where: Source, tmp_path: Path) -> None:
    lines = ["2013-01-01,many,a", "2013-01-01,90,a", "30/2/2013,91,a", "2013-01-02,92,b", "2013-01-02,3,b"]
    (tmp_path / "span-1.csv").write_text("\n".join(["day,size,label", *lines]) + "\n")
    where = replace(where, readings=Readings(set_aside=True))
    places = rows(replace(BIG, split=None), where)
    assert places == ["span-2.csv: 2 of 3 rows, rows 2 to 3 (93, 94)", "span-1.csv: 2 of 3 rows, rows 2, 4 (90, 92)"]


def test_what_is_not_shown_is_counted(where: Source) -> None:
    found = looked_at(replace(BIG, split=None), where, limit=1)
    assert rows(replace(BIG, split=None), where, limit=1)[1:] == ["and 1 more file"]
    assert (found.count, found.of, found.files) == (4, 6, 2)
    nothing = looked_at(replace(BIG, split=None), where, limit=0)
    assert (nothing.places(), nothing.count) == ([], 4)


def test_what_the_gate_counted_stands(where: Source) -> None:
    assert looked_at(BIG.counted(7, 9), where).count == 7


def test_the_densest_file_comes_first_and_then_the_newest(tmp_path: Path) -> None:
    for span, bad in {1: 3, 2: 10, 3: 3, 11: 0}.items():
        lines = ["90"] * bad + ["1"] * (10 - bad)
        (tmp_path / f"span-{span}.csv").write_text("\n".join(["size", *lines]) + "\n")
    found = rows(replace(BIG, split=None), Source(str(tmp_path / "span-{SPAN}.csv"), {"size": ColumnType.INT}))
    assert found == [
        "span-2.csv: 10 of 10 rows (90)",
        "span-3.csv: 3 of 10 rows, rows 1 to 3 (90)",
        "span-1.csv: 3 of 10 rows, rows 1 to 3 (90)",
    ]


def test_of_a_table_that_is_not_split_all_rows_count(where: Source) -> None:
    found = rows(replace(BIG, split="serving"), Source(where.pattern, {"size": ColumnType.INT}))
    assert found == [
        "span-1.csv: 3 of 4 rows, rows 2 to 4 (90, 91, 92)",
        "span-2.csv: 2 of 3 rows, rows 2 to 3 (93, 94)",
    ]


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
    (file,) = looked_at(replace(BIG, split="eval"), source, 50).rows
    assert [row for first, last in file.ranges for row in range(first, last + 1)] == expected
    assert (file.count, file.of) == (len(expected), len(expected))


def test_rows_are_counted_through_row_groups_and_in_gzip(tmp_path: Path) -> None:
    sizes = [0] * 20_000 + [90] + [0] * 9
    pq.write_table(pa.table({"size": sizes}), tmp_path / "t.parquet", row_group_size=9_000)
    plain = {"size": ColumnType.INT}
    assert rows(replace(BIG, split=None), Source(str(tmp_path / "t.parquet"), plain)) == [
        "t.parquet: 1 of 20,010 rows, row 20,001 (90)"
    ]
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"size\n1\n90\n"))
    assert rows(replace(BIG, split=None), Source(str(tmp_path / "t.csv.gz"), plain)) == [
        "t.csv.gz: 1 of 2 rows, row 2 (90)"
    ]


def test_a_row_that_repeats_another_is_known_again_in_the_file(where: Source, tmp_path: Path) -> None:
    for span in (1, 2):
        (tmp_path / f"span-{span}.csv").write_text(f"day,size,label\n2013-01-01,1,a\n2013-01-02,{span},a\n")
    check = DuplicateRows(0.0)
    check.add("train", batch(day=[1356998400, 1357084800] * 2, size=[1, 1, 1, 2], label=["a"] * 4))
    (finding,) = check.findings()
    assert rows(finding, where) == [
        "span-2.csv: 1 of 2 rows, row 1", "span-1.csv: 1 of 2 rows, row 1",
    ]  # fmt: skip


def test_rows_that_cannot_be_read_are_told_of(where: Source) -> None:
    def noted(source: Source) -> str:
        verdict = with_rows(DataVerdict((BIG,)), {"training": source}, 3)
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
    assert with_rows(DataVerdict((replace(BIG, offends=None),)), {"training": where}, 3).notes == ()
