"""Which format of dates the texts of a column are written in."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pyarrow.compute as pc

from pipeline.config.reading import EXCEL
from pipeline.data.values.counted import WORTH_SAYING, Counted, Doubt, Fit, as_mask, name_words, words_of
from pipeline.data.values.dates import MONTHS, RARE_MONTHS, ZONE, century_of, to_seconds
from pipeline.data.values.words import (
    AMOUNT_NAMES,
    BIRTH_NAMES,
    DATE_NAMES,
    DAY_NAMES,
    EPOCH_NAMES,
    KEY_NAMES,
    WEEK_NAMES,
)

_TO_COME = {"due", "expected"}
"""Words in the name of a day of birth that may be after now."""
_EPOCHS = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6}
_FROM, _TO = 946_684_800, 2_145_916_800  # 2000 to 2038
_MONTH_NAMES = {name for names in MONTHS for name in names}
_WEEKDAYS = re.compile(
    r"(?i)(mon|tues?|wed(nes)?|thu(rs)?|fri|sat(ur)?|sun)(day)?|(mo|di|mi|do|fr|sa|so)|"
    r"(mon|diens|donners|frei|sams|sonn)tag|mittwoch|(lun|mar|mercre|jeu|vendre|same)di|dimanche"
)
_TIME = re.compile(
    r"(?P<H>\d{1,2}):\d{2}(?P<S>:\d{2}(?P<f>[.,]\d{1,9})?)?(?P<pb>\s?)(?P<p>[AaPp]\.?[Mm]\.?)?"
    rf"(?P<zb>\s?)(?P<z>{ZONE})?$"
)
_POINTED = re.compile(
    r"(?<=[\sT])\d{1,2}\.\d{2}(?P<S>\.\d{2}(?P<f>\.\d{1,9})?)?(?P<p> [AaPp][Mm])?$|"
    r"(?<=\d\d-\d\d)-\d{2}\.\d{2}(?P<S2>\.\d{2}(?P<f2>\.\d{1,9})?)$"
)
"""A time as 23.37, which some countries write, behind a date, and as Oracle and DB2 write it."""
_ASIAN = re.compile(r"(\d{4})([年년]\s?)(\d{1,2})([月월]\s?)(?:(\d{1,2})([日일]\s?))?")
"""A date as East Asia writes it."""
_LOG = re.compile(r"(\[?)\d\d/[A-Za-z]{3}/\d{4}(?::\d\d){3} [+-]\d{4}(\]?)")
"""A time in the log of a web server."""
_DOT_NET = re.compile(r"/Date\(-?\d{11,15}([+-]\d{4})?\)/")
"""A time as programs for .NET write it: milliseconds since 1970."""
_WEEK = re.compile(r"(?:19|20)\d{2}(-?)W\d{2}(-?\d)?")
_SERIAL = r"^(?:[1-4]\d{4}|5[0-4]\d{3})(?:\.\d+)?$"
"""Days from 1927 to 2050."""
_SAMPLE, _CANDIDATES = 40, 12
_SURE_MONTHS = 3
_ROUND, _ROUND_ONES = 0.2, 3
"""Of days about one in fifty ends in 00 or 50, as does 1 October 2023, a quarter's first."""
_SEASONS = {"season", "seasons", "saison", "temporada", "stagione", "batch"}


