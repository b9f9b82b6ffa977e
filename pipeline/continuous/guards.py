"""What holds a run back, though an event asks for it: reasons, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from pipeline.config.continuous import Continuous
from pipeline.config.value_types import seconds_of
from pipeline.continuous.journal import Attempt
from pipeline.continuous.triggers import MANUAL, Event

WEEK = timedelta(days=7)


def held_back(
    settings: Continuous,
    asked: Sequence[Event],
    attempts: Sequence[Attempt],
    not_there: Sequence[str],
    new_rows: Callable[[], int],
    now: datetime,
) -> Iterator[str]:
    """Yield why no run begins now; nothing if one may. A person's wish overrules `cooldown` and `min_new_rows` only.

    Args:
        asked: unanswered events; not_there: what of the data is not there yet.
        new_rows: counts rows that the last complete run has not read; called only where it matters.
    """
    by_person = any(one.kind == MANUAL for one in asked)
    yield from (f"the data are not there yet: {reason}" for reason in not_there)
    if text := settings.frozen_by(now):
        yield f"freeze: it is {text}"
    if settings.cooldown and attempts and not by_person:
        until = datetime.fromisoformat(attempts[-1].began) + timedelta(seconds=seconds_of(settings.cooldown))
        if now < until:
            yield f"cooldown: the last run began at {attempts[-1].began}; {settings.cooldown} end at {_text(until)}"
    if settings.budget is not None:
        used = cpu_hours(attempts, now)
        if used >= settings.budget:
            yield f"budget: {used:.2f} of {settings.budget:g} CPU hours of the last seven days are used up"
    if settings.min_new_rows and not by_person and (rows := new_rows()) < settings.min_new_rows:
        yield f"min_new_rows: {rows:,} of {settings.min_new_rows:,} rows are new"


def cpu_hours(attempts: Sequence[Attempt], now: datetime) -> float:
    """Return what the runs of the last seven days took."""
    return sum(one.cpu_s for one in attempts if now - datetime.fromisoformat(one.began) < WEEK) / 3600


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
