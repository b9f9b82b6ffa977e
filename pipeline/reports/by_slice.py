"""Calibration by slice: where what was predicted in the mean is not what was true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.reports.judgement import FEW_ROWS, Interval

MOST = 40
"""In the table: those farthest off."""


@dataclass(frozen=True)
class SliceStanding:
    """One slice, or all rows; places are percent of the scale, of prediction, truth and its interval."""

    where: str
    rows: int
    predicted: float
    true: float
    ends: Interval
    off: bool
    places: tuple[float, float, float, float]


@dataclass(frozen=True)
class BySlice:
    """Calibration by slice.

    Attributes:
        overall: of all rows; slices: the farthest off first, of enough rows.
        off, judged: how many slices are off, and how many there are; by_chance: how many of them chance would make so.
        scale: the ends of the picture.
    """

    overall: SliceStanding
    slices: list[SliceStanding]
    off: int
    judged: int
    by_chance: float
    scale: Interval


def by_slice(verdict: Mapping[str, Any] | None) -> BySlice | None:
    """Read Evaluator's verdict; None of an older one, and where no slice has rows enough."""
    if not verdict or not verdict.get("standing"):
        return None
    found = [
        (", ".join(f"{column} = {value}" for column, value in entry["slice"].items()), entry["standing"])
        for entry in verdict["slices"]
        if entry.get("standing", {}).get("rows", 0) >= FEW_ROWS
    ]
    if not found:
        return None
    off = sum(one["off"] for _, one in found)
    found.sort(key=lambda named: -_distance(named[1]))
    shown = [("all rows", verdict["standing"]), *found[:MOST]]
    numbers = [one[key] for _, one in shown for key in ("predicted", "low", "high")]
    scale = (min(numbers), max(numbers))
    overall, *slices = (_placed(where, one, scale) for where, one in shown)
    return BySlice(overall, slices, off, len(found), (1 - verdict["confidence"]) * len(found), scale)


def _distance(one: Mapping[str, Any]) -> float:
    """Return how many half intervals the prediction lies from the truth."""
    return abs(one["predicted"] - one["true"]) / (((one["high"] - one["low"]) / 2) or 1e-12)


def _placed(where: str, one: Mapping[str, Any], scale: Interval) -> SliceStanding:
    low, high = scale
    places = [100 * (one[key] - low) / ((high - low) or 1.0) for key in ("predicted", "true", "low", "high")]
    ends = (one["low"], one["high"])
    return SliceStanding(
        where, one["rows"], one["predicted"], one["true"], ends, one["off"], (places[0], places[1], *places[2:4])
    )
