"""Dates in every order, as seconds since 1970, by a format like Python's strptime."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.reading import EXCEL
from pipeline.data.convert import PROBE

MONTHS: tuple[tuple[str, ...], ...] = (
    ("jan", "january", "januar", "jänner", "janvier", "janv", "enero", "ene", "gennaio", "gen", "janeiro", "januari"),
    ("feb", "february", "februar", "février", "févr", "fév", "febrero", "febbraio", "fevereiro", "fev", "februari"),
    ("mar", "march", "märz", "mär", "mrz", "mars", "marzo", "março", "maart", "mrt"),
    ("apr", "april", "avril", "avr", "abril", "abr", "aprile"),
    ("may", "mai", "mayo", "maggio", "mag", "maio", "mei"),
    ("jun", "june", "juni", "juin", "junio", "giugno", "giu", "junho"),
    ("jul", "july", "juli", "juillet", "juil", "julio", "luglio", "lug", "julho"),
    ("aug", "august", "août", "agosto", "ago", "augustus"),
    ("sep", "sept", "september", "septembre", "septiembre", "settembre", "set", "setembro"),
    ("oct", "october", "okt", "oktober", "octobre", "octubre", "ottobre", "ott", "outubro", "out"),
    ("nov", "november", "novembre", "noviembre", "novembro"),
    ("dec", "december", "dez", "dezember", "déc", "décembre", "diciembre", "dic", "dicembre", "dezembro"),
)
_MORE_MONTHS = (
    "styczeń stycznia sty январь января янв leden ledna ocak oca tammikuu",
    "luty lutego lut февраль февраля фев únor února şubat şub helmikuu",
    "marzec marca март марта мар březen března mart maaliskuu",
    "kwiecień kwietnia kwi апрель апреля апр duben dubna nisan nis huhtikuu",
    "maj maja май мая květen května may\u0131s toukokuu",
    "czerwiec czerwca cze июнь июня июн červen června haziran haz kesäkuu",
    "lipiec lipca lip июль июля июл červenec července temmuz tem heinäkuu",
    "sierpień sierpnia sie август августа авг srpen srpna ağustos ağu augusti elokuu",
    "wrzesień września wrz сентябрь сентября сен сент září eylül eyl syyskuu",
    "październik października paź октябрь октября окт říjen října ekim eki oktober lokakuu",
    "listopad listopada lis ноябрь ноября ноя listopad kas\u0131m kas marraskuu",
    "grudzień grudnia gru декабрь декабря дек prosinec prosince aral\u0131k ara joulukuu",
)
"""The same in Polish, Russian, Czech, Turkish and Finnish, those of one month on a line."""
RARE_MONTHS = frozenset(" ".join(_MORE_MONTHS).split()).difference(*MONTHS)
MONTHS = tuple((*names, *more.split()) for names, more in zip(MONTHS, _MORE_MONTHS, strict=True))
_HOURS = {"Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2, "EET": 2}
_HOURS |= {"EEST": 3, "MSK": 3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_HOURS |= {"SAST": 2, "HKT": 8, "SGT": 8, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13}
"""Short names of zones, by their hours before UTC; CST and its like are America's, as RFC 5322 has them."""
_PLACE = r"[A-Z][A-Za-z_]+/[A-Za-z_/+-]+"
_FROM_GMT = r"(?:GMT|UTC)[+-]\d\d?(?::?\d\d)?"
ZONE = rf"{_FROM_GMT}|{'|'.join(sorted(_HOURS, key=len, reverse=True))}|{_PLACE}|[+-]\d\d(?::?\d\d)?(?:\[{_PLACE}\])?"
"""What a text may say of its time zone: a short name, a place (Europe/Berlin), or hours, with the place behind."""
_MONTH_OF = {name: number for number, names in enumerate(MONTHS, start=1) for name in names}
_PARTS = {
    "Y": r"(?P<Y>\d{4})", "y": r"(?P<y>\d{2})", "m": r"(?P<m>\d{1,2})", "d": r"(?P<d>\d{1,2})(?:st|nd|rd|th|er)?",
    "b": r"(?P<b>\pL+)\.?", "B": r"(?P<b>\pL+)\.?", "H": r"(?P<H>\d{1,2})", "I": r"(?P<I>\d{1,2})",
    "M": r"(?P<M>\d{2})", "S": r"(?P<S>\d{2})", "f": r"\d{1,9}", "p": r"(?P<p>[aApP])\.?[mM]\.?",
    "z": rf"(?P<z>{ZONE})", "G": r"(?P<G>\d{4})", "V": r"(?P<V>\d{2})",
    "u": r"(?P<u>[1-7])", "a": r"\pL+\.?", "A": r"\pL+\.?", "j": r"(?P<j>\d{3})",
}  # fmt: skip
_COUNTED = r"^(?:/Date\()?(?P<n>-?\d{1,18})(?:\.\d*)?(?:(?:[+-]\d{4})?\)/)?$"
_PER_SECOND = {"epoch_s": 1, "epoch_ms": 10**3, "epoch_us": 10**6}
_EXCEL_1970 = 25_569.0
"""The day on which 1970 begins, as spreadsheets count days."""
CENTURY = 1969
"""The first of the hundred years that two digits stand for, as for strptime."""


