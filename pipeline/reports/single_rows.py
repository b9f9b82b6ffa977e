"""A single row that was taken apart: what it is called, and its parts as a waterfall."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import Any

from pipeline.reports.formats import quantity


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
    return ", ".join(
        f"{name} {value if isinstance(value, str) else quantity(value, types.get(name, ''))}"
        for name, value in key
        if value is not None
    )


def waterfall(row: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Return where the bar of each part begins and how wide it is, as shares of the scale; the others' is the last.

    The first begins at the typical prediction, each further one where the one before it ended.
    """
    steps = [*(part["part"] for part in row["parts"]), row["others"] + row["gap"]]
    ends = list(accumulate(steps, initial=row["typical"]))
    low, span = min(ends), (max(ends) - min(ends)) or 1.0
    pairs = pairwise(ends)
    return [((min(pair) - low) / span, abs(pair[1] - pair[0]) / span) for pair in pairs]