def guess_date(name: str, values: Counted, day_first: bool | None) -> Fit | Doubt | None:
    """Return the format of dates in which nearly all texts are written; None if they are no dates.

    Args:
        day_first: what other columns of the table say of dates in figures.
    """
    seen = Counter(form for text in values.some(_SAMPLE) for form in formats_of(text))
    shares = {}
    for form, _ in seen.most_common(_CANDIDATES):
        fits = as_mask(to_seconds(values.texts, form, None).is_valid())
        shares[form] = (values.share(fits), fits)
    best = max((share for share, _ in shares.values()), default=0.0)
    if best < WORTH_SAYING:
        return None
    ties = [form for form, (share, _) in shares.items() if share == best]
    ties.sort(key=lambda form: (not form.startswith("%Y"), form))
    chosen = _choose(ties, day_first)
    if (chosen or ties[0]) in ("%m%d%Y", "%d%m%Y") and not words_of(name) & DATE_NAMES:
        return None
    if chosen is None:
        text = values.texts[0].as_py()
        return Doubt(
            f"its dates, as {text!r}, fit {' and '.join(ties)}, and no value tells which, so it stays text",
            tuple({"kind": "date", "format": form} for form in ties),
        )
    fits = shares[chosen][1]
    likely = _is_likely(name, chosen, values.where(fits)) or (best == 1 and _are_months(name, chosen, values))
    if not likely:
        return None
    settings: dict[str, object] = {"kind": "date", "format": chosen}
    is_born = bool(words_of(name) & BIRTH_NAMES) and not words_of(name) & _TO_COME
    if century := century_of(values.where(fits).texts, chosen, is_born=is_born):
        said = f"years of two digits stand for those from {century} to {century + 99} (century in data.columns)"
        return Fit(settings | {"century": century}, fits, said)
    return Fit(settings, fits)


def _are_months(name: str, form: str, values: Counted) -> bool:
    """Return whether all are months of years, 2023-03, and no seasons such as 2008-09, under any name but a key's."""
    if form not in ("%Y-%m", "%Y/%m") or words_of(name) & (KEY_NAMES | _SEASONS) or len(values.texts) < _SURE_MONTHS:
        return False
    whole = values.matches(r"^(19|20)\d\d[-/](0[1-9]|1[0-2])$").all()
    return bool(whole) and any((int(text[2:4]) + 1) % 100 != int(text[5:7]) for text in values.some(_SAMPLE))


def guess_epoch(name: str, values: Counted) -> Fit | None:
    """Return the unit of whole numbers that count the time since 1970; None if name and range say nothing of it."""
    words = words_of(name)
    if not words & EPOCH_NAMES or not values.matches(r"^\d{10,16}(\.\d*)?$").all():
        return None
    for form in _EPOCHS:
        seconds = to_seconds(values.texts, form, None)
        bounds = pc.min_max(seconds).as_py()
        if bounds["min"] >= _FROM and bounds["max"] < _TO:
            return Fit({"kind": "date", "format": form}, np.ones(len(values.texts), bool))
    return None


def guess_spreadsheet(name: str, values: Counted) -> Fit | None:
    """Return how days as spreadsheets count them are read, 45078 for 1 June 2023; None if name and range say nothing of
    it, or if these are rather amounts, by the last word of the name or since many are round."""
    words = name_words(name)
    if not {*words} & DAY_NAMES or words[-1] in AMOUNT_NAMES or not values.matches(_SERIAL).all():
        return None
    is_round = values.matches(r"^\d+[05]0(\.0+)?$")
    if is_round.sum() >= _ROUND_ONES and is_round.mean() > _ROUND:
        return None
    return Fit({"kind": "date", "format": EXCEL}, np.ones(len(values.texts), bool), "days as spreadsheets count them")


def is_day_first(form: object) -> bool | None:
    """Return whether a format in figures has the day before the month; None if it does not tell."""
    found = re.search(r"%([dm])[/.-]?%([dm])[/.-]?%[Yy]", str(form))
    return found.group(1) == "d" if found else None


