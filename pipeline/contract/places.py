"""Columns of pairs of coordinates in one text: (40.7128, -74.0060), POINT (-74.006 40.7128), GeoJSON."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.values.counted import name_words

_NEARLY = 0.95
_PLACE = (
    r"^\s*(?:[(\[]\s*)?[-+]?\d{1,3}\.\d{2,}\s*[,;\s]\s*[-+]?\d{1,3}\.\d{2,}\s*[)\]]?\s*$|"
    r"(?i)^\s*(?:SRID=\d+;\s*)?POINT\s*Z?\s*\(|^\s*\{.*\"type\"\s*:\s*\"Point\""
)
_NAMES = frozenset((
    "location", "loc", "position", "pos", "coordinates", "coordinate", "coords", "coord", "latlon", "latlng", "latlong",
    "lonlat", "geo", "geom", "geometry", "gps", "point", "place", "spot", "lat", "latitude", "standort",
))  # fmt: skip
"""Words in the name of a column that holds places."""


def are_places(name: str, texts: pa.ChunkedArray) -> bool:
    """Return whether texts are pairs of coordinates. Two odds, `1.85, 2.05`, have no minus and fewer figures."""
    if (pc.mean(pc.match_substring_regex(texts, _PLACE)).as_py() or 0) <= _NEARLY:
        return False
    if {*name_words(name)} & _NAMES or pc.any(pc.match_substring_regex(texts, r"-\d|[A-Za-z]")).as_py():
        return True
    return bool(pc.mean(pc.match_substring_regex(texts, r"\.\d{3,}.*\.\d{3,}")).as_py() > 1 / 2)
