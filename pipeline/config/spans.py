"""Settings of which spans of a table are used: a window that stays, or one that moves with the data.

A span is known by a number: the one in its path, or year, month and day written as one, 20250304.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_serializer

from trainer.settings.base import Section

DATE = r"\d{4}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?"
"""A day or a month, as people write the span of one."""
WINDOW = rf"(?:all|last [1-9]\d*|from (?:\d+|{DATE}))"
"""A window that moves with the data."""
_AS_DATE = 10_000_101  # the first number that can be year, month and day


def span_number(span: Any) -> int:
    """Return the number of a span that a person wrote as a number or a date; a month stands for its first day.

    Raises:
        ValueError: it is neither.
    """
    text = str(int(span)) if isinstance(span, float) and span.is_integer() else str(span)  # TFX knows fractions only
    if text.isdecimal() and not isinstance(span, bool):
        return int(text)
    if re.fullmatch(DATE, text) is None:
        raise ValueError(f"a span is a number, or its date as 2025-03-01 or 2025-03, not {text}")
    year, month, *rest = text.split("-")
    try:
        day = date(int(year), int(month), int(rest[0] if rest else 1))
    except ValueError as exc:
        raise ValueError(f"there is no day {text}") from exc
    return day.year * 10_000 + day.month * 100 + day.day


class Spans(Section):
    """Which spans to use, with some left out."""

    model_config = ConfigDict(populate_by_name=True)

    use: tuple[int, int] | str = "all"
    """The window: `[first, last]`, both inclusive, `last N`, `from FIRST` or `all`."""
    except_: tuple[int, ...] = Field(default=(), alias="except")
    """Spans that are left out of it, for example one with wrong labels. `last N` takes N others."""

    @field_validator("use", mode="before")
    @classmethod
    def _is_window(cls, value: Any) -> Any:
        if isinstance(value, str) and re.fullmatch(WINDOW, value):
            if value.startswith("from "):
                span_number(value.removeprefix("from "))
            return value
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise ValueError("must be [first, last], `last N`, `from FIRST` or `all`")
        first, last = map(span_number, value)
        if first > last:
            raise ValueError(f"the first span, {value[0]}, comes after the last, {value[1]}")
        return first, last

    @field_validator("except_", mode="before")
    @classmethod
    def _in_order(cls, value: Any) -> Any:
        """Put them into one order: which comes first means nothing."""
        return tuple(sorted({*map(span_number, value)})) if isinstance(value, list | tuple) else value

    @model_serializer
    def _short_form(self) -> Any:
        """Write what stands in a file: nothing of all spans, and no `except` without one."""
        use = list(self.use) if isinstance(self.use, tuple) else self.use
        if self.except_:
            return {"use": use, "except": list(self.except_)}
        return None if use == "all" else use


def long_form(value: Any) -> Any:
    """Turn `last 6` into `{use: last 6}`, and nothing into all spans."""
    return value if isinstance(value, dict | Spans) else {} if value is None else {"use": value}


SpanSetting = Annotated[Spans, BeforeValidator(long_form)]
ALL = Spans()


def chosen_spans(window: Spans, there: Iterable[int]) -> list[int]:
    """Return which of the spans that are there are used, in order."""
    spans = sorted({*there} - {*window.except_})
    if isinstance(window.use, tuple):
        first, last = window.use
        return [span for span in spans if first <= span <= last]
    kind, _, number = window.use.partition(" ")
    if kind == "last":
        return spans[-int(number) :]
    return spans if kind == "all" else [span for span in spans if span >= span_number(number)]


def missing_spans(window: Spans, used: Sequence[int], there: Sequence[int] = ()) -> list[int]:
    """Return the spans that a person would expect between the first and the last one, and that are not there.

    What lies between two spans is told by the usual distance: every day, every seven days, every month, every number.
    Of a window `[first, last]` both ends are expected as well, or what lies within them where no span can be called so:
    `[2024-01, 2024-03-31]` of one span a month ends with March.

    Args:
        used: the spans in the window that are there, in order.
        there: all that are there, in order: those before a short window tell the usual distance, and whether there are
            weekends.
    """
    ends: tuple[int, ...] = window.use if isinstance(window.use, tuple) else ()
    known = sorted({*used, *ends})
    if len(known) < 2 or not used:
        return sorted(set(ends) - set(used))
    steps = _steps(used, there, known)
    named = [end for end in ends if steps.may_be(end)]
    known = sorted({*used, *named})
    expected: list[int] = []
    for before, after in pairwise(known):
        expected += steps.between(before, after)
    if ends and ends[0] not in known:
        expected += steps.down_to(ends[0], known[0])
    if ends and ends[1] not in known:
        expected += steps.between(known[-1], ends[1])
    return sorted({*expected, *named} - {*window.except_, *used})


def never_spans(window: Spans, there: Sequence[int]) -> list[int]:
    """Return what `except` leaves out that no span can be called: 2024-05-15 of one span a month, on the first.

    Args:
        there: all spans that are there, in order.
    """
    steps = _steps(there, there, there)
    within = [span for span in window.except_ if there and there[0] < span < there[-1] and span not in there]
    return [span for span in within if not steps.may_be(span)]


def _steps(used: Sequence[int], there: Sequence[int], known: Sequence[int]) -> _Steps:
    before_too = [span for span in there if used and span <= used[-1]]
    few = before_too[-_TELL:] if len(used) < _TELL <= len(before_too) else []
    return _Steps(few or (used if len(used) > 1 else known), recent=before_too[-_WEEKS:])


def date_of(span: int) -> date | None:
    """Return the day that a span's number writes, 20250304; None if it writes none."""
    if not _AS_DATE <= span <= 99_991_231:
        return None
    try:
        return date(span // 10_000, span // 100 % 100, span % 100)
    except ValueError:
        return None


def span_name(span: int) -> str:
    """Return a span as people call it: 7, or 2025-03-04."""
    day = date_of(span)
    return str(span) if day is None else day.isoformat()


def spans_text(spans: Collection[int], most: int = 12) -> str:
    """Return `1 to 6, 8`, `2025-03-01 to 2025-03-31`: spans as ranges, at most so many of these."""
    ranges: list[list[int]] = []
    ordered = sorted(set(spans))
    steps = _Steps(ordered, is_one=date_of(max(ordered, default=0)) is None or len(ordered) < 3)
    for span in ordered:
        if ranges and steps.next(ranges[-1][-1]) == span:
            ranges[-1][1:] = [span]
        else:
            ranges.append([span])
    parts = [
        ", ".join(map(span_name, one)) if len(one) < 2 else f"{span_name(one[0])} to {span_name(one[-1])}"
        for one in ranges
    ]
    return ", ".join(parts[:most]) + (f" and {len(parts) - most} more" if len(parts) > most else "")


_MOST_IN_A_GAP = 10_000
"""A stray file may be called span 99999999999999, and `[1, 99999999]` mean a window without end."""
_TELL, _WEEKS = 4, 60
"""So many spans tell the usual distance between two; so many, the newest, whether there are weekends."""


class _Steps:
    """How far one span is from the next: so many months, days or numbers."""

    def __init__(self, spans: Sequence[int], *, is_one: bool = False, recent: Sequence[int] = ()) -> None:
        days = [day for span in spans if (day := date_of(span))]
        self._dated = bool(days) and len(days) == len(spans)
        self._monthly = self._dated and len(spans) > 1 and len({day.day for day in days}) == 1
        self._is_sure = self._monthly and len(spans) > 2
        self._day = days[0].day if self._monthly else 1
        places = sorted(map(self._place, spans))
        distances = Counter(after - before for before, after in pairwise(places))
        most = max(distances.values(), default=0)
        usual = [distance for distance, count in distances.items() if count == most or not self._dated]
        self._step = 1 if is_one else min(usual, default=1)
        # A table that has no Sundays does not lack them; four weeks tell.
        days += [day for span in recent if self._is_daily and (day := date_of(span))]
        knows_weeks = self._is_daily and (max(days) - min(days)).days >= 28
        self._weekdays = {day.weekday() for day in days} if knows_weeks else set()

    def next(self, span: int) -> int:
        """Return the span that follows another."""
        place = self._place(span) + self._step
        while self._weekdays and date.fromordinal(place).weekday() not in self._weekdays:
            place += 1
        return self._span(place)

    def between(self, before: int, after: int) -> list[int]:
        """List the spans that lie between two others; of a gap without end the first."""
        found: list[int] = []
        while len(found) < _MOST_IN_A_GAP and (before := self.next(before)) < after:
            found.append(before)
        return found

    def down_to(self, first: int, after: int) -> list[int]:
        """List the months before one, none of them before `first`, which is no span itself."""
        place, found = self._place(after), list[int]()
        while len(found) < _MOST_IN_A_GAP and (span := self._span(place := place - self._step)) >= first:
            found.append(span)
        return found

    def may_be(self, span: int) -> bool:
        """Return whether a span can be called so; of numbers any can."""
        day = date_of(span) if self._dated else None
        return day is None or not self._is_sure or day.day == self._day

    @property
    def _is_daily(self) -> bool:
        return self._dated and not self._monthly and self._step == 1

    def _place(self, span: int) -> int:
        if self._monthly:
            return span // 10_000 * 12 + span // 100 % 100 - 1
        day = date_of(span) if self._dated else None
        return day.toordinal() if day else span

    def _span(self, place: int) -> int:
        if self._monthly:
            return place // 12 * 10_000 + (place % 12 + 1) * 100 + self._day
        if self._dated:
            day = date.fromordinal(place)
            return day.year * 10_000 + day.month * 100 + day.day
        return place
