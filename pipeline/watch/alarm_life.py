"""What becomes of an alarm: opened, told once, escalated, silenced, closed by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from pipeline.config.value_types import seconds_of
from pipeline.config.watch import Watch
from pipeline.watch.alarms import PAGE, TICKET, Alarm


def merged(
    before: Mapping[str, Alarm], now_found: Iterable[Alarm], settings: Watch, now: datetime
) -> tuple[dict[str, Alarm], list[tuple[str, Alarm]]]:
    """Return all alarms as they are now, and what is to be told: (`opened`, `escalated` or `closed`, alarm)."""
    after: dict[str, Alarm] = {}
    tell: list[tuple[str, Alarm]] = []
    text = now.isoformat(timespec="seconds")
    for one in now_found:
        old = before.get(one.key)
        one = replace(one, opened=text)
        if old:
            one = replace(one, silenced_until=old.silenced_until, reason=old.reason)
        if old and not old.closed:
            one = replace(one, first_seen=old.first_seen)
            if (old.severity, one.severity) != (TICKET, PAGE):  # else a person is called as of a new alarm
                one = replace(one, opened=old.opened, told=old.told)
        after[one.key] = one
    for key, old in before.items():
        if key not in after:
            after[key] = old if old.closed else replace(old, closed=text)
    for key, one in after.items():
        event = _event(one, before.get(key), settings, now)
        if event and not one.is_silent(now):
            tell.append((event, one))
    return after, tell


def _event(one: Alarm, before: Alarm | None, settings: Watch, now: datetime) -> str:
    if one.closed:
        return "closed" if before and one.told in ("opened", "escalated") else ""
    if not one.told:
        return "opened"
    age = now - datetime.fromisoformat(one.opened)
    late = age.total_seconds() >= seconds_of(settings.escalate_after)
    return "escalated" if one.severity == PAGE and one.told == "opened" and late else ""


def silenced(one: Alarm, until: datetime, reason: str) -> Alarm:
    """Return the alarm with nobody to be told of it until then."""
    return replace(one, silenced_until=until.isoformat(timespec="seconds"), reason=reason)
