"""What stands on top of the page of a run: how it ended, in a title and its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.guard.findings import DataVerdict
from pipeline.lineage.runs import Run, StepState
from pipeline.reports.baselines import no_better_note
from pipeline.reports.formats import number
from pipeline.reports.judgement import Judgement

MAX_REASONS = 5
"""Of the data gate, on top of the page."""


@dataclass(frozen=True)
class Headline:
    """What a reader wants to know first.

    Attributes:
        good: None where there is no verdict.
        reasons: one for each broken threshold, or the lines that say what happened.
    """

    good: bool | None
    title: str
    reasons: list[str]


def headline(
    run: Run, verdict: dict[str, Any] | None, judgement: Judgement | None, of_data: DataVerdict | None
) -> Headline:
    """Return what stands on top of the page."""
    if run.status == "blocked":
        return Headline(False, "Stopped by the data gate", _what_blocks(of_data) or run.reason.splitlines())
    if run.status != "complete":
        return Headline(None, *_unfinished(run))
    if verdict is None:
        last = next((step.node for step in reversed(run.steps)), None)
        return Headline(None, "No verdict", [f"the run ended with {last or 'no step'}, before a model was judged"])
    if not verdict["blessed"]:
        return Headline(False, "Not blessed", list(verdict["failures"]) or ["the evaluation does not say why"])
    metrics = judgement.metrics if judgement else []
    held = [f"{metric.name} {number(metric.value)}, {metric.threshold}" for metric in metrics if metric.threshold]
    champion = judgement.champion_sentence if judgement else ""
    reason = "; ".join([*(held or ["every threshold held"]), *([champion] if champion else [])])
    what, _, values = no_better_note(verdict).partition(": ")
    return Headline(True, f"Blessed, but {what}", [values, reason]) if what else Headline(True, "Blessed", [reason])


def _what_blocks(verdict: DataVerdict | None) -> list[str]:
    """Return the first findings; the page lists them all further down."""
    reasons = [finding.sentence() for finding in verdict.blocking] if verdict else []
    more = len(reasons) - MAX_REASONS
    return reasons[:MAX_REASONS] + ([f"and {more:,} more, below"] if more > 0 else [])


def _unfinished(run: Run) -> tuple[str, list[str]]:
    """Return title and reasons for a run that did not come to its end."""
    ended = (StepState.FAILED, StepState.INTERRUPTED, StepState.RUNNING)
    place = next((f" in {step.node}" for step in reversed(run.steps) if step.state in ended), "")
    reasons = run.reason.splitlines()
    if run.status == "failed":
        return f"Failed{place}", reasons or ["the log says why"]
    if run.status == "interrupted":
        return f"Interrupted{place}", reasons or ["somebody stopped it"]
    return f"Not finished{place}", ["it is still at work, or its process died"]
