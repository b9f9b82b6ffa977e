"""A request of a form that the log does not know costs nobody else a row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.serving.request_log import RequestLog
from pipeline.serving.request_upkeep import LogOptions
from tests.serving.test_request_log import an_entry, logged

ROW = {"name": "UA", "miles": 2.0, "seats": 3, "score": 0.5}
COLUMNS: list[Any] = [
    np.float64(7).reshape(()), np.array("UA", object), np.ones((1, 2)), np.array([b"\xff"], object), ["UA"],
    [b"UA"], [1.5], [2**70], [True], np.array([None], object), np.array([1 + 2j]), np.ones((1, 0)), [], np.ones(5),
]  # fmt: skip
OUTPUTS: list[Any] = [
    np.float32(1).reshape(()), np.ones((1, 2, 3)), np.array([[b"a"]], object), np.ones((1, 0)), np.array([[1j]]),
    np.ones(3), np.array([[True]]),
]  # fmt: skip


@pytest.fixture
def said() -> list[str]:
    return []


def written(folder: Path, entries: list[Any], said: list[str]) -> tuple[list[str], RequestLog]:
    log = RequestLog(LogOptions(str(folder / "requests")), ["flights"], said.append)
    for entry in entries:
        log.add(entry)
    log.close()
    return [row["request_id"] for row in logged(folder / "requests")], log


@pytest.mark.parametrize("name", ["name_", "miles", "seats"])
@pytest.mark.parametrize("column", COLUMNS, ids=repr)
def test_whatever_stands_in_a_column(column: Any, name: str, tmp_path: Path, said: list[str]) -> None:
    good, odd = an_entry([ROW], "good"), an_entry([ROW], "odd")
    odd = replace(odd, columns={**(odd.columns or {}), name: column})
    found, log = written(tmp_path, [good, odd, an_entry([ROW], "good, too")], said)
    assert {"good", "good, too"} <= {*found}, said
    assert (log.counts.written["flights"], log.counts.dropped["flights"]) == (len(found), 3 - len(found))
    assert bool(said) == ("odd" not in found)


@pytest.mark.parametrize("output", OUTPUTS, ids=repr)
def test_whatever_is_answered(output: Any, tmp_path: Path, said: list[str]) -> None:
    odd = an_entry([ROW], "odd", outputs={"prediction": output})
    found, _ = written(tmp_path, [an_entry([ROW], "good"), odd], said)
    assert {*found} == {"good", "odd"}, said


def test_a_number_without_dimensions_is_logged(tmp_path: Path, said: list[str]) -> None:
    entry = an_entry([ROW], "odd")
    entry = replace(entry, columns={**(entry.columns or {}), "miles": np.float64(7).reshape(())})
    written(tmp_path, [entry], said)
    ((features,), ()) = [row["features"] for row in logged(tmp_path / "requests")], said
    assert features["miles"] == 7


def test_columns_of_unequal_length_are_logged(tmp_path: Path, said: list[str]) -> None:
    """Which a model may take, and did."""
    entry = an_entry([ROW] * 3, "odd", whole=1, outputs={"prediction": np.ones((3, 1))})
    entry = replace(entry, columns={**(entry.columns or {}), "miles": [2.0]})
    assert written(tmp_path, [an_entry([ROW], "good"), entry], said)[0] == ["good", "odd", "odd", "odd"]
    assert said == []
