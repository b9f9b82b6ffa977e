"""What the texts of a column are: numbers in which style, booleans in which words, dates in which order, or text.

A guess needs nearly all values, and tells which the others are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.reading import Reading
from pipeline.data.columns import ColumnType
from pipeline.data.values import dates
from pipeline.data.values.codes import are_codes, is_plain
from pipeline.data.values.counted import NEARLY_ALL, WORTH_SAYING, Counted, Doubt, Fit, Mask, as_mask, words_of
from pipeline.data.values.digits import in_ascii
from pipeline.data.values.guess_booleans import guess_boolean
from pipeline.data.values.guess_compound import guess_compound, guess_formula, guess_shortened
from pipeline.data.values.guess_dates import guess_date, guess_epoch, guess_spreadsheet
from pipeline.data.values.guess_degrees import guess_degrees
from pipeline.data.values.guess_durations import guess_clock, guess_duration
from pipeline.data.values.guess_numbers import BOUND, BOUNDS, are_nothing, far_marker, far_words, guess_number
from pipeline.data.values.readings import ALWAYS_MISSING, Readings, convert
from pipeline.data.values.words import CURRENCIES, DATE_NAMES, ELSE_MISSING, HEX_NAMES, ID_NAMES, SURELY_MISSING, UNITS

Kind = Literal["text", "number", "boolean", "date", "duration", "empty"]

_SHOWN, _FEW_STRAYS = 20, 2


@dataclass(frozen=True)
class Meaning:
    """What a column was recognised as.

    Attributes:
        settings: its entry in `data.columns`; None where it needs none.
        missing: the texts in it that mean 'missing', without those of ALWAYS_MISSING.
        share: of the values that are not missing, the part that is of this kind.
        rest: row, counted from 1, and value of some that are not.
        n_rest: how many there are.
        said: what a person should know; "" if nothing.
        choices: the settings between which a person may choose where the values do not tell.
        strays: the texts, if they are few, without which all the others are of one kind.
    """

    kind: Kind
    settings: Reading | None = None
    missing: tuple[str, ...] = ()
    share: float = 1.0
    rest: tuple[tuple[int, str], ...] = ()
    n_rest: int = 0
    said: str = ""
    choices: tuple[Mapping[str, str], ...] = ()
    strays: tuple[str, ...] = ()


def recognise_as(name: str, texts: pa.Array | pa.ChunkedArray, reading: Reading, missing: Sequence[str]) -> Meaning:
    """Return what a column of texts is when it is read as a person says; `rest` are the values that do not fit.

    Args:
        texts: as they stand in the file, shape [rows].
        missing: what means 'missing' in every column.
    """
    kind: Kind = reading.kind or "text"
    if kind == "text":
        return Meaning(kind, reading)
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    known = (*Readings(tuple(missing), {name: reading}).missing_in(name), "")
    marked = Readings(columns={name: reading.model_copy(update={"missing": known})})
    values = marked.without_missing(texts, name)
    _, bad = convert(values, reading, marked.type_of(name) or ColumnType.FLOAT)
    if bad is None:
        return Meaning(kind, reading)
    misfits = pc.unique(values.filter(bad))
    rest, n_rest = _rest(values, misfits)
    count = len(values) - values.null_count
    said = f"{n_rest:,} of its values are no {_WORDS[kind]} ({_examples(rest)})"
    share = 1 - n_rest / count
    strays = tuple(misfits.to_pylist()) if len(misfits) <= _FEW_STRAYS and share >= WORTH_SAYING else ()
    return Meaning(kind, reading, (), share, rest, n_rest, said, strays=strays)


def recognise(
    name: str,
    texts: pa.Array | pa.ChunkedArray,
    decimal: str | None = None,
    day_first: bool | None = None,
    missing: Sequence[str] = (),
) -> Meaning:
    """Return what a column of texts is.

    Args:
        texts: as they stand in the file, shape [rows]; null is an empty field.
        decimal: the mark before fractions in the file's other columns, if it is known; the same of day_first.
        missing: texts that a person says mean 'missing' in every column.
    """
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    trimmed = pc.utf8_trim_whitespace(texts.cast(pa.string()))
    entries = trimmed.drop_null().value_counts()
    all_values = Counted(entries.field("values"), np.array(entries.field("counts").to_numpy()))
    marked = _among(all_values, (*SURELY_MISSING, *ELSE_MISSING))
    marked |= as_mask(pc.is_in(all_values.texts, pa.array(missing, pa.string()))) | are_nothing(all_values)
    written = all_values.where(~marked)
    values = Counted(in_ascii(written.texts), written.times)
    if not len(values.texts):
        surely = all_values.texts.filter(pa.array(_among(all_values, SURELY_MISSING)))
        if len(surely) == len(all_values.texts):
            return Meaning("empty", missing=_extra(surely))
        return Meaning("text", missing=_extra(surely))
    found = guess_formula(values) or _find(name, values, decimal, day_first)
    if isinstance(found, Fit) and found.settings["kind"] == "text":
        return _text(all_values, Reading.model_validate(found.settings), found.said)
    if isinstance(found, Fit) and found.settings["kind"] == "boolean" and _is_third(all_values):
        found = None
    if isinstance(found, Fit):
        share = values.share(found.fits)
        if share >= NEARLY_ALL:
            found = replace(found, is_plain=found.is_plain and values.texts is written.texts)
            return _meaning(found, written, all_values.texts.filter(pa.array(marked)), trimmed, share)
        misfits = written.texts.filter(pa.array(~found.fits))
        rest, n_rest = _rest(trimmed, misfits)
        said = (
            f"{share:.1%} of its values are {_WORDS[str(found.settings['kind'])]}, but {n_rest:,} are not "
            f"({_examples(rest)}), so it stays text"
        )
        strays = tuple(misfits.to_pylist()) if len(misfits) <= _FEW_STRAYS else ()
        return replace(_text(all_values, Reading(kind="text"), said, rest, n_rest), strays=strays)
    if found is None and (near := far_words(values)) is not None:
        others = _find(name, values.where(~near), decimal, day_first)
        if not isinstance(others, Fit) or others.settings["kind"] not in _WORDS:
            return _text(all_values, None, "")
        rest, n_rest = _rest(trimmed, written.texts.filter(pa.array(near)))
        kind = _WORDS[str(others.settings["kind"])]
        said = f"all its values but {n_rest:,} are {kind} ({_examples(rest)}), so it stays text"
        strays = tuple(written.texts.filter(pa.array(near)).to_pylist())
        return replace(_text(all_values, None, said), strays=strays)
    if isinstance(found, Doubt):
        return replace(_text(all_values, Reading(kind="text"), found.said), choices=found.choices)
    return _text(all_values, found, "")


_WORDS = {"number": "numbers", "boolean": "yes or no", "date": "dates", "duration": "durations"}


def _find(name: str, values: Counted, decimal: str | None, day_first: bool | None) -> Fit | Doubt | Reading | None:
    """Return how a column would be read; a Reading where texts that look like another kind are text."""
    plain = is_plain(values)
    if plain.all():
        return _find_plain(name, values, decimal, day_first, plain)
    if values.matches(r"^[+-]?0\d+$").any() and values.share(plain) >= WORTH_SAYING:
        return Reading(kind="text")
    if values.share(values.matches(r"^0[xX][0-9a-fA-F]+$")) >= WORTH_SAYING or are_codes(values, plain):
        return Reading(kind="text")
    if boolean := guess_boolean(values):
        return boolean
    numbers = (
        Fit({"kind": "number"}, plain, far_marker(values), is_plain=True)
        if values.share(plain) >= WORTH_SAYING
        else None
    )
    if numbers and values.share(plain) >= NEARLY_ALL:
        bounds = _measured(name, values, decimal) if values.matches(BOUND).any() else None
        return bounds if isinstance(bounds, Fit) else numbers
    if found := _iso(values) or guess_date(name, values, day_first) or guess_duration(name, values):
        return found
    return guess_degrees(name, values) or guess_compound(name, values) or _measured(name, values, decimal) or numbers


def _measured(name: str, values: Counted, decimal: str | None) -> Fit | Doubt | None:
    """Return the style of numbers; of a column named as `zip` only where they are surely no names: `Mkt Cap`."""
    number = guess_number(name, values, decimal)
    if not words_of(name) & ID_NAMES:
        return number
    units = {*cast("tuple[str, ...]", number.settings.get("unit", ()))} if isinstance(number, Fit) else set()
    known = units <= CURRENCIES | UNITS | {*BOUNDS} and values.matches(r"\d[.,]\d").any()
    has_any = isinstance(number, Fit) and bool(units or number.settings.get("scale"))
    return number if units & CURRENCIES or (has_any and known) else None


def _find_plain(
    name: str, values: Counted, decimal: str | None, day_first: bool | None, plain: Mask
) -> Fit | Doubt | Reading | None:
    """Return the same of a column of nothing but plain numbers."""
    if clock := guess_clock(name, values):
        return clock
    date = guess_date(name, values, day_first)
    if not (date and words_of(name) & DATE_NAMES) and (_is_id(name, values) or are_codes(values, plain)):
        return Reading(kind="text")
    if date and not (isinstance(date, Fit) and values.share(date.fits) < NEARLY_ALL):  # as numbers, 999999 is told of
        return date
    if (
        decimal == ","
        and isinstance(found := guess_number(name, values, decimal), Fit)
        and "thousands" in found.settings
    ):
        return found
    return (
        guess_shortened(name, values)
        or guess_epoch(name, values)
        or guess_spreadsheet(name, values)
        or Fit({"kind": "number"}, plain, far_marker(values), is_plain=True)
    )


def _iso(values: Counted) -> Fit | None:
    pattern = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$"
    shaped = values.matches(pattern)
    if values.share(shaped) < WORTH_SAYING or values.matches(r"[T ]24:00").any():  # which Arrow does not know
        return None
    fits = shaped & as_mask(dates.to_seconds(values.texts, None, None).is_valid())
    return Fit({"kind": "date"}, fits, is_plain=True) if values.share(fits) >= WORTH_SAYING else None


def _is_id(name: str, values: Counted) -> bool:
    """Return whether figures name something rather than count it."""
    words = words_of(name)
    return bool(
        values.matches(r"^[+-]?0\d+$").any()
        or values.matches(r"^[+-]?\d{19,}$").any()  # more than a number keeps
        or values.share(values.matches(r"^\+\d{8,}$")) >= WORTH_SAYING  # phone numbers
        or (words & ID_NAMES and values.share(values.matches(r"^\d{4,}(\.0)?$")) >= NEARLY_ALL)
        or (words & HEX_NAMES and values.matches(r"^\d+[eE]\d+$").any())
    )


def _meaning(found: Fit, values: Counted, markers: pa.Array, trimmed: pa.Array, share: float) -> Meaning:
    rest, n_rest = _rest(trimmed, values.texts.filter(pa.array(~found.fits)))
    settings: dict[str, Any] = dict(found.settings)
    kind: Kind = settings["kind"]
    plain = found.is_plain and not n_rest
    said = found.said
    if n_rest:
        said = f"{n_rest:,} of its values are no {_WORDS[kind]} ({_examples(rest)})"
    return Meaning(kind, None if plain else Reading(**settings), _extra(markers), share, rest, n_rest, said)


def _text(
    values: Counted,
    settings: Reading | None,
    said: str,
    rest: tuple[tuple[int, str], ...] = (),
    n_rest: int = 0,
) -> Meaning:
    """Return a column of text: in it NA may be a value, and None is one."""
    # Nan, Nat and Na are names of people: among texts the usual spelling counts.
    marked = as_mask(pc.is_in(values.texts, pa.array(SURELY_MISSING))) | _among(values, ("null", "n/a", "#n/a"))
    others = values.where(~marked)
    kept: tuple[str, ...] = ()
    codes = others.matches("^[A-Z]{2}$")
    if len(codes) >= 5 and codes.mean() >= 0.9 and _among(values, ("NA",)).any():
        kept = ("NA",)
        said = said or "NA is a value here, like the other codes of two letters"
    if _among(values, ("+",)).any():
        kept = (*kept, "-")
    missing = [text for text in values.texts.filter(pa.array(marked)).to_pylist() if text not in kept]
    if settings is None and "" in missing:
        settings = Reading(kind="text")  # then a field of blanks is an empty one
    if "NA" in kept:
        settings = Reading(kind=settings.kind if settings else None, missing=tuple(text for text in missing if text))
    extra = tuple(text for text in missing if text not in ALWAYS_MISSING)
    return Meaning("text", settings, extra, 1.0, rest, n_rest, said)


def _is_third(values: Counted) -> bool:
    """Return whether unknown, as people answer, is often enough to be a category beside yes and no."""
    return values.share(_among(values, ELSE_MISSING) & ~_among(values, SURELY_MISSING)) > 1 - NEARLY_ALL


def _extra(markers: pa.Array) -> tuple[str, ...]:
    return tuple(text for text in markers.to_pylist() if text not in ALWAYS_MISSING)


def _among(values: Counted, words: tuple[str, ...]) -> Mask:
    """Return which texts are one of the words, in any case."""
    known = sorted({word.lower() for word in words})
    return as_mask(pc.is_in(pc.utf8_lower(values.texts), pa.array(known)))


def _rest(trimmed: pa.Array, misfits: pa.Array) -> tuple[tuple[tuple[int, str], ...], int]:
    """Return row and value of the first texts that do not fit, and how many there are."""
    rows = np.flatnonzero(as_mask(pc.is_in(trimmed, misfits))) if len(misfits) else np.array([], int)
    return tuple((row + 1, str(trimmed[row].as_py())) for row in rows[:_SHOWN].tolist()), len(rows)


def _examples(rest: tuple[tuple[int, str], ...]) -> str:
    shown = [f"row {row:,}: {value if len(value) <= 30 else value[:30] + '…'!r}" for row, value in rest[:3]]
    return "; ".join(shown) + (", …" if len(rest) > 3 else "")
