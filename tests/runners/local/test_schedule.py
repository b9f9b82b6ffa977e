"""Steps begin when what they need is done, side by side where they can."""

from __future__ import annotations

import threading
import time

import pytest

from pipeline.runners.local.schedule import run_graph

CHAIN = {
    "schema": (),
    "examples": (),
    "statistics": ("examples",),
    "inferred": ("statistics",),
    "gate": ("statistics", "schema"),
    "train": ("gate", "examples", "elsewhere"),  # a step that is not part of the run counts as done
}


def test_no_step_begins_before_what_it_needs_is_done() -> None:
    done: list[str] = []

    def launch(step: str) -> None:
        assert {need for need in CHAIN[step] if need in CHAIN} <= set(done)
        time.sleep(0.01)
        done.append(step)

    run_graph(CHAIN, launch, helpers=2)
    assert sorted(done) == sorted(CHAIN)


def test_the_longest_chain_stays_in_the_calling_thread_and_the_rest_runs_beside_it() -> None:
    threads: dict[str, int] = {}
    together = threading.Barrier(2, timeout=300)

    def launch(step: str) -> None:
        threads[step] = threading.get_ident()
        if step in ("schema", "examples"):
            together.wait()  # for ever, if one had to end before the other begins

    run_graph(CHAIN, launch, helpers=1)
    here = {step for step, thread in threads.items() if thread == threading.get_ident()}
    assert here >= {"examples", "statistics", "train"}
    assert "schema" not in here


@pytest.mark.parametrize("failing", ["schema", "examples"])
def test_after_a_failure_nothing_begins_and_what_is_at_work_ends(failing: str) -> None:
    began: list[str] = []
    ended: list[str] = []
    both_at_work = threading.Barrier(2, timeout=300)

    def launch(step: str) -> None:
        began.append(step)
        both_at_work.wait()
        if step == failing:
            raise ValueError(step)
        time.sleep(0.2)
        ended.append(step)

    with pytest.raises(ValueError, match=failing):
        run_graph(CHAIN, launch, helpers=2)
    assert sorted(began) == ["examples", "schema"]
    assert set(ended) == {"examples", "schema"} - {failing}


def test_ctrl_c_ends_the_calling_thread_s_step_and_waits_for_the_others() -> None:
    ended = threading.Event()
    both_at_work = threading.Barrier(2, timeout=300)

    def launch(step: str) -> None:
        both_at_work.wait()
        if step == "examples":
            raise KeyboardInterrupt
        time.sleep(0.2)
        ended.set()

    with pytest.raises(KeyboardInterrupt):
        run_graph(CHAIN, launch, helpers=2)
    assert ended.is_set()