def formats_of(text: str) -> list[str]:
    """Return the formats that one text may be written in; none if it is no date."""
    if forms := _without_marks(text):
        return forms
    if "%" in text or len(text) > 60 or " out of " in text:  # out: October in Portuguese
        return []
    if form := _of_one_form(text):
        return [form]
    text, tail = _without_time(text)
    if tail and (day := re.fullmatch(r"(?:19|20)\d{6}([T _-])", text)):
        return [f"%Y%m%d{day[1]}{tail}"]
    if asian := _ASIAN.fullmatch(text):
        marks = asian.groups("")
        return [f"%Y{marks[1]}%m{marks[3]}" + (f"%d{marks[5]}" if marks[4] else "") + tail]
    parts = _parts(text)
    if parts is None or (tail and parts and parts[-1].endswith(".")):
        return []
    figures = [place for place, part in enumerate(parts) if part[0].isdigit()]
    orders = _orders([parts[place] for place in figures], "%b" in parts, text)
    forms = []
    for order in orders:
        filled = list(parts)
        for place, directive in zip(figures, order, strict=True):
            filled[place] = directive
        forms.append(re.sub(r"(%[ab])\.", r"\1", "".join(filled)) + tail)
    return forms


def _without_marks(text: str) -> list[str]:
    """Return the formats of a date in eight figures, with or without a time in six, or of a month in six."""
    if re.fullmatch(r"(19|20)\d{6}", text):
        return ["%Y%m%d"]
    if re.fullmatch(r"\d{4}(19|20)\d\d", text):
        return ["%m%d%Y", "%d%m%Y"]
    if re.fullmatch(r"(19|20)\d\d(0[1-9]|1[0-2])", text):
        return ["%Y%m"]
    compact = re.fullmatch(r"(?:19|20)\d{6}([T _-]?)\d{6}(Z|(?<![_-]\d{6})[+-]\d{4})?", text)
    return [f"%Y%m%d{compact[1]}%H%M%S" + ("%z" if compact[2] else "")] if compact else []


def _of_one_form(text: str) -> str | None:
    """Return the format of a text that can be of one only."""
    if unix := re.fullmatch(r"[A-Za-z]{3} [A-Za-z]{3} +\d{1,2} \d\d:\d\d:\d\d (\S+ )?\d{4}", text):
        return "%a %b %d %H:%M:%S %z %Y" if unix[1] else "%a %b %d %H:%M:%S %Y"
    if log := _LOG.fullmatch(text):
        return f"{log[1]}%d/%b/%Y:%H:%M:%S %z{log[2]}"
    if _DOT_NET.fullmatch(text):
        return "epoch_ms"
    if week := _WEEK.fullmatch(text):
        return f"%G{week[1]}W%V" + (f"{week[1]}%u" if week[2] else "")
    return None


def _parts(text: str) -> list[str] | None:
    """Return the figures of a date and what stands between them, names of months and days as directives; None if there
    are other words."""
    parts = re.findall(r"\d+(?:st|nd|rd|th|er)?\b|\d+|[^\W\d_]+|[\W_]+", text)
    for place, part in enumerate(parts):
        if part[0].isalpha():
            if part.lower() in _MONTH_NAMES:
                parts[place] = "%b"
            elif _WEEKDAYS.fullmatch(part):
                parts[place] = "%a"
            elif part not in ("T", "of", "de", "at", "um", "le", "del", "à"):
                return None
    return parts


def _without_time(text: str) -> tuple[str, str]:
    """Return what stands before a time of day, and the time's format; "" if there is none."""
    if text.endswith(" Uhr"):
        text, form = _without_time(text.removesuffix(" Uhr"))
        return text, form + " Uhr"
    if time := _TIME.search(text):
        return text[: time.start()], _time_format(time)
    if hours := re.search(r"(?<=\s)\d{1,2}h\d{2}$", text):
        return text[: hours.start()], "%Hh%M"
    if pointed := _POINTED.search(text):
        form = ("%I" if pointed["p"] else "%H") + ".%M" + (".%S" if pointed["S"] or pointed["S2"] else "")
        form += (".%f" if pointed["f"] or pointed["f2"] else "") + (" %p" if pointed["p"] else "")
        return text[: pointed.start()], ("-" if pointed["S2"] else "") + form
    return text, ""


