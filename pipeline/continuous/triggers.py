"""What may begin a run: events, each with a key by which one event makes one run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.config.continuous import Continuous
from pipeline.config.spans import spans_text
from pipeline.config.value_types import seconds_of
from pipeline.watch.latest import goes_on

NEW_SPAN, SCHEDULE, HARM, AGE, MANUAL = "new_span", "schedule", "harm", "age", "manual"


@dataclass(frozen=True)
class Event:
    """Something that asks for a run.

    Attributes:
        key: what has the same key is the same event. because: a sentence.
    """

    kind: str
    key: str
    because: str


@dataclass(frozen=True)
class Seen:
    """What a look found; plain data, so that every decision can be told from it.

    Attributes:
        now: UTC.
        new_spans: that the last complete run has not read, or not as they are; 0 stands for a table without spans.
        data: a digest of the files as they are now.
        last_run: when the last complete run began; None without one.
        serves: the version that serves, its run, its digest, and when it was pushed; None without one.
        harmful: the newest verdict on it that calls it harmful; None without one.
    """

    now: datetime
    new_spans: tuple[int, ...] = ()
    data: str = ""
    last_run: datetime | None = None
    serves: Mapping[str, Any] | None = None
    harmful: Mapping[str, Any] | None = None
    asked: tuple[str, ...] = field(default=())
    """Keys that a person gave."""


def events(settings: Continuous, seen: Seen) -> list[Event]:
    """Return what asks for a run now, answered already or not."""
    found = [Event(MANUAL, f"{MANUAL}:{key}", "somebody asked for it") for key in seen.asked]
    if settings.new_span and seen.new_spans:
        spans = sorted(seen.new_spans)
        what = f"spans {spans_text(spans)} are new" if any(spans) else "the table is another than the last run's"
        found.append(Event(NEW_SPAN, f"{NEW_SPAN}:{','.join(map(str, spans))}:{seen.data}", what))
    if settings.schedule:
        name, begin = period(settings.schedule, seen.now)
        if seen.last_run is None or seen.last_run < begin:
            found.append(Event(SCHEDULE, f"{SCHEDULE}:{name}", f"no run has been complete in {name}"))
    if settings.harm and seen.harmful and seen.serves:
        key = f"{HARM}:{seen.serves['run_id']}:{seen.data}"
        found.append(Event(HARM, key, f"version {seen.serves['version']} is harmful: {_words(seen.harmful)}"))
    if settings.age and seen.serves:
        limit = seconds_of(settings.age)
        age = (seen.now - datetime.fromisoformat(seen.serves["pushed"])).total_seconds()
        if age >= limit:
            said = f"version {seen.serves['version']} was pushed {age / 86400:.1f} days ago"
            found.append(Event(AGE, f"{AGE}:{seen.serves['digest'][:16]}:{int(age // limit)}", said))
    return found


def unanswered(found: Sequence[Event], answered: Collection[str]) -> list[Event]:
    """Return the events that no run was made for."""
    return [one for one in found if one.key not in answered]


def period(length: str, now: datetime) -> tuple[str, datetime]:
    """Return the name of the day, week or month that it is, and when it began."""
    today = datetime(now.year, now.month, now.day, tzinfo=UTC)
    if length == "day":
        return f"{today:%Y-%m-%d}", today
    if length == "week":
        year, week, day = today.isocalendar()
        return f"{year}-W{week:02}", today - timedelta(days=day - 1)
    return f"{today:%Y-%m}", today.replace(day=1)


def _words(verdict: Mapping[str, Any]) -> str:
    worst = next((one for one in verdict["harm"] if goes_on(one)), None)
    if worst is None:
        return f"window {verdict['name']}"
    name = "1 - AUC" if worst["metric"] == "auc" else worst["metric"]
    how = "by labels" if worst["by"] == "labels" else "as estimated"
    return f"window {verdict['name']}, {name} at least {worst['least']:.4f} {how}, {worst['most']:.4f} was promised"