def to_seconds(text: pa.Array, form: str | None, zone: str | None, century: int | None = None) -> pa.Array:
    """Return Unix seconds, int64; null where a text is no date of the format (None: ISO 8601)."""
    coded = text.dictionary_encode()  # days come again
    distinct = pc.utf8_trim_whitespace(coded.dictionary)
    if form == EXCEL:
        seconds = _of_spreadsheet(distinct)
    elif form in _PER_SECOND:
        seconds = _since_1970(distinct, _PER_SECOND[form])
    elif form is None:
        seconds = _iso(distinct, zone)
    else:
        seconds = _by_format(distinct, form, zone, century or CENTURY)
    return pc.take(seconds, coded.indices)


@cache
def pattern(form: str) -> str:
    """Return the regular expression, in RE2's dialect, of a format."""
    out = []
    tokens = re.findall(r"%.|\s+|[^%\s]+", form)
    for place, token in enumerate(tokens):
        if token[0] == "%":
            part = _PARTS[token[1]]
            beside = "".join(tokens[max(0, place - 1) : place] + tokens[place + 1 : place + 2])
            if token[1] in "mdHI" and re.fullmatch("(%[YymdHIMS])+", beside):
                part = part.replace("{1,2}", "{2}")  # nothing but digits around: each part has all of its own
            out.append(part)
        elif token.isspace():
            out.append(r"\s+")
        else:
            out.append(re.escape(token))
    return "^" + "".join(out) + "$"


def century_of(texts: pa.Array, form: str, *, is_born: bool) -> int | None:
    """Return the first of the hundred years that two digits stand for, where those from 1969 on would tear years apart
    that lie close to each other (62, 64, …, 99, 00, …, 06), or have people born after now; None elsewhere.

    Args:
        texts: dates of the format.
    """
    if "%y" not in form:
        return None
    years = sorted({int(year) for year in pc.extract_regex(texts, pattern=pattern(form)).field("y").to_pylist()})
    gap, first = max((after - before, after) for before, after in pairwise([years[-1] - 100, *years]))
    now = datetime.now(UTC).year
    if is_born and any(now < 2000 + year < CENTURY + 100 for year in years):
        return now - 99
    return 1900 + first - gap // 3 if years[0] < first < CENTURY % 100 else None  # with room for later files


