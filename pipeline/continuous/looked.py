"""What one look of `longhaul loop` came to."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.continuous.journal import Attempt, Entry
from pipeline.continuous.paired import Judgement
from pipeline.continuous.triggers import Event


@dataclass
class Looked:
    """What one look came to.

    Attributes:
        events: what asks for a run; answered: the keys of those that have had one; held: why none begins.
        entries: what was written into the journal; waits: why nothing more is done now, in a sentence.
        attempt: the one under way, or the one that ended in this look.
        judgement: of the step that it is in. told: what people could not be told, and what is not on record.
        code: the exit code.
    """

    events: list[Event] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    held: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    waits: str = ""
    attempt: Attempt | None = None
    judgement: Judgement | None = None
    cpu_hours: float = 0.0
    told: list[str] = field(default_factory=list)
    code: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        plain = asdict(self) | {"answered": sorted(self.answered)}
        if self.judgement:
            plain["judgement"] = numbers_of(self.judgement)
        return plain


def numbers_of(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as JSON can hold it: what is not finite is null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(judgement).items()
    }
