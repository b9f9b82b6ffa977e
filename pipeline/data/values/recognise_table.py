"""What the columns of a table are, seen from their texts, and the settings that read them so."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.reading import Reading
from pipeline.data.columns import ColumnType
from pipeline.data.values.counted import WORTH_SAYING
from pipeline.data.values.guess_dates import is_day_first
from pipeline.data.values.readings import ALWAYS_MISSING, Readings
from pipeline.data.values.recognise import Meaning, recognise, recognise_as

_SOME = 10_000

RAW = Reading(kind="text", missing=())
"""Reads a column as its texts stand in the file."""


@dataclass(frozen=True)
class Recognised:
    """What a table was recognised as.

    Attributes:
        meanings: of each column of texts.
        missing: for `data.missing`.
        columns: for `data.columns`.
        set_aside: whether some values do not fit, so that `data.bad_rows: set_aside` is needed.
    """

    meanings: Mapping[str, Meaning]
    missing: tuple[str, ...]
    columns: Mapping[str, Reading]
    set_aside: bool

    @property
    def readings(self) -> Readings:
        """How the table is to be read."""
        return Readings(self.missing, self.columns, self.set_aside)


def raw_readings(names: Collection[str]) -> Readings:
    """Return what reads columns as their texts stand in the file, so that they can be recognised."""
    return Readings(columns=dict.fromkeys(names, RAW))


def as_strings(names: Collection[str]) -> dict[str, ColumnType]:
    """Return the columns as texts."""
    return dict.fromkeys(names, ColumnType.STRING)


def recognise_table(
    texts: Mapping[str, pa.Array | pa.ChunkedArray],
    *,
    label: str | None = None,
    decimal: str | None = None,
    all_text: bool = True,
    given: Mapping[str, Reading] | None = None,
    missing: Sequence[str] = (),
) -> Recognised:
    """Return what columns of texts are, and the settings for the YAML file.

    Args:
        label: of it words for yes and no stay classes.
        decimal: the mark before fractions, if the format of the file tells.
        all_text: whether the file holds nothing but texts, so that plain numbers and dates need no settings.
        given: columns that the user has settings for.
        missing: texts that the user says mean 'missing'.
    """
    given = dict(given or {})
    if decimal == "," and any(_have_points(values) for values in texts.values()):
        decimal = None
    meanings = {
        name: recognise_as(name, values, given[name], missing)
        if name in given
        else recognise(name, values, decimal, missing=missing)
        for name, values in texts.items()
    }
    if (day_first := _day_first(meanings)) is not None:  # what one column proves holds for the others
        for name, meaning in meanings.items():
            if meaning.kind == "text" and meaning.said and name not in given:
                meanings[name] = recognise(name, texts[name], decimal, day_first, missing)
    if label in meanings and label not in given and meanings[label].kind == "boolean" and not _are_mixed(texts[label]):
        meanings[label] = Meaning("text", missing=meanings[label].missing)
    if not all_text:
        meanings = {name: _said(meaning) for name, meaning in meanings.items()}
    found = {name: meaning for name, meaning in meanings.items() if name not in given}
    everywhere = _everywhere(found, texts, missing)
    columns = {name: meaning.settings for name, meaning in found.items() if meaning.settings is not None}
    for name, meaning in found.items():
        own = tuple(text for text in meaning.missing if text and text not in everywhere)
        settings = columns.get(name)
        if own and (settings is None or settings.missing is None):
            words = (*(text for text in ALWAYS_MISSING if text), *everywhere, *own)
            columns[name] = (settings or Reading()).model_copy(update={"missing": words})
    set_aside = any(meaning.n_rest and meaning.kind != "text" for meaning in meanings.values())
    return Recognised(meanings, everywhere, given | columns, set_aside)


def _have_points(texts: pa.Array | pa.ChunkedArray) -> bool:
    """Return whether the numbers of a column have a decimal point, as the first ones show: 1.5, not 1.500."""
    some = texts[:_SOME].cast(pa.string()).drop_null()
    likes = [pc.match_substring_regex(some, pattern=rf"^-?\d+\.{end}$") for end in (r"\d+", r"(?:\d{1,2}|\d{4,})")]
    return len(some) > 0 and pc.mean(likes[0]).as_py() >= WORTH_SAYING and pc.any(likes[1]).as_py()


def _are_mixed(texts: pa.Array | pa.ChunkedArray) -> bool:
    """Return whether words come in several spellings, such as Yes and YES: each would be a class."""
    words = pc.unique(texts)
    return len(pc.unique(pc.utf8_lower(pc.utf8_trim_whitespace(words)))) < len(words)


def _said(meaning: Meaning) -> Meaning:
    """Return it with settings where texts would else stay texts, as in Parquet."""
    if meaning.settings is None and meaning.kind in ("number", "date"):
        return replace(meaning, settings=Reading(kind=meaning.kind))
    return meaning


def _day_first(meanings: Mapping[str, Meaning]) -> bool | None:
    found = {is_day_first(meaning.settings.format) for meaning in meanings.values() if meaning.settings}
    told = found - {None}
    return told.pop() if len(told) == 1 else None


def _everywhere(
    meanings: Mapping[str, Meaning], texts: Mapping[str, pa.Array | pa.ChunkedArray], missing: Sequence[str]
) -> tuple[str, ...]:
    """Return the texts that mean 'missing' in some column and are a value in none."""
    found = dict.fromkeys(missing) | {text: None for meaning in meanings.values() for text in meaning.missing if text}
    as_values = {
        text
        for name, meaning in meanings.items()
        if meaning.kind == "text"
        for text in found
        if text not in meaning.missing and text not in missing and _holds(texts[name], text)
    }
    return tuple(text for text in found if text not in as_values)


def _holds(texts: pa.Array | pa.ChunkedArray, text: str) -> bool:
    return bool(pc.any(pc.equal(pc.utf8_trim_whitespace(texts), text)).as_py())
