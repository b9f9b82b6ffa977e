"""What page and terminal say of the check before the push."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run
from pipeline.reports.headline import Headline
from pipeline.reports.infra import Comparison, Figure, Infra, Latency, headline_after_check, infra_section
from pipeline.serving.verdict import ServingVerdict
from pipeline.terminal.console import console_for
from pipeline.terminal.results import print_infra_verdict

FIT = ServingVerdict(
    checked=True,
    failures=[],
    rows={"what Evaluator measured": 256, "what the network predicted in training": 100},
    differences={"serving_tensors": 0.0, "what Evaluator measured": 1.2e-7},
    tolerance=1e-5,
    latency={
        "serving_default": {"1": {"p50_ms": 1.0, "p99_ms": 2.25, "calls": 800}},
        "serving_tensors": {"1": {"p50_ms": 1.5, "p99_ms": 4.0, "calls": 500, "first_p99_ms": 60.0}},
    },
    p99_ms={"1": 50.0},
    load_s=0.5,
    first_call_s=0.25,
    size_bytes=5_740_129,
    max_size_mb=10.0,
    memory_bytes=906_153_984,
    memory_before_bytes=752_918_528,
    files={"saved_model.pb": "ab"},
)
SLOW = replace(
    FIT,
    failures=["serving_default at batch 1 takes 2,014.0 ms (p99 of 3 calls, measured twice); 50 ms is allowed"],
    latency={"serving_default": {"1": {"p50_ms": 2000.0, "p99_ms": 2014.0, "calls": 3}}},
)


def test_the_section_holds_every_figure_against_its_limit() -> None:
    assert infra_section(FIT) == Infra(
        failures=[],
        comparisons=[Comparison("serving_tensors", 0.0, True), Comparison("What Evaluator measured", 1.2e-7, True)],
        tolerance=1e-5,
        latencies=[
            Latency("serving_default", "1", 1.0, 2.25, 800, 50.0, True),
            Latency("serving_tensors", "1", 1.5, 4.0, 500, 50.0, True),
        ],
        figures=[
            Figure("SavedModel", "5.7 MB", "at most 10 MB", True),
            Figure("Memory of the process that served it (peak)", "906.2 MB", "", None),
            Figure("TensorFlow alone", "752.9 MB", "", None),
            Figure("Loading", "0.50 s", "", None),
            Figure("First request", "0.25 s", "", None),
        ],
    )
    slow = infra_section(SLOW)
    assert slow
    assert [row.held for row in slow.latencies] == [False]
    assert infra_section(None) is None


def test_it_is_said_how_long_requests_waited_for_a_busy_machine() -> None:
    waits = replace(FIT, latency={"serving_default": {"1": FIT.latency["serving_default"]["1"] | {"waited": 0.634}}})
    section = infra_section(waits)
    assert section
    what = "Time that requests waited for a core of a busy machine, not counted above (at most)"
    assert section.figures[-1] == Figure(what, "63%", "", None)
    assert waits.in_short().endswith(
        " of memory; the machine was busy: requests waited for a core up to 63% of the time, not counted"
    )


def test_a_model_that_did_not_even_load_has_a_section(tmp_path: Path) -> None:
    broken = infra_section(ServingVerdict(checked=True, failures=["loading failed"], p99_ms={"1": 50.0}, size_bytes=7))
    assert broken == Infra(["loading failed"], [], 0.0, [], [Figure("SavedModel", "0.0 MB", "", None)])


def test_the_headline_says_that_a_good_model_was_not_pushed() -> None:
    blessed, worse = Headline(True, "Blessed", ["auc 0.7"]), Headline(False, "Not blessed", ["auc 0.5"])
    assert headline_after_check(blessed, FIT) == headline_after_check(blessed, None) == blessed
    assert headline_after_check(blessed, SLOW) == Headline(False, "Not pushed: not fit to serve", SLOW.failures)
    assert headline_after_check(worse, None) == worse


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (
            FIT,
            "Checked   356 rows agree within 1e-07; p99 4.0 ms at batch 1; 5.7 MB, 906 MB of memory\n",
        ),
        (SLOW, f"Not pushed: not fit to serve\n          {SLOW.failures[0]}\n"),
    ],
)
def test_the_terminal_says_it_in_a_line_or_in_full(verdict: ServingVerdict, said: str) -> None:
    stream = io.StringIO()
    print_infra_verdict(console_for(stream), verdict)
    assert stream.getvalue() == said


def test_only_a_model_that_was_asked_has_a_verdict(tmp_path: Path) -> None:
    run = Run("1", "cats", "complete", "", 1.0, "", {})
    run.artifacts["InfraCheck"] = [Artifact("InfraBlessing", str(tmp_path), {"blessed": 0, "checked": 0})]
    (tmp_path / "infra.json").write_text('{"checked": false, "failures": []}')
    assert run.infra_verdict is None
    (tmp_path / "infra.json").write_text('{"checked": true, "failures": ["too slow"], "blessed": false}')
    assert run.infra_verdict == {"checked": True, "failures": ["too slow"], "blessed": False}
    run.artifacts["Pusher"] = [Artifact("PushedModel", "", {"pushed": 0, "not_pushed": "it was rolled back"})]
    assert (run.pushed, run.not_pushed) == (None, "it was rolled back")
