"""The paired test on estimated losses, for when labels have not come.

The challenger's evaluation rows have labels; both models answer them, and the difference of the losses is weighted to
the rows of production: by a density ratio of the features, as in PAPE, and by the difference of the scores, which the
log has of both (pipeline.watch.estimates). It sees rows of another mix. That the same rows lead to another outcome now,
only labels can tell.

Each look anew would be a test more. So a test is made once `fewest` rows have been answered by both, and each time that
they have doubled, on the first rows of so many; the k-th spends delta 6 / (pi k)^2.
"""

from __future__ import annotations

import math
from dataclasses import replace

from pipeline.continuous.paired import ABORT, PASS, Judgement
from pipeline.watch.estimates import Estimate
from pipeline.watch.sequences import normal_quantile, spent

BY = "estimated loss, without labels, on rows that both have answered"


def number_of(rows: int, fewest: int) -> int:
    """Return how many tests there are with so many rows: the last is made on fewest x 2^(number - 1) of them."""
    return int(math.log2(rows / fewest)) + 1 if rows >= fewest else 0


def judge_estimated(
    waits: Judgement,
    found: Estimate,
    rows: int,
    number: int,
    *,
    may_lose: float,
    delta: float,
    aborts: int,
    passes: bool,
) -> Judgement:
    """Judge a step by the estimated difference of the losses, challenger minus champion.

    Args:
        waits: what labels said. number: of this test, from 1.
        delta: how likely a challenger that loses more than it may passes; aborts: tests that may abort it.
        passes: whether the policy lets it pass by an estimate.
    """
    mean = found.value

    def reach(delta: float) -> float:
        return float(normal_quantile(1 - spent(delta, number))) * found.error

    most, least = mean + reach(delta), mean - reach(delta / aborts)
    said = (
        f"{waits.because}; as estimated on {rows:,} rows without labels the challenger loses {mean:+.5f} a row against "
        f"the champion"
    )
    if least > 0:
        return Judgement(ABORT, f"{said}, surely more: at least {least:+.5f}", rows, mean, least, most, BY)
    if most >= may_lose:
        return replace(waits, because=f"{said}, between {least:+.5f} and {most:+.5f}: not sure yet")
    if not passes:
        return replace(waits, because=f"{said}, at most {most:+.5f}; continuous.estimates lets none pass by that")
    return Judgement(PASS, f"{said}, at most {most:+.5f}, where {may_lose:g} may be lost", rows, mean, least, most, BY)
