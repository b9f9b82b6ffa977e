"""The journal of `longhaul loop`: what is read back, what a kill leaves, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.continuous.journal import BEGAN, DECIDED, DONE, ENDED, PUBLISHED, TRAINED, Journal
from pipeline.errors import EXIT_LOCKED, EXIT_UNAVAILABLE, WorkspaceError

T = "2026-01-05T06:00:00.000+00:00"


def story(journal: Journal) -> None:
    """One attempt from its event to its end."""
    one = journal.write(BEGAN, time=T, keys=["new_span:3"], before="").number
    journal.write(DECIDED, one, time=T, action="run", because="try 1")
    journal.write(TRAINED, one, time=T, run_id="r", outcome="waits", digest="d", cpu_s=9.0)
    journal.write(PUBLISHED, one, time=T, version=7)
    journal.write(DECIDED, one, time=T, action="step", share=10.0, because="good")
    journal.write(DONE, one, time=T, action="step", share=10.0)
    journal.write(ENDED, one, time=T, outcome="promoted")


def test_a_journal_tells_what_is_under_way_and_what_was_answered(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "journal.jsonl"
    story(Journal.read(file))
    found = Journal.read(file)
    (attempt,) = found.attempts()
    assert (attempt.version, attempt.stage, attempt.cpu_s, attempt.ended) == (7, 10.0, 9.0, "promoted")
    assert (attempt.tries, attempt.pending, found.under_way(), found.keys()) == (1, None, None, {"new_span:3"})
    second = found.write(BEGAN, time=T, keys=["harm:1"], before="r")
    found.write(DECIDED, second.number, time=T, action="run", because="")
    found.write(DONE, second.number, time=T, action="run", exit_code=EXIT_UNAVAILABLE, cpu_s=2.0)
    found.write(DECIDED, second.number, time=T, action="run", because="")
    found.write(DONE, second.number, time=T, action="run", exit_code=EXIT_LOCKED, cpu_s=0.5)
    under_way = Journal.read(file).under_way()
    assert under_way
    assert (under_way.number, under_way.tries, under_way.cpu_s) == (8, 1, 2.5)  # that another is at work is no try


@given(cut=st.integers(min_value=0))
@settings(max_examples=25, deadline=None)
def test_a_line_that_is_cut_anywhere_counts_as_not_written(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    file = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    story(Journal.read(file))
    whole = file.read_bytes()
    kept = cut % (len(whole) + 1)
    file.write_bytes(whole[:kept])
    lines = whole[:kept].count(b"\n")
    found = Journal.read(file)
    assert len(found.entries) == lines
    found.write(BEGAN, time=T, keys=["new_span:4"], before="")
    again = Journal.read(file)
    assert [one.number for one in again.entries] == list(range(1, lines + 2))
    assert again.entries[-1].told["keys"] == ["new_span:4"]


def test_what_is_no_journal_is_refused_and_said(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    story(Journal.read(file))
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], "{}", *lines[2:], ""]))
    with pytest.raises(WorkspaceError, match=r"journal.jsonl, line 2, is no entry"):
        Journal.read(file)
    file.write_text(json.dumps(json.loads(lines[0]) | {"form": 99}) + "\n")
    with pytest.raises(WorkspaceError, match="by a later Longhaul"):
        Journal.read(file)
