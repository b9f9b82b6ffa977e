"""Versions in the log whose promise is not on record: others pushed them, or they were removed too soon."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.watch.windows import moment


@dataclass(frozen=True)
class Stranger:
    """One such version: `why` nobody knows what it promised, the hours from `first` until before `last` in which it
    answered, and the rows."""

    version: str
    why: str
    rows: int
    first: int
    last: int

    @property
    def sentence(self) -> str:
        """In words."""
        first, last = (f"{moment(hour):%Y-%m-%d %H:%M}" for hour in (self.first, self.last))
        who = f"version {self.version}" if self.version else "a version that the log does not name"
        return (
            f"{who} answered {self.rows:,} rows from {first} to {last}, and nobody knows here what it "
            f"promised: {self.why}; its requests are judged, and no harm of it is tested"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        times = {name: moment(getattr(self, name)).isoformat() for name in ("first", "last")}
        return asdict(self) | times | {"sentence": self.sentence}


def strangers(answered: Iterable[tuple[int, str, str, int]], why: Callable[[str], str]) -> list[Stranger]:
    """Return those of all routes, the one that answered last first.

    Args:
        answered: hour, version, route and rows; why: nobody knows what a version promised, "" of one that is known.
    """
    hours: dict[str, dict[int, int]] = {}
    for hour, version, _, rows in answered:
        of_version = hours.setdefault(version, {})
        of_version[hour] = of_version.get(hour, 0) + rows
    found = [
        Stranger(version, reason, sum(mine.values()), min(mine), max(mine) + 1)
        for version, mine in hours.items()
        if (reason := why(version))
    ]
    return sorted(found, key=lambda one: (-one.last, one.version))
