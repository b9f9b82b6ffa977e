"""The bench's own parts: what it measures, on which tables, and what it draws."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

from bench import tables
from bench.chart import draw
from bench.history import append, draw_history
from bench.measure import BOTH, REST, STEP_LINE, WHOLE, measure
from pipeline.lineage.records import Step
from pipeline.lineage.runs import StepState
from pipeline.terminal.console import console_for
from pipeline.terminal.screen import Screen

CHILD = """
import time
def work(seconds):  # of processor time, however busy the machine is
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
def ended(number, name):
    global began
    print(f"  {number}/3  {name:<18}{time.monotonic() - began:9.3f} s", flush=True)
    began = time.monotonic()
began = time.monotonic()
time.sleep(0.4)
ended(1, "StatisticsGen")
work(1.0)
ballast = b"x" * (200 << 20)  # long after the line above was read
work(0.5)
ended(2, "ExampleValidator")
ended(3, "Novelty")
"""


def test_a_command_is_measured_whole_and_by_stage(tmp_path: Path) -> None:
    found = measure([sys.executable, "-c", CHILD], tmp_path / "log")
    statistics, validation, _ = map(float, re.findall(r"([\d.]+) s", (tmp_path / "log").read_text()))
    assert list(found) == ["statistics", "validation", "Novelty", BOTH, REST, WHOLE]
    assert found["statistics"]["wall_s"] == pytest.approx(statistics, abs=0.01)
    assert found[BOTH]["wall_s"] == pytest.approx(statistics + validation, abs=0.02)
    assert found["validation"]["cpu_s"] > 1.0 > found["statistics"]["cpu_s"]
    assert found["validation"]["peak_mib"] > 200 > found["statistics"]["peak_mib"]
    assert found[WHOLE]["peak_mib"] > 200
    parts = sum(found[stage]["wall_s"] for stage in (BOTH, "Novelty", REST))
    assert found[WHOLE]["wall_s"] == pytest.approx(parts, abs=0.01)


def test_a_command_that_fails_ends_the_bench_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"(?s)ended with 3:.*the reason"):
        measure([sys.executable, "-c", "import sys; print('the reason'); sys.exit(3)"], tmp_path / "log")


def test_the_lines_of_longhaul_are_understood() -> None:
    out = io.StringIO()
    screen = Screen(console_for(out))
    screen.planned(["StatisticsGen"])
    screen.started("StatisticsGen")
    screen.finished(Step("StatisticsGen", StepState.DONE, 12.34, 1))
    match = STEP_LINE.match(out.getvalue())
    assert match
    assert match.groups() == ("StatisticsGen", "12.3")


def test_a_table_has_the_same_rows_in_every_form(tmp_path: Path) -> None:
    csv, parquet = (tables.flights(tmp_path, 1, 0.002, kind) for kind in ("csv", "parquet"))
    assert csv["rows"] == parquet["rows"]
    assert csv["rows"]["train"] + csv["rows"]["eval"] == pytest.approx(327_346 * 0.002, abs=12)
    for split in ("train", "eval"):
        text = Path(csv["folder"], f"{split}.csv")
        files = sorted(Path(parquet["folder"]).glob(f"{split}.*.parquet"))
        written = pd.read_csv(text, dtype_backend="numpy_nullable").astype("string")
        stored = pd.concat(map(pd.read_parquet, files), ignore_index=True)
        assert written.isna().equals(stored.isna())
        assert list(written["tailnum"].dropna()) == list(stored["tailnum"].dropna())
        # Else stock TFX would take these for integers.
        line = pd.read_csv(text, dtype="string")["wind_dir_deg"].dropna()
        assert line.str.endswith(".0").all()
    assert pd.read_csv(Path(csv["folder"], "train.csv"))[tables.TIME].max() < csv["eval_from"] == "2013-09-01"
    assert pd.read_csv(Path(csv["folder"], "eval.csv"))[tables.TIME].min() >= csv["eval_from"]


@pytest.mark.long
def test_ten_years_repeat_one(tmp_path: Path) -> None:
    one, ten = (tables.flights(tmp_path, years, 0.0005, "csv") for years in (1, 10))
    assert sum(ten["rows"].values()) == 10 * sum(one["rows"].values())
    whole = pd.concat(pd.read_csv(Path(ten["folder"], f"{split}.csv")) for split in ("train", "eval"))
    assert set(whole[tables.TIME].str[:4]) == {str(year) for year in range(2013, 2023)}


def test_the_chart_shows_every_goal_and_is_the_same_each_time(tmp_path: Path) -> None:
    found = {"goals": {WHOLE: {"wall_s": 0.25}}, "ratios": {WHOLE: {"wall_s": [0.1, 0.123, 0.2]}}}
    (tmp_path / "1x.json").write_text(json.dumps(found))
    draw(tmp_path, tmp_path / "one.svg")
    draw(tmp_path, tmp_path / "two.svg")
    text = (tmp_path / "one.svg").read_text()
    assert "flights: whole run" in text
    assert "0.12" in text
    assert text == (tmp_path / "two.svg").read_text()


def test_each_comparison_is_a_line_of_the_log_and_a_point_of_its_chart(tmp_path: Path) -> None:
    for seconds in ([0.3, 0.1, 0.2], [0.4]):
        append(tmp_path, "1x", {"pairs": len(seconds), "ratios": {WHOLE: {"wall_s": seconds, "peak_mib": [0.6]}}})
    append(tmp_path, "wide", {"pairs": 1, "ratios": {WHOLE: {"wall_s": [0.9]}}})
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["size"], line["ratios"][WHOLE]["wall_s"]) for line in lines] == [
        ("1x", 0.2),
        ("1x", 0.4),
        ("wide", 0.9),
    ]
    draw_history(tmp_path, tmp_path / "log.svg")
    assert (tmp_path / "log.svg").read_text().count(lines[0]["date"]) == 2
