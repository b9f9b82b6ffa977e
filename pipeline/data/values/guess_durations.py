"""Which form of durations or times of day the texts of a column are written in."""

from __future__ import annotations

import re
import shlex

import pyarrow.compute as pc

from pipeline.config.reading import HALF_DAYS, HHMM, TWO_PARTS
from pipeline.data.values.counted import WORTH_SAYING, Counted, Doubt, Fit, as_mask, words_of
from pipeline.data.values.durations import CLOCK, LAP, SHORT, WORDS, YEARS, to_seconds
from pipeline.data.values.words import CLOCK_NAMES, LENGTH_NAMES

_PER = r"(?:min|mins|minutes)?\s?/\s?(?:km|mi|mile|miles|100\s?m|500\s?m|100\s?yd)"
_TIME_NAMES = CLOCK_NAMES - {"open", "close", "opens", "closes", "hour", "hours"}
"""Under such a name 16.42 is a quarter to five rather than a price."""
_NO_CLOCK = {"code", "id", "key", "no", "nr", "number", "run", "race", "reaction", "response", "sec", "secs", "s", "ms"}
_NO_CLOCK |= {"seconds", "min", "mins", "minutes", "h", "hrs", "days", "taken", "spent"}
"""Beside these in a name, time and close are no times of day."""
_SAMPLE = 200
_TIMES, _MINUTES = 10, 3
"""So many different figures, and minutes, tell that none has a minute above 59 but by chance: in 0.6 to the tenth, one
of 165; or in steps of half an hour."""


def guess_duration(name: str, values: Counted) -> Fit | Doubt | None:
    """Return how durations are read; None if the texts are none."""
    short = values.matches(SHORT["%H:%M"])
    if values.share(short) >= WORTH_SAYING:
        return _in_two_parts(name, values)
    if pace := _guess_pace(values):
        return pace
    if values.share(values.matches(SHORT[HALF_DAYS])) >= WORTH_SAYING:
        fits = as_mask(to_seconds(values.texts, HALF_DAYS).is_valid())
        return Fit({"kind": "duration", "format": HALF_DAYS}, fits, "read as seconds since midnight")
    iso = values.matches(r"^-?P(\d|T\d)")
    if values.share(values.matches(r"^\s*\d\d?[hH]\d\d\s*$")) >= WORTH_SAYING:
        fits = as_mask(to_seconds(values.texts, HHMM).is_valid())
        said = "read as seconds since midnight"
        return Fit({"kind": "duration", "format": HHMM}, fits, said) if values.share(fits) >= WORTH_SAYING else None
    clock = values.matches(CLOCK)
    minutes = values.matches(SHORT["%M:%S"])
    laps = values.matches(r"^\D*\d{1,4}:\d\d[.,]\d")  # 4:00.6
    timed = minutes | clock | (values.matches(LAP) if values.share(laps) > 1 - WORTH_SAYING else laps)
    if values.share(timed) >= WORTH_SAYING and laps.any():
        return Fit({"kind": "duration", "format": "%M:%S"}, timed, "read as seconds")
    if short.any() and values.share(short | clock) >= WORTH_SAYING:
        return _in_two_parts(name, values)
    like = clock | iso | values.matches(WORDS)
    if values.share(like) < WORTH_SAYING or not (iso | values.matches(r"\d\D+\d")).any():  # 90 min: a number, its unit
        return None
    if values.matches(rf"{YEARS}[mM]\b").any() and values.matches(r"^\s*\d+ ?[mM]\s*$").any():
        return None  # 3y 2m and 6m: months behind years, and alone?
    fits = as_mask(to_seconds(values.texts).is_valid())
    return Fit({"kind": "duration"}, fits, "read as seconds") if values.share(fits) >= WORTH_SAYING else None


def guess_clock(name: str, values: Counted) -> Fit | None:
    """Return how times of day in figures alone, 0915, are read; None if the texts are none.

    With zeros in front and a name of times they are; without, 915 may be a number, and a person is told of the choice.
    """
    names = words_of(name)
    if len(values.texts) < _TIMES or not names & CLOCK_NAMES or names & (LENGTH_NAMES | _NO_CLOCK):
        return None
    whole = values.matches(r"^\d{4}$|^\d\d?\.\d\d$")
    fits = as_mask(to_seconds(values.texts, HHMM).is_valid())
    if not whole.any() or not fits.all():
        return None
    n_minutes = len({text[-2:] for text in values.where(whole).some(_SAMPLE)})
    pointed = values.matches(r"\.").all() and names & _TIME_NAMES and n_minutes >= _MINUTES
    if pointed or (values.matches(r"^\d{4}$").all() and values.matches("^0").any()):
        return Fit({"kind": "duration", "format": HHMM}, fits, "read as seconds since midnight")
    text = str(values.where(whole).texts[0].as_py()).replace(".", "")
    option = shlex.quote(f"{name}=duration:format={HHMM}")
    said = f"if {text!r} is the time {text[:-2]}:{text[-2:]}, give --type {option}"
    return Fit({"kind": "number"}, fits, said, is_plain=True) if not values.matches(r"\.").any() else None


def _guess_pace(values: Counted) -> Fit | None:
    """Return how paces, 6:31 /km, are read: minutes and seconds, and what they are for."""
    fits = values.matches(rf"^\s*\d{{1,2}}:[0-5]\d(?:[.,]\d+)?\s*{_PER}\s*$")
    if values.share(fits) < WORTH_SAYING:
        return None
    found = pc.extract_regex(values.where(fits).texts, pattern=rf"^[\s\d:.,]*?(?P<unit>{_PER})\s*$").field("unit")
    units = tuple(sorted(pc.unique(pc.utf8_trim_whitespace(found)).to_pylist()))
    if len({re.sub(r"^.*/\s?", "", unit) for unit in units}) > 1:
        return None  # of kilometres and of miles
    return Fit({"kind": "duration", "format": "%M:%S", "unit": units}, fits, f"read as seconds {units[0]}")


def _in_two_parts(name: str, values: Counted) -> Fit | Doubt:
    """Return what texts such as 12:30 are: a time of day, hours and minutes, or minutes and seconds."""
    words, is_day = words_of(name), not values.matches(r"^\s*(2[4-9]|[3-9]\d|\d{3,}):|^\s*\+").any()
    forms = [form for form, names in (("%H:%M", CLOCK_NAMES), ("%M:%S", LENGTH_NAMES)) if words & names]
    in_three = values.matches(CLOCK).any() and not values.matches(r"^\D*(?:[6-9]\d|\d{3,}):\d\d\D*$").any()
    if not is_day and (in_three or "%M:%S" in forms):
        forms = ["%M:%S"]  # the gap of a time, +22:56; 59:12 beside 1:03:22
    if forms == ["%M:%S"] or (forms == ["%H:%M"] and is_day):
        fits = as_mask(to_seconds(values.texts, forms[0]).is_valid())
        return Fit({"kind": "duration", "format": forms[0]}, fits, "read as seconds")
    text = values.texts[0].as_py()
    return Doubt(
        f"{text!r} may be hours and minutes or minutes and seconds, and nothing tells which, so it stays text",
        tuple({"kind": "duration", "format": form} for form in TWO_PARTS),
    )
