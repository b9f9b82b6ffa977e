"""What one look at the log saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipeline.watch.alarms import PAGE, Alarm
from pipeline.watch.detectable import Detectable
from pipeline.watch.strangers import Stranger


@dataclass(frozen=True)
class Watched:
    """What was seen.

    Attributes:
        verdicts: of all windows, in order; changed: windows and versions whose verdict is another than before.
        alarms: open ones and closed ones; told: sentences about what people were told.
        labels: files of labels, with what was odd about them; watermark: the newest labelled hour.
        unrecorded: why nothing could be recorded; "" if it was.
        detectable: how small a loss of the version that serves would be found; None if its promise is not on record.
        strangers: versions in the log whose promise is not on record.
        now: when it was looked.
    """

    verdicts: list[dict[str, Any]]
    changed: list[tuple[str, str]]
    alarms: list[Alarm]
    told: list[str]
    labels: list[dict[str, Any]]
    watermark: str
    unrecorded: str = ""
    detectable: Detectable | None = None
    strangers: list[Stranger] = field(default_factory=list)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def calls(self) -> bool:
        """Whether an alarm is open that calls a person."""
        return any(one.severity == PAGE and not one.closed and not one.is_silent(self.now) for one in self.alarms)
