"""A split without rows: told by the spans that came without any, else by its bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from pipeline.components.example_gen import _judge
from pipeline.config.data import Data
from pipeline.config.split import Split
from pipeline.data.columns import ColumnType
from pipeline.data.sources.source import plan_fragments
from pipeline.data.sources.table_files import find_files
from pipeline.data.split import settle
from pipeline.data.split_shards import WriteSplitShards
from pipeline.errors import DataError

COLUMNS = {"day": ColumnType.TIMESTAMP, "label": ColumnType.INT}


def ingest(folder: Path, split: dict[str, Any], months: dict[str, int]) -> dict[str, Any]:
    """Tables of so many rows a month."""
    for month, rows in months.items():
        lines = [f"{month}-01,{row % 2}\n" for row in range(rows)]
        (folder / f"{month}.csv").write_text("day,label\n" + "".join(lines))
    data = Data.model_validate({"path": str(folder / "{YYYY}-{MM}.csv"), "label": "label", "task": "binary"})
    files = find_files(data.path)
    used = sorted({file.span for file in files})
    parsed: Any = settle(TypeAdapter(Split).validate_python({"by": "time", "column": "day"} | split), used)
    write = WriteSplitShards(COLUMNS, data, parsed, {name: str(folder / name) for name in ("train", "eval")})
    return _judge([write(one) for one in enumerate(plan_fragments(files))], data, ("train", "eval"), used)


@pytest.mark.parametrize(
    ("split", "newest", "what", "remedy"),
    [
        ({"eval": "last 1 span"}, 0, r"\(rows: train 8, eval 0\): span 2024-02-01 without a row", "delivered again"),
        ({"eval_from": "2025-01-01"}, 6, r"\(rows: train 14, eval 0\)\n", "bounds"),
    ],
)
def test_a_span_without_rows_is_named(
    split: dict[str, str], newest: int, what: str, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=f"split 'eval' is empty {what}") as caught:
        ingest(tmp_path, split, {"2024-01": 8, "2024-02": newest})
    assert remedy in caught.value.remedy
