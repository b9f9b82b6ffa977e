"""When spans count as there: gaps, markers, counts, files that still change, columns, and spans that never came."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.data import Data
from pipeline.config.spans import Spans, missing_spans
from pipeline.data.arrival import not_yet
from pipeline.data.sources.table_files import list_files

NOW = time.time()


def span(
    folder: Path, number: int | str, *, age_s: float = 3600, text: str = "a,b\n1,2\n", name: str = "t.csv"
) -> Path:
    file = folder / f"span-{number}" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (NOW - age_s, NOW - age_s))


def said(folder: Path, spans: Any = None, *, is_waiting: bool = False, **settings: Any) -> list[str]:
    data = table(f"{folder}/span-{{SPAN}}/*.csv", spans=spans, arrival=settings)
    return not_yet(data, data.path, is_waiting=is_waiting, now=NOW)


def table(path: str, **settings: Any) -> Data:
    return Data.model_validate({"path": path, "label": "y", "task": "binary"} | settings)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for number in (1, 2, 3):
        span(tmp_path, number)
    return tmp_path


def test_all_is_there(three: Path) -> None:
    assert said(three) == []
    assert said(three, marker=None, files=1, still_for="30m", columns=["a"]) == []


def test_a_gap_is_refused_unless_it_is_left_out_or_allowed(three: Path) -> None:
    span(three, 5)
    gap = ["span 4 is missing between those that are there, 1 to 3, 5"]
    assert said(three) == []  # nobody has named a window
    assert said(three, missing="refuse") == said(three, "from 1") == said(three, "last 4") == gap
    assert said(three, {"except": [4]}, missing="refuse") == []
    assert said(three, "from 1", missing="warn") == []
    assert missing_spans(Spans(), [file.span for file in list_files(f"{three}/span-{{SPAN}}/*.csv")]) == [4]
    assert said(three, {"use": [1, 7]}) == ["spans 4, 6 to 7 are missing between those that are there, 1 to 3, 5"]
    assert said(three, {"use": [1, 3]}) == []


def test_a_marker_stands_beside_the_files(three: Path) -> None:
    for number in (1, 2):
        (three / f"span-{number}" / "_SUCCESS").touch()
    assert said(three, marker="_SUCCESS") == ["span 3: there is no _SUCCESS beside its files"]
    assert said(three, {"except": [3]}, marker="_SUCCESS") == []


def test_a_marker_may_name_the_span(tmp_path: Path) -> None:
    for number in ("07", "08"):
        (tmp_path / f"day-{number}.csv").write_text("a\n1\n")
    (tmp_path / "day-07.done").touch()
    data = table(f"{tmp_path}/day-{{SPAN}}.csv", arrival={"marker": "day-{SPAN}.done"})
    assert not_yet(data, data.path) == ["span 8: there is no day-{SPAN}.done beside its files"]


def test_a_span_has_so_many_files(three: Path) -> None:
    for number in (1, 2):
        span(three, number, name="u.csv")
    assert said(three, files=2) == ["span 3: 1 of the 2 files of data.arrival.files are there"]


def test_a_file_that_still_changes_is_not_read(three: Path) -> None:
    span(three, 3, age_s=40)
    assert said(three, still_for="1m") == ["span 3: t.csv changed 40 s ago; data.arrival.still_for is 1m"]
    assert said(three, still_for="40s") == []
    span(three, 3, text="")
    assert said(three) == ["span 3: t.csv is empty (0 bytes)"]


def test_a_file_lacks_a_column(three: Path) -> None:
    span(three, 3, text="a\n1\n")
    assert said(three, columns=["a", "b"]) == ["span 3: t.csv has no column 'b'"]


def test_a_span_that_never_came(tmp_path: Path) -> None:
    for day in ("2025-03-01", "2025-03-02"):
        (tmp_path / f"{day}.csv").write_text("a\n1\n")
    data = table(f"{tmp_path}/{{YYYY}}-{{MM}}-{{DD}}.csv", arrival={"newest_within": "2d"})
    noon = [datetime(2025, 3, day, 12, tzinfo=UTC).timestamp() for day in (4, 6)]
    assert not_yet(data, data.path, now=noon[0]) == []
    (reason,) = not_yet(data, data.path, now=noon[1])
    assert reason.startswith("the newest span is 2025-03-02; ")
    assert reason.endswith("so one from 2025-03-04 or later should be there")


def test_what_is_not_there_at_all_is_waited_for_or_left_to_the_reader(tmp_path: Path) -> None:
    assert said(tmp_path) == []
    assert said(tmp_path, is_waiting=True) == [f"no file of {tmp_path}/span-{{SPAN}}/*.csv is there yet"]
    one = str(tmp_path / "t.csv")
    assert not_yet(table(one), one) == []
    assert not_yet(table(one), one, is_waiting=True) == [f"{one} does not exist"]
