"""The columns of a table with what a reader orders them by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.reports.artifacts import Anomaly, Column


@dataclass(frozen=True)
class Entry:
    """One column.

    Attributes:
        place: in the table, from 0.
        missing: the greatest share of rows without a value in any split; 1 where the column is not in all of them.
        moved: the greatest distance from the span before and the span where that is; None if it is not known.
        anomalies: how many there are; `flags`: what they are, each kind once.
    """

    column: Column
    place: int
    missing: float
    moved: tuple[float, str] | None
    anomalies: int
    flags: list[str]


def list_columns(
    columns: Sequence[Column], anomalies: Iterable[Anomaly], moved: Mapping[str, tuple[float, str]]
) -> list[Entry]:
    """Return one entry a column, in the table's order. `moved`: the greatest distance of each and where that is."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for anomaly in anomalies:
        found[anomaly.column].append(anomaly.what)
    splits = {split for column in columns for split in column.splits}
    return [
        Entry(
            column,
            place,
            1.0 if column.splits.keys() != splits else max(split.missing for split in column.splits.values()),
            moved.get(column.name),
            len(found.get(column.name, [])),
            list(dict.fromkeys(found.get(column.name, []))),
        )
        for place, column in enumerate(columns)
    ]


def most_notable_first(entries: Sequence[Entry]) -> list[Entry]:
    """Return the columns with most anomalies, then those that drift most, then those that miss most."""
    return sorted(entries, key=lambda e: (-e.anomalies, -(e.moved or (0.0, ""))[0], -e.missing, e.place))
