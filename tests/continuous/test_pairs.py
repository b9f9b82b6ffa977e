"""Pairs of answers with labels, as they stand in a request log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.continuous.pairs import Versions, canary_pairs, shadow_pairs
from pipeline.errors import DataError
from pipeline.watch.reference import losses

WHO = Versions("7", "8", "binary", ("no", "yes"), {"color": "bytes", "size": "float"}, ("request_id",))
BEGAN = datetime(2026, 1, 5, 6, tzinfo=UTC)
SINCE = BEGAN.isoformat()
STABLE, OTHER = np.array([0.2, 0.4, 0.6, 0.8]), np.array([0.1, 0.5, 0.7, 0.9])
TRUTH = np.array([0.0, 1.0, 0.0, 1.0])


def rows(route: str, version: str, scores: Any, first: int = 0, **columns: Any) -> pa.Table:
    """Rows of the log, one a request, a minute apart, from BEGAN on."""
    count = len(scores)
    features = pa.StructArray.from_arrays(
        [pa.array([["red"]] * count), pa.array(np.arange(count, dtype=float))], names=["color", "size"]
    )
    values = {
        "request_id": [f"r{first + k}" for k in range(count)],
        "row": pa.array([0] * count, pa.int32()),
        "version": [version] * count,
        "time": pa.array([BEGAN + timedelta(minutes=first + k) for k in range(count)], pa.timestamp("us", "UTC")),
        "route": [route] * count,
        "error": pa.nulls(count, pa.string()),
        "features": features,
        "scores": pa.array([[float(one)] for one in scores], pa.list_(pa.float64())),
    }
    return pa.table(values | columns)


@pytest.fixture
def parts(tmp_path: Path) -> list[str]:
    """Labels of four requests, the first corrected by a later part."""
    told = [(["r0", "r1", "r2", "r3"], ["yes", "yes", "no", "yes"], 1), (["r0", "nobody"], ["no", "no"], 2)]
    for keys, labels, arrival in told:
        count = len(keys)
        table = {"request_id": keys, "label_row": [0] * count, "label_text": labels, "times": [1] * count,
                 "arrival": [arrival] * count}  # fmt: skip
        pq.write_table(pa.table(table), tmp_path / f"part-{arrival}.parquet")
    return sorted(map(str, tmp_path.glob("part-*.parquet")))


def written(tmp_path: Path, *tables: pa.Table) -> list[str]:
    pq.write_table(pa.concat_tables(tables), tmp_path / "log.parquet")
    return [str(tmp_path / "log.parquet")]


def test_in_the_shadow_both_answered_the_same_rows(tmp_path: Path, parts: list[str]) -> None:
    early = rows("shadow", "8", [0.5] * 4, first=-10)  # before the step began, of other requests
    log = written(tmp_path, rows("stable", "7", STABLE), rows("shadow", "8", OTHER), early, rows("shadow", "9", OTHER))
    found = shadow_pairs(log, parts, WHO, SINCE, tmp_path / "tmp")
    mine, its = (losses("binary", TRUTH, scores[:, None]) for scores in (STABLE, OTHER))
    assert found.rows == 4
    assert (found.champion, found.challenger) == pytest.approx((mine.sum(), its.sum()))
    assert (found.total, found.square) == pytest.approx(((its - mine).sum(), ((its - mine) ** 2).sum()))
    assert shadow_pairs(log, [], WHO, SINCE, tmp_path / "tmp").rows == 0
    later = (BEGAN + timedelta(minutes=2)).isoformat()
    assert shadow_pairs(log, parts, WHO, later, tmp_path / "tmp").rows == 2


def test_in_a_canary_the_champion_is_asked_about_the_rows_that_the_challenger_answered(
    tmp_path: Path, parts: list[str]
) -> None:
    failed = rows("canary", "8", [0.5], first=3, error=["INTERNAL"])
    log = written(tmp_path, rows("stable", "7", STABLE[:1], first=0), rows("canary", "8", OTHER[1:3], first=1), failed)
    asked: list[pa.RecordBatch] = []

    def champion(batch: pa.RecordBatch) -> Any:
        asked.append(batch)
        return np.full((batch.num_rows, 1), 0.5)

    found = canary_pairs(log, parts, WHO, SINCE, tmp_path / "tmp", lambda: champion)
    assert found.rows == 2
    assert found.champion == pytest.approx(2 * np.log(2))
    assert found.challenger == pytest.approx(-np.log(0.5) - np.log(0.3))
    table = pa.Table.from_batches(asked)
    assert [(one.name, str(one.type)) for one in table.schema] == [("color", "string"), ("size", "float")]
    assert table.column("color").to_pylist() == ["red", "red"]


def test_a_log_that_hides_what_the_champion_needs_is_said(tmp_path: Path, parts: list[str]) -> None:
    log = written(tmp_path, rows("canary", "8", OTHER))
    who = replace(WHO, inputs={"secret": "bytes"})
    with pytest.raises(DataError, match="does not hold the column 'secret'"):
        canary_pairs(log, parts, who, SINCE, tmp_path / "tmp", lambda: lambda _: np.zeros((0, 1)))
    pq.write_table(pa.table({"time": ["2026-01-05T06:00:00Z"], "scores": [[0.5]]}), tmp_path / "bare.parquet")
    with pytest.raises(DataError, match="has no column 'request_id', by which a rollout is judged"):
        shadow_pairs([str(tmp_path / "bare.parquet")], parts, WHO, SINCE, tmp_path / "tmp")


def test_labels_may_be_joined_by_columns_of_the_requests(tmp_path: Path) -> None:
    log = written(tmp_path, rows("stable", "7", STABLE), rows("shadow", "8", OTHER))
    labels = {"size": ["1.0", "2.0"], "label_row": [0, 0], "label_text": ["yes", "no"], "arrival": [1, 1]}
    pq.write_table(pa.table(labels), tmp_path / "by-size.parquet")
    who = replace(WHO, keys=("size",))
    assert shadow_pairs(log, [str(tmp_path / "by-size.parquet")], who, SINCE, tmp_path / "tmp").rows == 2
