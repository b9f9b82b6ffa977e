"""The terminal's own lines; what the commands print is tested with the commands."""

from __future__ import annotations

import io
import logging
import re
import sys
import threading

import pytest
from rich.console import Console

from pipeline.guard.findings import DataVerdict, Finding
from pipeline.guard.places import FileRows
from pipeline.guard.policy import Severity
from pipeline.lineage.records import Step
from pipeline.lineage.runs import StepState
from pipeline.lineage.states import Outcome
from pipeline.terminal import jobs
from pipeline.terminal.jobs import TaskReport
from pipeline.terminal.results import print_data_verdict
from pipeline.terminal.screen import Screen


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


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (
            Outcome(StepState.SKIPPED, "not blessed"),
            "\N{EN DASH}  1/1  InfraCheck            0.0 s  skipped: not blessed\n",
        ),
        (Outcome(StepState.BLOCKED), "■  1/1  InfraCheck            0.0 s  blocked\n"),
    ],
)
def test_a_step_that_did_nothing_or_said_no_has_no_tick(outcome: Outcome, line: str) -> None:
    shown = io.StringIO()
    screen = Screen(Console(file=shown, width=100, highlight=False))
    screen.planned(["InfraCheck"])
    screen.started("InfraCheck")
    screen.finished(Step("InfraCheck", StepState.DONE, 0.04, 7, told=outcome))
    assert shown.getvalue() == line


def test_a_task_on_vertex_that_did_nothing_has_no_tick() -> None:
    shown = io.StringIO()
    screen = Screen(Console(file=shown, width=100, highlight=False))
    screen.planned(["InfraCheck", "Pusher"])
    made = {"blessing": {"checked": 0, "skipped": "not blessed"}}
    for task in (TaskReport("InfraCheck", "SUCCEEDED", 1.0, outputs=made), TaskReport("Pusher", "NOT_TRIGGERED")):
        jobs.show(screen, ["InfraCheck", "Pusher"], task)
    assert [line.split() for line in shown.getvalue().splitlines()] == [
        ["\N{EN DASH}", "1/2", "InfraCheck", "1.0", "s", "skipped:", "not", "blessed"],
        ["·", "2/2", "Pusher", "0.0", "s", "not", "reached"],
    ]


def test_without_a_terminal_progress_is_rare_but_milestones_are_always_shown() -> None:
    shown = io.StringIO()
    screen = Screen(Console(file=shown, width=100, highlight=False))
    screen.planned(["Tuner"])
    screen.started("Tuner")
    progress = logging.getLogger("longhaul.progress.test")
    progress.setLevel(logging.INFO)
    progress.addHandler(screen)
    progress.info("epoch 1 of 2, 0 %%")
    progress.info("trial 1 of 2: validation loss 0.5", extra={"milestone": True})
    progress.removeHandler(screen)
    assert shown.getvalue() == "         Tuner: trial 1 of 2: validation loss 0.5\n"


def test_what_the_data_gate_says() -> None:
    shown = io.StringIO()
    rows = (FileRows("/data/may.csv", 2, 3, ((1017, 1018),), ("'[XXX]'",)), FileRows("/data/june.csv", 1, 9, ((4, 4),)))
    blocking = Finding("int_type_big_int", "seats", "train", "schema: domain", "at most 9", "10 [seats]", rows=rows)
    blocking = blocking.counted(3, 12)
    warnings = [
        Finding("constant_column", f"c{i}", "train", "check: x", "several values", "one", severity=Severity.WARN)
        for i in range(12)
    ]
    console = Console(file=shown, width=60, highlight=False)
    print_data_verdict(console, DataVerdict((blocking, *warnings), notes=("rows are gone",)))
    lines = shown.getvalue().splitlines()
    assert lines[:5] == [
        "Blocked   seats, train: numbers greater than allowed: expected at most 9, found 10 [seats] "
        "(3 of 12 rows, 25.0%, rule: domain in the schema)",
        "            data/may.csv: 2 of 3 rows, rows 1,017 to 1,018 ('[XXX]')",
        "            data/june.csv: 1 of 9 rows, row 4",
        "          Fix the data, or say in the schema or in its policy that they may be so.",
        "Warning   c0, train: one value in every row: expected several values, found one",
    ]
    assert lines[-2:] == [
        "Warning   2 more; the gate's verdict.json has them all",
        "Note      rows are gone",
    ]
    assert len(lines) == 4 + 10 + 2
    shown.truncate(0)
    print_data_verdict(console, DataVerdict())
    assert shown.getvalue() == ""


def test_steps_at_the_same_time_have_a_line_each_and_progress_goes_to_the_one_whose_thread_speaks() -> None:
    shown = io.StringIO()
    screen = Screen(Console(file=shown, force_terminal=True, width=100, highlight=False))
    screen.planned(["Trainer", "InferredSchema"])
    beside = threading.Thread(target=screen.started, args=["InferredSchema"])
    beside.start()
    beside.join()
    screen.started("Trainer")
    screen.emit(logging.LogRecord("longhaul.progress", logging.INFO, "", 0, "epoch 2 of 8", (), None))
    lines = io.StringIO()
    Console(file=lines, width=100).print(screen)
    first, second = lines.getvalue().splitlines()
    assert " 1/2  InferredSchema " in first
    assert "epoch" not in first
    assert " 2/2  Trainer " in second
    assert second.rstrip().endswith("epoch 2 of 8")
    screen.finished(Step("InferredSchema", StepState.DONE, 0.1, 3))
    screen.retrying("Trainer", "TimeoutError: [Errno 110]", 5.0)
    screen.finished(Step("Trainer", StepState.FAILED, 1.0, 4))
    screen.started("Trainer")
    screen.finished(Step("Trainer", StepState.DONE, 1.0, 5))
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.getvalue())
    assert "✓  1/2  InferredSchema        0.1 s" in plain
    assert "Trainer: TimeoutError: [Errno 110]; once more in 5 s" in plain
    assert "✓  2/2  Trainer               1.0 s" in plain  # the same number again


def test_a_leak_is_told_with_the_remedy_that_there_is() -> None:
    shown = io.StringIO()
    leak = Finding("label_leak", "shelf", "train", "policy: label_leak", "a feature", "that it alone tells the label")
    print_data_verdict(Console(file=shown, width=60, highlight=False), DataVerdict((leak.counted(80, 80),)))
    _, remedy = shown.getvalue().splitlines()
    assert remedy.strip().startswith(
        "Remedy: if shelf is known only together with the label, `longhaul drop --exclude shelf`"
    )
