"""The file of what derived features learned by key, among the assets of the transform graph and of the model.

It has a line per statistic, fold and key: the statistic's number and the fold, the key in base64, the value, how many
rows tell it, and for a reader the key as JSON. What begins without OF_KEY is the value of a key that was never seen.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from trainer.folds import FOLDS, NO_FOLD

FILE = "statistics_by_key.tsv"
OF_KEY = "="
MOST_KEYS = 100_000
"""Of a statistic, those that the most rows have; all others are as never seen."""

Sums = Mapping[int, tuple[float, float]]
"""By fold, how many rows have a key and the sum of their values."""


def number_of(place: int) -> str:
    """Return how each line of a statistic begins; the fold follows."""
    return f"{place} "


def lines(place: int, function: str, smoothing: float, key: bytes | None, sums: Sums, totals: Sums) -> list[str]:
    """Return the lines of a key, or of one that was never seen.

    Args:
        sums: the key's, by fold; totals: those of all keys.
    """
    found = []
    for fold in (NO_FOLD, *(() if function == "count_by" else range(FOLDS))):
        if fold != NO_FOLD and key is not None and fold not in sums:
            continue  # no row asks
        rows, _ = _without(sums, fold)
        found_value = value(function, smoothing, None if key is None else sums, totals, fold)
        if key is None:
            found.append(f"{number_of(place)}{fold}\t\t{found_value!r}\t{rows:.0f}\tany other")
        else:
            shown = json.dumps(key.decode(errors="backslashreplace"))
            encoded = base64.urlsafe_b64encode(key).decode().rstrip("=")
            found.append(f"{number_of(place)}{fold}{OF_KEY}\t{encoded}\t{found_value!r}\t{rows:.0f}\t{shown}")
    return found


def value(function: str, smoothing: float, sums: Sums | None, totals: Sums, fold: int) -> float:
    """Return what a row of a fold is shown of a key; of one that was never seen without `sums`."""
    if function == "count_by":
        return _without(sums or {}, NO_FOLD)[0]
    return _smooth(*_without(sums or {}, fold), *_without(totals, fold), smoothing)


def _without(sums: Sums, fold: int) -> tuple[float, float]:
    """Return rows and sum of all folds but one."""
    kept = [of for other, of in sums.items() if other != fold]
    return math.fsum(rows for rows, _ in kept), math.fsum(total for _, total in kept)


def _smooth(rows: float, total: float, all_rows: float, all_total: float, smoothing: float) -> float:
    if not all_rows:
        return math.nan
    mean = all_total / all_rows
    return (total + smoothing * mean) / (rows + smoothing) if rows + smoothing else mean


def write(found: Sequence[str], wanted: Sequence[tuple[str, float]]) -> bytes:
    """Return the file's content; without lines that of statistics of no rows."""
    empty = [line for place, of in enumerate(wanted) for line in lines(place, *of, None, {}, {})]
    return "".join(f"{line}\n" for line in found or empty).encode()


class Learned(NamedTuple):
    """A line for a row that is not learned from; `key` is None for any that was never seen."""

    place: int
    key: str | None
    value: float
    rows: int


def read(folder: str) -> list[Learned]:
    """Return what the file in a folder of assets says for rows to score; nothing if there is none."""
    import tensorflow as tf  # `parse` is for those who wait for no import

    path = f"{folder}/{FILE}"
    if not tf.io.gfile.exists(path):
        return []
    with tf.io.gfile.GFile(path) as opened:
        return parse(opened.read())


def parse(content: str) -> list[Learned]:
    """Return what the file's content says for rows to score."""
    found: list[Learned] = []
    for line in content.splitlines():
        begins, _, value, rows, shown = line.split("\t", 4)
        place, _, fold = begins.partition(" ")
        if fold.rstrip(OF_KEY) == str(NO_FOLD):
            key: Any = json.loads(shown) if fold.endswith(OF_KEY) else None
            found.append(Learned(int(place), key, float(value), int(rows)))
    return found
