"""How a step ended, and the mark, word and color that say so in the terminal, on the page and in the lineage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from pipeline.lineage.skipped import NOT_BLESSED, NOT_FIT, SKIPPED_BECAUSE


class StepState(StrEnum):
    """How a step ended. ML Metadata knows the first five; the others follow from what a step put out, or did not."""

    DONE = "done"
    CACHED = "cached"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    RUNNING = "running"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    NOT_REACHED = "not reached"


LOOKS = {
    StepState.DONE: ("✓", "green"),
    StepState.CACHED: ("≡", "cyan"),
    StepState.FAILED: ("✗", "red"),
    StepState.INTERRUPTED: ("◌", "yellow"),
    StepState.RUNNING: ("…", "yellow"),
    StepState.SKIPPED: ("\N{EN DASH}", "dim"),
    StepState.BLOCKED: ("■", "red"),
    StepState.NOT_REACHED: ("·", "dim"),
}
"""Mark and terminal color: one of its own for each."""

DATA_VERDICT = "longhaul.DataVerdict"
_EITHER = f"{NOT_BLESSED}, or {NOT_FIT}"


@dataclass(frozen=True)
class Outcome:
    """What came of a step, as a person is told. `reason` says why it was skipped."""

    state: StepState
    reason: str = ""

    @property
    def mark(self) -> str:
        """One character."""
        return LOOKS[self.state][0]

    @property
    def color(self) -> str:
        """Of the terminal."""
        return LOOKS[self.state][1]

    @property
    def words(self) -> str:
        """`done`, `skipped: not blessed`."""
        return f"{self.state}: {self.reason}" if self.reason else str(self.state)


class Put(Protocol):
    """An artifact, as far as it tells what came of the step that put it out."""

    @property
    def type(self) -> str:
        """Its type's name."""

    @property
    def properties(self) -> dict[str, Any]:
        """Custom ones, too."""


def outcome_of(state: StepState, outputs: Iterable[Put]) -> Outcome:
    """Say what came of a step that ML Metadata has as `state`: one that had nothing to do did nothing, cached or not,
    and a gate that said no blocked the run.

    Args:
        outputs: what the step put out, or took from the cache. What older Longhauls left is understood, too.
    """
    if state not in (StepState.DONE, StepState.CACHED):
        return Outcome(state)
    for artifact in outputs:
        said = artifact.properties
        if reason := said.get(SKIPPED_BECAUSE):
            return Outcome(StepState.SKIPPED, str(reason))
        if artifact.type == "InfraBlessing" and said.get("checked") == 0:
            return Outcome(StepState.SKIPPED, NOT_BLESSED)
        if artifact.type == "PushedModel" and said.get("pushed") == 0:
            return Outcome(StepState.SKIPPED, str(said.get("not_pushed") or _EITHER))
        if said.get("served_already"):
            return Outcome(StepState.SKIPPED, "the model serves already")
        if artifact.type == DATA_VERDICT and said.get("blessed") == 0:
            return Outcome(StepState.BLOCKED)
    return Outcome(state)
