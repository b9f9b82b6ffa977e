"""A single row that was taken apart: what it is called, where it stands, and its parts as a waterfall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import PurePath
from typing import Any

from pipeline.guard.find_rows import find_rows
from pipeline.guard.rows import Source
from pipeline.reports.formats import cell

_MOST_CELLS = 30_000_000
"""Of a table that is read again for the places of single rows."""


def row_kind(row: Mapping[str, Any], task: str = "") -> str:
    """Say in what way a row is wrong, or that it is not.

    Args:
        row: of explanation.json. Older Longhauls called the rows with the greatest error "most wrong", right or not.
        task: of an older evaluation's curves.json; without it only what is right in either case is put right.
    """
    if row["kind"] != "most wrong" or row["output"] is None:
        return str(row["kind"])
    hit, sure = row["truth"] == row["output"], row["prediction"] > 0.5
    # Of two classes the output is the second one, of several the likeliest.
    is_right = {"multiclass": hit, "binary": hit == sure}.get(task, hit and sure)
    return "least sure" if is_right else "most wrong"


def row_key(row: Mapping[str, Any], types: Mapping[str, str]) -> str:
    """Name a row by what the model does not read, so that somebody finds it in the table: `flight 1545, day 3`.

    Args:
        types: of the table's columns; times are written as such.
    """
    key = row.get("key", {}).items()
    return ", ".join(f"{name} {cell(value, types.get(name, ''))}" for name, value in key if value is not None)


def with_places(
    explanation: dict[str, Any], source: Source | None, config: Mapping[str, Any], ingestion: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what explains a model, each single row with its `place`: file and row of the source, where that is found.

    Only the spans that judged the model are read, and no very large table: a page must not take minutes.

    Args:
        config: of the run, as it is on record.
        ingestion: what ExampleGen counted.
    """
    rows = (explanation.get("examples") or {}).get("rows", [])
    wanted = {int(row["row"], 16) for row in rows if row.get("row")}
    if not wanted or source is None or sum(ingestion["rows"].values()) * len(source.columns) > _MOST_CELLS:
        return explanation
    splits = (config.get("evaluation") or {}).get("splits") or ["eval"]
    if spans := {span for split in splits for span in (ingestion.get("split_spans") or {}).get(split, ())}:
        source = replace(source, spans=spans)
    found = find_rows(source, (), (config.get("data") or {}).get("label", ""), wanted)
    placed = [row | {"place": place_text(*found.get(int(row.get("row") or "0", 16), ("", 0)))} for row in rows]
    return explanation | {"examples": explanation["examples"] | {"rows": placed}}


def place_text(file: str, row: int) -> str:
    """Say where a row stands, with the file's folder: files of several spans may have one name; "" of no file."""
    return f"{'/'.join(PurePath(file).parts[-2:])}, row {row:,}" if file else ""


def waterfall(row: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Return where the bar of each part begins and how wide it is, as shares of the scale; the others' is the last.

    The first begins at the typical prediction, each further one where the one before it ended.
    """
    steps = [*(part["part"] for part in row["parts"]), row["others"] + row["gap"]]
    ends = list(accumulate(steps, initial=row["typical"]))
    low, span = min(ends), (max(ends) - min(ends)) or 1.0
    pairs = pairwise(ends)
    return [((min(pair) - low) / span, abs(pair[1] - pair[0]) / span) for pair in pairs]