def _time_format(time: re.Match[str]) -> str:
    form = ("%I" if time["p"] else "%H") + ":%M" + (":%S" if time["S"] else "")
    form += f"{time['f'][0]}%f" if time["f"] else ""
    if time["p"]:
        form += time["pb"] + "%p"
    if time["z"]:
        form += (time["zb"] or ("" if time["p"] else time["pb"])) + "%z"
    return form


def _orders(figures: list[str], has_month: bool, text: str) -> list[tuple[str, ...]]:
    """Return the directives that figures may stand for, in their places."""
    lengths = tuple(len(re.sub(r"\D", "", figure)) for figure in figures)
    small = (1, 2)
    if has_month:
        return _with_month(lengths, text)
    if not re.fullmatch(r"\d+([/.-])\d+(\1\d+)?[.,]?[\sT]*(at|à|um)?\s*", text):
        return []
    if len(lengths) == 3:
        if lengths[0] == 4:
            return [("%Y", "%m", "%d")] if lengths[1] in small and lengths[2] in small else []
        if lengths[2] == 4 and lengths[0] in small and lengths[1] in small:
            return [("%d", "%m", "%Y"), ("%m", "%d", "%Y")]
        if all(length in small for length in lengths) and lengths[2] == 2:
            orders: list[tuple[str, ...]] = [("%d", "%m", "%y"), ("%m", "%d", "%y")]
            return [*orders, ("%y", "%m", "%d")] if lengths[0] == 2 and "/" not in text else orders
    if lengths == (4, 2):
        return [("%Y", "%m")]
    return [("%m", "%Y")] if len(lengths) == 2 and lengths[0] in small and lengths[1] == 4 else []


def _with_month(lengths: tuple[int, ...], text: str) -> list[tuple[str, ...]]:
    small = (1, 2)
    if len(lengths) == 2:
        if lengths[0] == 4 and lengths[1] in small:
            return [("%Y", "%d")]
        if lengths[0] in small and lengths[1] == 4:
            return [("%d", "%Y")]
        return [("%d", "%y")] if lengths[0] in small and lengths[1] == 2 else []
    if lengths == (4,):
        return [("%Y",)]
    return [("%y",)] if lengths == (2,) and re.search(r"[-'/]", text) else []


def _choose(ties: list[str], day_first: bool | None) -> str | None:
    """Return the one format of several that fit as well; None if it cannot be known."""
    if len({re.sub("%[dmy]", "%", form) for form in ties}) == len(ties):
        return ties[0]  # they differ in more than the order of day, month and year
    told = [form for form in ties if is_day_first(form) is not None]
    if told and all("." in form for form in told):
        day_first = True  # dates with dots are written so
    if day_first is None:
        return None
    chosen = [form for form in told if is_day_first(form) is day_first]
    return chosen[0] if len(chosen) == 1 else None


def _is_likely(name: str, form: str, values: Counted) -> bool:
    """Return whether figures that could be a date are one: versions, codes and part numbers have such, too."""
    hinted = bool(words_of(name) & DATE_NAMES)
    if "%b" in form and "%d" not in form and not hinted:
        months = {
            *pc.unique(pc.utf8_lower(pc.extract_regex(values.texts, pattern=r"(?P<b>\pL+)").field("b"))).to_pylist()
        }
        return len(months) >= _SURE_MONTHS or not months & RARE_MONTHS  # HAZ-01, HAZ-02: a code
    if "%GW" in form:
        return hinted or bool(words_of(name) & WEEK_NAMES)  # 1206W10, 2010W20: a part
    if any(part in form for part in ("%b", "%H", "%I", "%G", "年", "년")):
        return True
    if form == "%Y%m%d":
        return hinted or len(values.texts) >= 10
    if form.count("%") == 2:
        return hinted
    if "%y" in form and "/" not in form:
        padded = values.matches(r"^0\d|\D0\d\D").any()
        return hinted or bool(padded and len(values.texts) >= 5)
    return True
