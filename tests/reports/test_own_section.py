"""The page tells what steps of the user's own made."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

from rich.console import Console

from pipeline.lineage.own_outputs import own_outputs
from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run
from pipeline.reports.page import collect, render
from pipeline.terminal.own_steps import print_own_steps
from tests.reports.test_page import EVIL, Reader, assert_accessible, complete_run


def with_own_steps(folder: Path) -> Run:
    value = folder / "Mine" / "known" / "7" / "value"
    value.parent.mkdir(parents=True)
    value.write_text(f"3 {EVIL}")
    figure = Artifact("Figure", str(folder / "Mine" / "drawn" / "8"), {"rows": 40, "contents": "x"})
    gone = Artifact("Integer", str(folder / "Other" / "asked" / "9" / "value"), {})
    run = complete_run(folder / "run")
    made = {"Mine": [Artifact("String", str(value), {}), figure], "Other": [gone]}
    config = json.dumps({"steps": {"Mine": {}, "Other": {}, "Idle": {}}})
    return replace(run, artifacts=run.artifacts | made, properties=run.properties | {"config": config})


def test_values_and_artifacts_stand_in_a_section(tmp_path: Path) -> None:
    html = render(collect(with_own_steps(tmp_path)))
    assert EVIL not in html
    page = Reader(html)
    assert_accessible(page)
    lines = page.lines("own")
    assert lines[lines.index("Value") + 1 :] == [
        *("Mine", "drawn", f"rows 40{tmp_path}/Mine/drawn/8", "Mine", "known", f"3 {EVIL}"),
        *("Other", "asked", "cannot be read"),
    ]


def test_a_run_without_them_has_no_such_section(tmp_path: Path) -> None:
    page = Reader(render(collect(complete_run(tmp_path))))
    assert "own" not in page.text
    assert "Your own steps" not in page.text[""]


def test_the_terminal_tells_the_same(tmp_path: Path) -> None:
    run = with_own_steps(tmp_path)
    told = StringIO()
    print_own_steps(Console(file=told, width=500), run, ["Mine", "Other", "Idle"])
    assert told.getvalue().splitlines() == [
        f"Own steps Mine: drawn (rows 40), known 3 {EVIL}",
        "          Other: asked",
    ]
    assert own_outputs(run, ["Idle"]) == []
