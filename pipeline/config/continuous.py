"""Settings of `continuous`: when `longhaul loop` trains anew, what holds it back, how a model comes to serve."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.config.value_types import Duration
from trainer.settings.base import Section, Share

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _is_time(text: str) -> str:
    frozen_words(text, datetime(2000, 1, 1))
    return text


def frozen_words(text: str, now: datetime) -> bool:
    """Return whether a moment (UTC) lies in a time that `freeze` names.

    Raises:
        ValueError: it names none.
    """
    if text in _DAYS:
        return _DAYS[now.weekday()] == text
    first, found, last = text.partition(" to ")
    if found and re.fullmatch(r"\d\d:\d\d", first):
        begin, end = time.fromisoformat(first), time.fromisoformat(last)
        moment = now.time().replace(tzinfo=None)
        return begin <= moment < end if begin < end else moment >= begin or moment < end
    try:
        begins, ends = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError as exc:
        raise ValueError(
            f"{text!r} is no time; write `2026-12-20 to 2027-01-03`, `friday`, or `22:00 to 06:00` (UTC)"
        ) from exc
    if ends < begins:
        raise ValueError(f"{text!r} ends before it begins")
    return begins <= now.date() <= ends


class Continuous(Section):
    """What `longhaul loop` does by itself. Without a trigger it trains only when somebody asks for it. See
    docs/operate/loop.md."""

    new_span: bool = False
    """Train when the table has spans, or files, that the last complete run has not read."""
    schedule: Literal["day", "week", "month"] | None = None
    """Train once in each, from its first look on; UTC, weeks from Monday. A run that somebody started counts."""
    harm: bool = False
    """Train when `longhaul watch` calls the model that serves harmful."""
    age: Duration | None = None
    """Train when the model that serves was pushed so long ago."""

    min_new_rows: Annotated[int, Field(ge=0)] = 0
    """Do not train before the table has so many rows that the last complete run has not read."""
    cooldown: Duration | None = None
    """Do not train again within this time after the last one began."""
    budget: Annotated[float, Field(gt=0)] | None = None
    """CPU hours that training may take within seven days; when they are used up, nothing is begun."""
    freeze: tuple[Annotated[str, AfterValidator(_is_time)], ...] = ()
    """When nothing is trained and no model gets more requests: `2026-12-20 to 2027-01-03`, `friday`, `22:00 to 06:00`,
    in UTC. What is worse is still taken back."""

    approval: Literal["none", "before_push", "before_promote"] = "before_promote"
    """What a person decides: nothing; whether a blessed model may serve at all, in the shadow too (`longhaul approve`);
    or whether one that has passed all steps answers everything (`longhaul rollout promote`)."""
    canary: tuple[Annotated[float, Field(gt=0, le=100)], ...] = (10, 50)
    """Shares of the requests that a model answers after the shadow, in percent, one after the other."""
    key: str = ""
    """The column whose values meet one version in a canary; the request's id when empty."""
    may_lose: Annotated[float, Field(ge=0)] | None = None
    """How much more a challenger may lose than the champion, of log loss, or of the squared error, to pass a step. When
    absent, as `watch.may_lose`."""
    delta: Share = 0.05
    """How likely a challenger that loses more than it may is ever promoted; and, apart from that, how likely one that
    loses no more than the champion is ever aborted."""
    min_pairs: Annotated[int, Field(ge=100)] = 500
    """With fewer labelled rows that both have answered, a step waits."""
    estimates: Literal["ignore", "abort", "promote"] = "abort"
    """What estimated losses may decide while labels are fewer than `min_pairs`: nothing, to take back what is surely
    worse, or to pass a step as well. A model that answers nothing is taken back in any case."""

    @model_validator(mode="after")
    def _grows(self) -> Continuous:
        if list(self.canary) != sorted(set(self.canary)):
            raise ValueError(f"canary: {', '.join(f'{one:g}' for one in self.canary)}: each share must be greater")
        return self

    @property
    def stages(self) -> tuple[float, ...]:
        """The steps of a rollout: 0 is the shadow, then shares in percent."""
        return (0.0, *self.canary)

    @property
    def has_trigger(self) -> bool:
        """Whether anything but a person begins a run."""
        return bool(self.new_span or self.schedule or self.harm or self.age)

    def frozen_by(self, now: datetime) -> str:
        """Return which time of `freeze` it is; "" if none."""
        return next((text for text in self.freeze if frozen_words(text, now)), "")
