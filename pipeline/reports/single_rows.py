"""What a single row that was taken apart is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
