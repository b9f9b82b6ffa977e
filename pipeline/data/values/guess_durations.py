"""Which form of durations or times of day the texts of a column are written in."""

from __future__ import annotations

from pipeline.config.reading import HALF_DAYS, TWO_PARTS
from pipeline.data.values.counted import WORTH_SAYING, Counted, Doubt, Fit, as_mask, words_of
from pipeline.data.values.durations import CLOCK, SHORT, WORDS, YEARS, to_seconds
from pipeline.data.values.words import CLOCK_NAMES, LENGTH_NAMES


def guess_duration(name: str, values: Counted) -> Fit | Doubt | None:
    """Return how durations are read; None if the texts are none."""
    if values.share(values.matches(SHORT["%H:%M"])) >= WORTH_SAYING:
        return _in_two_parts(name, values)
    if values.share(values.matches(SHORT[HALF_DAYS])) >= WORTH_SAYING:
        fits = as_mask(to_seconds(values.texts, HALF_DAYS).is_valid())
        return Fit({"kind": "duration", "format": HALF_DAYS}, fits, "read as seconds since midnight")
    iso = values.matches(r"^-?P(\d|T\d)")
    like = values.matches(CLOCK) | iso | values.matches(WORDS)
    if values.share(like) < WORTH_SAYING or not (iso | values.matches(r"\d\D+\d")).any():  # 90 min: a number, its unit
        return None
    if values.matches(rf"{YEARS}[mM]\b").any() and values.matches(r"^\s*\d+ ?[mM]\s*$").any():
        return None  # 3y 2m and 6m: months behind years, and alone?
    fits = as_mask(to_seconds(values.texts).is_valid())
    return Fit({"kind": "duration"}, fits, "read as seconds") if values.share(fits) >= WORTH_SAYING else None


def _in_two_parts(name: str, values: Counted) -> Fit | Doubt:
    """Return what texts such as 12:30 are: a time of day, hours and minutes, or minutes and seconds."""
    words, is_day = words_of(name), not values.matches(r"^\s*(2[4-9]|[3-9]\d|\d{3,}):").any()
    forms = [form for form, names in (("%H:%M", CLOCK_NAMES), ("%M:%S", LENGTH_NAMES)) if words & names]
    if forms == ["%M:%S"] or (forms == ["%H:%M"] and is_day):
        fits = as_mask(to_seconds(values.texts, forms[0]).is_valid())
        return Fit({"kind": "duration", "format": forms[0]}, fits, "read as seconds")
    text = values.texts[0].as_py()
    return Doubt(
        f"{text!r} may be hours and minutes or minutes and seconds, and nothing tells which, so it stays text",
        tuple({"kind": "duration", "format": form} for form in TWO_PARTS),
    )
