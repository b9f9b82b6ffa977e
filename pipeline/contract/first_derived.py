"""Derived features that `longhaul init` proposes: the words of texts, the items of lists, ways between places, ages."""

from __future__ import annotations

import itertools
import json
import keyword
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.lists import list_delimiter
from pipeline.contract.roles import SHOWN_IN_PARTS, Judged
from pipeline.data.columns import ColumnType
from pipeline.data.values.counted import name_words

_LATITUDE, _LONGITUDE = frozenset(("lat", "latitude")), frozenset(("lon", "lng", "long", "longitude"))
_MOST_TIMES = 3


class Proposed(NamedTuple):
    """An expression, and why it is there."""

    expression: str
    why: str


def propose_derived(
    rows: pa.Table, types: Mapping[str, ColumnType], judged: Mapping[str, Judged]
) -> dict[str, Proposed]:
    """Return proposals by the name of the derived feature.

    Args:
        rows: in the columns' stored types; some of a large table do.
        judged: what the columns are for.
    """
    found: dict[str, Proposed] = {}

    def add(name: str, expression: str, why: str) -> None:
        while name in types or name in found:
            name += "_"
        found[name] = Proposed(expression, why)

    usable = [name for name, one in judged.items() if one.role in ("feature", *SHOWN_IN_PARTS) and not one.tells_label]
    for name in usable:
        if judged[name].role == "list":
            delimiter = list_delimiter(rows.column(name))
            add(f"{name}_items", f"items({_column(name)}, {delimiter!r})", "each of its items")
        elif judged[name].role == "free text":
            add(f"{name}_words", f"ngrams({_column(name)}, 2)", "its words, and pairs of them")
            add(f"{name}_length", f"length({_column(name)})", "its characters")
    places = _places({name: types[name] for name in usable}, rows)
    for prefix, latitude, longitude in places:
        centre = ", ".join(f"{pc.quantile(rows.column(one), 0.5)[0].as_py():.2f}" for one in (latitude, longitude))
        what = f"distance_km({_column(latitude)}, {_column(longitude)}, {centre})"
        add(f"{prefix}from_centre", what, "kilometres from the middle of the rows")
    for (prefix, *one), (other, *two) in itertools.combinations(places[:_MOST_TIMES], 2):
        names = ", ".join(map(_column, (*one, *two)))
        add(f"{prefix}to_{other}km", f"distance_km({names})", "kilometres from the one place to the other")
    times = [name for name in usable if types[name] is ColumnType.TIMESTAMP][:_MOST_TIMES]
    for first, last in itertools.combinations(times, 2):
        why = "days from the one to the other; are both known in time?"
        add(f"{first}_to_{last}_days", f"days_between({_column(first)}, {_column(last)})", why)
    return found


def _places(types: Mapping[str, ColumnType], rows: pa.Table) -> list[tuple[str, str, str]]:
    """Return pairs of latitude and longitude, each behind what the names of both have besides, as "pickup_"."""
    found: defaultdict[tuple[str, ...], dict[int, str]] = defaultdict(dict)
    for name, kind in types.items():
        words = name_words(name)
        for place, (known, bound) in enumerate(((_LATITUDE, 90), (_LONGITUDE, 180))):
            named = [word for word in words if word in known]
            if kind is ColumnType.FLOAT and len(named) == 1 and _is_within(rows.column(name), bound):
                found[tuple(word for word in words if word not in named)].setdefault(place, name)
    return [("".join(f"{word}_" for word in key), pair[0], pair[1]) for key, pair in found.items() if len(pair) == 2]


def _is_within(values: pa.ChunkedArray, bound: float) -> bool:
    span = pc.min_max(values).as_py()
    return span["min"] is not None and -bound <= span["min"] < span["max"] <= bound


def _column(name: str) -> str:
    """Write a column as expressions name it."""
    is_plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and not keyword.iskeyword(name)
    return name if is_plain else f"column({json.dumps(name, ensure_ascii=False)})"
