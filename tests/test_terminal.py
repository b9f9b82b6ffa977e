"""The terminal's own lines; what the commands print is tested with the commands."""

from __future__ import annotations

import io
import sys

from rich.console import Console

from pipeline.lineage.runs import Step, StepState
from pipeline.terminal import Screen


def test_what_others_print_while_a_step_works_stays_off_the_terminal() -> None:
    shown = io.StringIO()
    screen = Screen(Console(file=shown, force_terminal=True, width=100, highlight=False))
    screen.planned(["Trainer"])
    before = sys.stdout, sys.stderr
    screen.started("Trainer")
    assert (sys.stdout, sys.stderr) == before  # rich would put its own in their place, and show what they get
    screen.finished(Step("Trainer", StepState.DONE, 12.34, 7))
    assert "Trainer" in shown.getvalue()
    assert "12.3 s" in shown.getvalue()


def test_without_a_terminal_a_finished_step_is_one_plain_line() -> None:
    shown = io.StringIO()
    screen = Screen(Console(file=shown, width=100, highlight=False))
    screen.planned(["Trainer", "Evaluator"])
    screen.started("Trainer")
    screen.finished(Step("Trainer", StepState.CACHED, 0.04, 7))
    assert shown.getvalue() == "≡  1/2  Trainer               0.0 s  cached\n"