def _since_1970(text: pa.Array, per_second: int) -> pa.Array:
    whole = pc.extract_regex(text, pattern=_COUNTED).field("n")
    ticks = pc.cast(whole, pa.int64()).fill_null(0).to_numpy()
    return pa.array(ticks // per_second, mask=~whole.is_valid().to_numpy(zero_copy_only=False))


def _of_spreadsheet(text: pa.Array) -> pa.Array:
    fits = pc.match_substring_regex(text, pattern=r"^\d{1,7}(?:\.\d+)?$")
    days = pc.cast(pc.if_else(fits, text, pa.scalar(None, pa.string())), pa.float64())
    seconds = pc.multiply(pc.subtract(days, _EXCEL_1970), 86_400.0)
    return pc.round(seconds).cast(pa.int64())


def _iso(text: pa.Array, zone: str | None) -> pa.Array:
    forms = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")
    text = pc.replace_substring_regex(text, pattern=r"(:\d\d)[.,]\d+", replacement=r"\1")
    if zone is None:
        with suppress(pa.ArrowInvalid):  # many times faster, where all are in one form and none says its zone
            text.slice(0, PROBE).cast(pa.timestamp("s"))
            return text.cast(pa.timestamp("s")).cast(pa.int64())
    with_zone = (form + mark for form in forms[1:] for mark in ("%z", " %z"))
    seconds = pa.nulls(len(text), pa.int64())
    for form in (*forms, *with_zone):
        left = seconds.is_null()
        if not pc.any(left).as_py():
            break
        seconds = pc.replace_with_mask(seconds, left, _by_format(text.filter(left), form, zone, CENTURY))
    return seconds


def _by_format(text: pa.Array, form: str, zone: str | None, century: int) -> pa.Array:
    parts = pc.extract_regex(text, pattern=pattern(form))
    fits = parts.is_valid().to_numpy(zero_copy_only=False)
    year, month, day = _year(parts, century), _month(parts), _number(parts, "d", 1)
    fits &= (month >= 1) & (month <= 12) & (year >= 1)
    if _has(parts, "G"):
        return _of_week(parts, fits)
    months = (year - 1970).clip(-1969, 8029) * 12 + month.clip(1, 12) - 1
    first = months.astype("M8[M]").astype("M8[D]")
    day = _number(parts, "j", 1) if _has(parts, "j") else day
    date = first + (day - 1).astype("m8[D]")
    fits &= day >= 1
    fits &= (date.astype("M8[Y]") == first.astype("M8[Y]")) if _has(parts, "j") else (date.astype("M8[M]") == first)
    hour, minute, second = _hour(parts), _number(parts, "M", 0), _number(parts, "S", 0)
    ends_day = (hour == 24) & (minute == 0) & (second == 0)
    fits &= (hour >= 0) & ((hour < 24) | ends_day) & (minute < 60) & (second < 60)
    seconds = date.astype(np.int64) * 86_400 + hour * 3600 + minute * 60 + second
    if _has(parts, "z"):
        return _by_zones(pa.array(seconds, mask=~fits), parts.field("z"))
    return pa.array(seconds, mask=~fits) if zone is None else _in_zone(pa.array(seconds, mask=~fits), zone)


def _in_zone(seconds: pa.Array, zone: str) -> pa.Array:
    """Return Unix seconds of those that a clock of the zone shows."""
    aware = pc.assume_timezone(seconds.cast(pa.timestamp("s")), zone, ambiguous="earliest", nonexistent="earliest")
    return aware.cast(pa.timestamp("s", "UTC")).cast(pa.int64())


def _by_zones(seconds: pa.Array, zones: pa.Array) -> pa.Array:
    """Return the same where every text says its zone; null where there is none of that name."""
    shown = pc.subtract(seconds, pa.array(_offset(zones)))
    for zone in pc.unique(zones).drop_null().to_pylist():
        if zone[:1].isalpha() and zone not in _HOURS and "/" in zone:
            here = pc.fill_null(pc.equal(zones, zone), False)
            try:
                moved = _in_zone(seconds.filter(here), zone)
            except (pa.ArrowInvalid, pa.ArrowKeyError):
                moved = pa.nulls(pc.sum(here).as_py(), pa.int64())
            shown = pc.replace_with_mask(shown, here, moved)
    return shown


def _of_week(parts: pa.StructArray, fits: npt.NDArray[np.bool_]) -> pa.Array:
    """Return the first second of a day of a week of ISO 8601, of its Monday where no day is told."""
    year, week, day = _number(parts, "G", 1), _number(parts, "V", 1), _number(parts, "u", 1)
    fourth = (year - 1970).astype("M8[Y]").astype("M8[D]") + np.timedelta64(3, "D")  # of January, always of week 1
    monday = fourth - ((fourth.astype(np.int64) + 3) % 7).astype("m8[D]") + ((week - 1) * 7).astype("m8[D]")
    thursday = monday + np.timedelta64(3, "D")  # in whose year the week is
    fits &= (week >= 1) & (thursday.astype("M8[Y]") == (year - 1970).astype("M8[Y]"))
    date = monday + (day - 1).astype("m8[D]")
    return pa.array(date.astype(np.int64) * 86_400, mask=~fits)


def _has(parts: pa.Array, name: str) -> bool:
    return bool(parts.type.get_field_index(name) >= 0)


def _number(parts: pa.Array, name: str, default: int) -> npt.NDArray[np.int64]:
    if not _has(parts, name):
        return np.full(len(parts), default, np.int64)
    written = parts.field(name).fill_null("0")
    filled = pc.if_else(pc.equal(written, ""), "0", written)
    return np.array(filled.cast(pa.int64()).to_numpy())


def _year(parts: pa.Array, century: int) -> npt.NDArray[np.int64]:
    if _has(parts, "Y"):
        return _number(parts, "Y", 1)
    return century + (_number(parts, "y", 0) - century) % 100


def _month(parts: pa.Array) -> npt.NDArray[np.int64]:
    if not _has(parts, "b"):
        return _number(parts, "m", 1)
    names = pc.utf8_lower(parts.field("b"))
    places = pc.index_in(names, pa.array(list(_MONTH_OF)))
    numbers = pc.take(pa.array(list(_MONTH_OF.values()), pa.int64()), places)
    return np.array(numbers.fill_null(0).to_numpy())


def _hour(parts: pa.Array) -> npt.NDArray[np.int64]:
    if not _has(parts, "I"):
        return _number(parts, "H", 0)
    hour = _number(parts, "I", 0)
    after_noon = pc.equal(pc.utf8_lower(parts.field("p")), "p").fill_null(False) if _has(parts, "p") else False
    shifted = hour % 12 + 12 * np.asarray(after_noon).astype(np.int64)
    return np.where((hour >= 1) & (hour <= 12), shifted, -1)


def _offset(zones: pa.Array) -> npt.NDArray[np.int64]:
    signed = pc.extract_regex(zones, pattern=r"^(?:GMT|UTC)?(?P<sign>[+-])(?P<H>\d\d?):?(?P<M>(?:\d\d)?)(?:\[.*)?$")
    offset = _number(signed, "H", 0) * 3600 + _number(signed, "M", 0) * 60
    named = pc.take(pa.array([*_HOURS.values()], pa.int64()), pc.index_in(zones, pa.array([*_HOURS])))
    offset += 3600 * np.array(pc.fill_null(named, 0).to_numpy())
    return np.where(np.asarray(pc.equal(signed.field("sign"), "-").fill_null(False)), -offset, offset)
