"""How small a loss would be found, by how many labelled rows: so that nobody takes silence for health.

The test of the excess log loss (pipeline.watch.excess) says harm when the excess is z_a standard errors above its mean
in training, and above what may be lost; nine of ten losses that are z_0.9 of them greater are found. The promise's own
error does not shrink with more rows of production: below (z_a + z_0.9) s / sqrt(rows of the evaluation) nothing is
found surely, however many labels come.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.watch.above import Array, level
from pipeline.watch.excess import promised_excess
from pipeline.watch.harm import EXCESS, MAY_LOSE
from pipeline.watch.reference import Reference
from pipeline.watch.sequences import normal_quantile

POWER = 0.9
_WINDOWS = 2
_LONGER = 8


@dataclass(frozen=True)
class Detectable:
    """What the labels of so many rows a window can tell, in nine of ten cases, once a window's labels are there.

    Attributes:
        loss: the least excess log loss that is found within two windows; longer: within eight.
        asked: a loss four times what may be lost; needs: rows a window for it, within two; None: no number of them.
        promised: evaluation rows, on which the promise rests.
    """

    rows: int
    loss: float
    longer: float
    asked: float
    needs: int | None
    promised: int

    def sentence(self, window: str) -> str:
        """Say it."""
        each = {"hour": "an hour", "day": "a day", "week": "a week"}.get(window, "a window")
        said = (
            f"with {self.rows:,} labelled rows {each}, a log loss of {self.loss:.4f} above the promise is found within "
            f"two windows in nine of ten cases, {self.longer:.4f} within eight; "
        )
        if self.needs is None:
            return f"{said}no number of rows finds {self.asked:g}: the promise rests on {self.promised:,} rows only"
        return f"{said}{self.asked:g} within two needs {self.needs:,} rows {each}"

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def detectable(promised: Array, rows: int, deliveries: int, may_lose: float, delta: float) -> Detectable:
    """Return what so many labelled rows a window can tell.

    Args:
        promised: see `excess.moments`; deliveries: of labels so far, which all have had a part of delta.
        delta: of the test of the excess.
    """
    known = float(promised[0])
    # A model that says the same of every row has no excess; rounding must not make its variance negative.
    variance = max(float(promised[2]) / known - (float(promised[1]) / known) ** 2, 1e-18)

    def factor(windows: int) -> float:
        reach = float(normal_quantile(1 - level(delta, deliveries + windows, windows)))
        return (reach + float(normal_quantile(POWER))) * math.sqrt(variance)

    def least(windows: int) -> float:
        error = math.sqrt(1 / max(rows * windows, 1) + 1 / known)
        return max(factor(windows) * error, may_lose + float(normal_quantile(POWER)) * math.sqrt(variance) * error)

    asked = 4 * may_lose or 0.01
    left = (asked / factor(_WINDOWS)) ** 2 - 1 / known
    needs = math.ceil(1 / (left * _WINDOWS)) if left > 0 else None
    return Detectable(rows, least(_WINDOWS), least(_LONGER), asked, needs, int(known))


def detectable_of(
    reference: Reference, rows: int, deliveries: int, may_lose: Mapping[str, float], delta: float
) -> Detectable | None:
    """Return the same by what a version promised; None where there are no two classes."""
    if reference.spec.task != "binary":
        return None
    may = may_lose.get("log_loss", MAY_LOSE["log_loss"])
    return detectable(promised_excess(reference)[1], rows, deliveries, may, delta * EXCESS)
