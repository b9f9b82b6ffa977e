"""Rows that a run sets aside: left out of the examples, counted, written down with reasons, within a limit."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config.data import Data
from pipeline.config.reading import Reading
from pipeline.config.split import HashSplit
from pipeline.data.columns import ColumnType
from pipeline.data.set_aside import gathered
from pipeline.data.sources.meaning import expected
from pipeline.data.sources.source import plan_fragments
from pipeline.data.sources.table_files import find_files
from pipeline.data.split_shards import WriteSplitShards
from pipeline.data.values.readings import Readings, readings_of
from pipeline.errors import DataError

COLUMNS = {"amount": ColumnType.FLOAT, "n": ColumnType.INT, "label": ColumnType.STRING}
BAD = {3: ("amount", "12 apples"), 40: ("n", "1.5"), 77: ("amount", "€7")}


def ingest(folder: Path, policy: str, block: int = 1 << 20) -> tuple[pa.Table, list[dict[str, Any]]]:
    rows: list[dict[str, object]] = [{"amount": f"${n}", "n": str(n), "label": "yes"} for n in range(100)]
    for row, (name, value) in BAD.items():
        rows[row][name] = value
    file = folder / "t.csv"
    file.write_text("amount,n,label\n" + "".join(f"{row['amount']},{row['n']},{row['label']}\n" for row in rows))
    data = Data.model_validate({
        "path": str(file), "label": "label", "task": "binary", "classes": ["no", "yes"], "bad_rows": policy,
        "columns": {"amount": Reading(kind="number", unit=("$",))},
    })  # fmt: skip
    write = WriteSplitShards(
        COLUMNS, data, HashSplit(by="hash"), {"train": str(folder / "a"), "eval": str(folder / "b")}
    )
    fragments = plan_fragments(find_files(str(file), readings=readings_of(data)), block)
    outcomes = [write(one) for one in enumerate(fragments)]
    shards = [pq.read_table(shard) for shard in sorted(folder.glob("[ab]/*"))]
    return pa.concat_tables(shards) if shards else pa.table({}), outcomes


@pytest.mark.parametrize("block", [1 << 20, 200])
def test_rows_with_values_that_do_not_fit_are_left_out_and_written_down(tmp_path: Path, block: int) -> None:
    found, outcomes = ingest(tmp_path, "set_aside", block)
    assert (len(outcomes) > 1) == (block == 200)
    assert sorted(found.column("n").to_pylist()) == [n for n in range(100) if n not in BAD]
    told, text = gathered([outcome["aside"] for outcome in reversed(outcomes)], 0.05)
    assert told == {"rows": 3, "columns": {"amount": 2, "n": 1}}
    written = list(csv.DictReader(io.StringIO(text)))
    assert [(int(one["row"]) - 1, (one["column"], one["value"])) for one in written] == list(BAD.items())
    assert [one["file"] for one in written] == ["t.csv"] * 3
    assert written[0]["reason"] == "a number (float32) with unit ['$'] is expected"
    assert written[1]["reason"] == "a whole number (int64) is expected"


def test_more_than_the_limit_stops_the_run(tmp_path: Path) -> None:
    _, outcomes = ingest(tmp_path, "set_aside")
    with pytest.raises(
        DataError, match=r"3 of 100 rows .* \(3.0%; data.bad_rows_at_most is 1.0%\).*row 4: .*12 apples"
    ):
        gathered([outcome["aside"] for outcome in outcomes], 0.01)


def test_a_date_of_a_format_is_not_said_to_be_of_iso() -> None:
    """Seen failing: 'an ISO 8601 date or date-time with format %d.%m.%Y'."""
    readings = Readings(columns={"when": Reading(kind="date", format="%d.%m.%Y")})
    assert expected("when", ColumnType.TIMESTAMP, readings) == "a date or time with format '%d.%m.%Y'"


def test_by_default_the_first_such_value_is_an_error(tmp_path: Path) -> None:
    _, (outcome,) = ingest(tmp_path, "refuse")
    assert "t.csv, line 42: column 'n' holds '1.5' where a whole number" in outcome["problem"][0]
