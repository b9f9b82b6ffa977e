"""What `run` and `show` print of one run: what broke first, what can be copied whole."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pipeline.config.command_texts import forget_given, note_given
from pipeline.config.loading import load
from pipeline.guard.findings import DataVerdict
from pipeline.lineage.details import StepDetails
from pipeline.terminal.console import console_for
from pipeline.terminal.results import print_results, print_summary
from pipeline.terminal.show import print_run
from tests.lineage.weeks import cats_document
from tests.reports.test_page import ODD, complete_run, with_gate

EARLIER = "20260101-000000-000"


class Terminal(io.StringIO):
    """Says that it is one, of 80 columns."""

    def isatty(self) -> bool:
        return True


def test_what_blocks_comes_first_and_what_serves_meanwhile_follows(tmp_path: Path) -> None:
    run = with_gate(complete_run(tmp_path), DataVerdict((ODD,)))
    blocked = replace(run, status="blocked", reason="the data", artifacts={**run.artifacts, "Evaluator": []})
    shown = io.StringIO()
    print_results(console_for(shown), blocked, load(workspace=str(tmp_path)))
    labels = [line[:10].strip() for line in shown.getvalue().splitlines() if line[:1].strip()]
    assert labels[0] == "Blocked"
    assert labels.index("Meanwhile") < labels.index("Rows")
    assert "Meanwhile no model serves: nothing was pushed yet\n" in shown.getvalue()


def test_the_command_that_tells_more_can_be_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lacked the configuration, and broke at the edge of the window."""
    monkeypatch.chdir(tmp_path)
    Path("cats.yaml").write_text(yaml.safe_dump(cats_document(tmp_path / "workspace")))
    run, config = complete_run(tmp_path), load(Path("cats.yaml"))
    shown = io.StringIO()
    note_given("-c", "cats.yaml")
    print_summary(console_for(shown), run, config, tmp_path / "log", None)
    forget_given()
    assert shown.getvalue().endswith(f"\nMore      longhaul show {run.run_id} -c cats.yaml\n")


def test_cached_steps_name_their_run_once_and_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = complete_run(tmp_path)
    details = [StepDetails(step, cached_from=EARLIER) for step in run.steps]
    print_run(run, details, load(workspace=str(tmp_path)), False)
    told = capsys.readouterr().out
    assert told.count(EARLIER) == 1
    assert f"From      {EARLIER}: all cached steps\n" in told


def test_longer_labels_hang_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    shown = Terminal()
    console_for(shown).print("Not pushed it waits for somebody who says whether it may serve", soft_wrap=True)
    first, *further = shown.getvalue().splitlines()
    assert first.startswith("Not pushed it waits")
    assert further
    assert all(line.startswith(" " * 10) for line in further)


def test_a_command_stays_one_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    shown = Terminal()
    for line in (
        "More      longhaul show latest -c '/a folder/with blanks.yaml' -w /tmp/elsewhere",
        "  longhaul run --pin x",
    ):
        console_for(shown).print(line, soft_wrap=True)
        assert line in shown.getvalue().splitlines()
