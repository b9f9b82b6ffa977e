"""What single features do: a picture each of effect, truth and rows, and the table of directions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.reports.formats import interval, number, quantity, signed
from pipeline.reports.marks import Picture, Value, picture

_WIDEST = 0.5
"""Of the axis: where one bin would take more, all bins are drawn equally wide."""


@dataclass(frozen=True)
class Cell:
    """A bin or a value, as text and figures; effect is None of the rows without a value."""

    text: str
    effect: float | None
    rows: int
    predicted: float
    true: float
    ends: tuple[float, float]
    off: bool


@dataclass(frozen=True)
class Effect:
    """One feature."""

    name: str
    is_number: bool
    cells: list[Cell]
    picture: Picture | None


@dataclass(frozen=True)
class Direction:
    """One feature's attributions; places are percent of a scale that all features share.

    Attributes:
        more, less: (values, part) that add most and least; "" where the values are too few.
        missing: the part of the rows without a value, where it is the greatest or the least.
        left, width: where 90 % of its parts lie.
    """

    name: str
    mean: float
    low: float
    high: float
    more: str
    less: str
    missing: float | None
    left: float
    width: float


@dataclass(frozen=True)
class Effects:
    """All of them. `of`: the class whose probability is told; `zero`: where no effect is in the directions, percent."""

    of: str
    scored: int
    rows: int
    features: list[Effect]
    directed: int
    directions: list[Direction]
    zero: float


def effects_of(explanation: Mapping[str, Any] | None) -> Effects | None:
    """Read Evaluator's explanation; None of an older one."""
    found, moves = (explanation or {}).get("effects"), (explanation or {}).get("directions") or {}
    if not found:
        return None
    listed = moves.get("features", [])
    low = min((one["low"] for one in listed), default=0.0)
    span = max((one["high"] for one in listed), default=0.0) - low
    span = span if span > 0 else 1.0
    return Effects(
        found["of"] or "",
        found["scored"],
        found["rows"],
        [effect for one in found["features"] if (effect := _effect(one, found["mean"]))],
        moves.get("rows", 0),
        [
            Direction(
                *(one["name"], one["mean"], one["low"], one["high"], _said(one["more"]), _said(one["less"])),
                next((of["part"] for of in (one["more"], one["less"]) if of and of["text"] == "missing"), None),
                *(100 * (one["low"] - low) / span, 100 * (one["high"] - one["low"]) / span),
            )
            for one in listed
        ],
        100 * (0.0 - low) / span,
    )


def _said(group: Mapping[str, Any] | None) -> str:
    return f"{group['text']}: {signed(group['part'])}" if group else ""


def _effect(one: Mapping[str, Any], mean: float) -> Effect | None:
    """Return what is shown of a feature; None where no cell has rows enough to say what was true."""
    plain = [cell for cell in one["cells"] if "true" in cell]
    if not plain:
        return None
    cells = [_cell(cell, one["kind"]) for cell in plain]
    if one["missing"]:
        cells.append(_cell(one["missing"] | {"text": "missing", "effect": None, "begin": None}, one["kind"]))
    is_number = plain[0]["begin"] is not None
    values = [
        Value(
            (over[0] + over[1]) / 2,
            cell.true,
            f"{cell.text}: true {number(cell.true)} ({interval(cell.ends)}), predicted {number(cell.predicted)}; "
            + (f"effect {signed(cell.effect)}; " if cell.effect is not None else "")
            + f"{cell.rows:,} rows",
            cell.ends,
            math.nan if cell.effect is None else mean + cell.effect,
            float(cell.rows),
            over,
            cell.off,
        )
        for cell, over in zip(cells, _slots(plain, cells), strict=True)
    ]
    known = [cell for cell in cells if cell.effect is not None]
    most = max(known, key=lambda cell: cell.effect or 0.0, default=None)
    told = f"Effect of {one['name']}"
    told += f": the greatest, {signed(most.effect or 0.0)}, at {most.text}" if most else ""
    texts = [cell.text for cell in cells]
    ends = (texts[0], texts[-1]) if is_number else (" \N{MIDDLE DOT} ".join(texts), "")
    return Effect(one["name"], is_number, cells, picture(one["name"], told, values, ends, joined=is_number))


def _cell(cell: Mapping[str, Any], kind: str) -> Cell:
    begin, end = cell["begin"], cell.get("end")
    text = cell.get("text") or quantity(begin, kind)
    if begin is not None and begin != end:
        text = f"{text} to {quantity(end, kind)}"
    ends = (cell["low"], cell["high"])
    return Cell(text, cell["effect"], cell["rows"], cell["predicted"], cell["true"], ends, cell["off"])


def _slots(plain: Sequence[Mapping[str, Any]], cells: Sequence[Cell]) -> list[tuple[float, float]]:
    """Return from where to where each cell reaches: as its values do, unless one would take most of the room."""
    even = [(place - 0.5, place + 0.5) for place in range(len(cells))]
    if plain[0]["begin"] is None or any(cell["begin"] == cell["end"] for cell in plain):
        return even
    span = plain[-1]["end"] - plain[0]["begin"]
    if max(cell["end"] - cell["begin"] for cell in plain) > _WIDEST * span:
        return even
    own = [(cell["begin"], cell["end"]) for cell in plain]
    beyond = plain[-1]["end"] + 0.02 * span
    return own + [(beyond, beyond + 0.06 * span)] * (len(cells) - len(own))
