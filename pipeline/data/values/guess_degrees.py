"""Whether the texts of a column are latitudes or longitudes in degrees, minutes and seconds."""

from __future__ import annotations

import re

from pipeline.config.reading import DEGREES
from pipeline.data.values.counted import WORTH_SAYING, Counted, Fit, as_mask, words_of
from pipeline.data.values.degrees import to_degrees

_NAMES = {"lat", "latitude", "lon", "lng", "long", "longitude", "breite", "breitengrad", "laenge", "längengrad"}
_SAMPLE = 200
_SIDED = re.compile(r"^\s*[NSEWnsew]\s*\d|\d\s*[NSEWnsew]\s*$")
_MARKED = re.compile(r"\d\s?[°º˚]\s*(?:\d+(?:[.,]\d+)?\s*\W|[NSEWnsew]\s*$)|^\s*[NSEWnsew]\s*\d[\d.,]*\s?[°º˚]")


def guess_degrees(name: str, values: Counted) -> Fit | None:
    """Return how latitudes and longitudes are read; None if the texts are none.

    Nearly all have a mark of degrees and minutes or a direction; a direction alone, 12W, needs a name that says so.
    """
    some = values.some(_SAMPLE)  # as most columns of words, before all of them are looked at
    is_named = bool(words_of(name) & _NAMES)
    like = sum(bool(_MARKED.search(text) or (is_named and _SIDED.search(text))) for text in some)
    if like < WORTH_SAYING * len(some):
        return None
    fits = as_mask(to_degrees(values.texts).is_valid())
    if values.share(fits) < WORTH_SAYING:
        return None
    return Fit({"kind": "number", "format": DEGREES}, fits, "read as degrees; south and west are negative")
