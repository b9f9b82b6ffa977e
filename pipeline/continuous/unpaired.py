"""The unpaired sequential test: each request of a canary has met one version only, and chance has dealt them out.

It is used where the champion cannot be asked about the rows that the challenger answered. The difference of the mean
losses is the effect of a randomized experiment, and its confidence sequence that of Waudby-Smith, Arbour, Sinha,
Kennedy and Ramdas (arXiv 2103.06476, section 3): with a share q of the rows at the challenger, a row has the variance
v1 / q + v0 / (1 - q). Rows of one key meet one version, so variances are those of sums over blocks of keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from pipeline.continuous.paired import ABORT, PASS, WAIT, Judgement
from pipeline.watch.sequences import Array, best_rho, margin

BY = "labels, each version on the rows that it answered (unpaired)"
BLOCKS = 1_000
"""Into which keys are dealt."""
_TUNED_TO = 20_000
"""Rows for which the bounds are tightest."""


def _nothing() -> Array:
    return np.zeros((2, BLOCKS))


@dataclass
class Arms:
    """Rows and sums of losses by block; (champion and challenger, BLOCKS)."""

    rows: Array = field(default_factory=_nothing)
    total: Array = field(default_factory=_nothing)

    def add(self, version: int, block: Array, loss: Array) -> None:
        """Add rows of one version; 0 is the champion."""
        self.rows[version] += np.bincount(block, minlength=BLOCKS)
        self.total[version] += np.bincount(block, loss, BLOCKS)


def judge_unpaired(arms: Arms, *, may_lose: float, delta: float, aborts: int, fewest: int) -> Judgement:
    """Judge a step by rows that met one version each; see `paired.judge`."""
    each = arms.rows.sum(axis=1)
    rows = int(each[1])
    if min(each) < fewest:
        said = f"{int(min(each)):,} of {fewest:,} labelled rows of each version are there"
        return Judgement(WAIT, said, rows, math.nan, -math.inf, math.inf, BY)
    means = arms.total.sum(axis=1) / each
    spread = ((arms.total - means[:, None] * arms.rows) ** 2).sum(axis=1) / each
    both = each.sum()
    variance = max(float((spread * both / each).sum()), 1e-18)
    mean = float(means[1] - means[0])

    def reach(delta: float) -> float:
        rho = best_rho(np.array(_TUNED_TO * variance), delta)
        return float(margin(np.array(both), np.array(both * variance), rho, delta))

    most, least = mean + reach(delta), mean - reach(delta / aborts)
    said = (
        f"the challenger loses {means[1]:.5f} a row on its {rows:,} labelled rows, the champion {means[0]:.5f} on "
        f"{int(each[0]):,} others"
    )
    if least > 0:
        return Judgement(ABORT, f"{said}: surely more, at least {least:+.5f}", rows, mean, least, most, BY)
    if most < may_lose:
        said = f"{said}: at most {most:+.5f}, where {may_lose:g} may be lost"
        return Judgement(PASS, said, rows, mean, least, most, BY)
    said = f"{said}: a difference between {least:+.5f} and {most:+.5f}, not sure yet"
    return Judgement(WAIT, said, rows, mean, least, most, BY)
