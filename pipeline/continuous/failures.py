"""Does the challenger fail more often than the champion? An unpaired test that may be looked at at any time.

In the shadow the server asks the challenger only about what the champion has answered, so pairs would say nothing of
the champion's failures. Each rate has a confidence sequence of its own, over the requests of its route: the mixture of
binomial likelihoods by a Beta(1/2, 1/2) (Robbins, "Statistical methods related to the law of the iterated logarithm",
Annals of Mathematical Statistics 1970; Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform, nonparametric, nonasymptotic
confidence sequences", arXiv 1810.08240, section 3). It is exact, with few requests too: a challenger that answers
nothing is seen within some 20 requests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.continuous.paired import ABORT, WAIT, Judgement

BY = "failures, of the requests that each version was asked"


@dataclass(frozen=True)
class Failures:
    """Requests of each version, and at how many it failed."""

    champion: int = 0
    champion_failed: int = 0
    challenger: int = 0
    challenger_failed: int = 0

    def __add__(self, other: Failures) -> Failures:
        return Failures(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def judge_failures(found: Failures, *, delta: float) -> Judgement:
    """Abort a challenger that surely fails more often; else wait.

    Args:
        delta: how likely one that fails no more often is ever aborted.
    """
    _, most = rate_bounds(found.champion, found.champion_failed, delta / 2)
    least, _ = rate_bounds(found.challenger, found.challenger_failed, delta / 2)
    rates = (
        found.challenger_failed / max(found.challenger, 1),
        found.champion_failed / max(found.champion, 1),
    )
    said = (
        f"the challenger failed at {found.challenger_failed:,} of {found.challenger:,} requests, the champion at "
        f"{found.champion_failed:,} of {found.champion:,}"
    )
    is_worse = least > most
    said += f": surely more often, at least {least:.2%} against at most {most:.2%}" if is_worse else ""
    action = ABORT if is_worse else WAIT
    return Judgement(action, said, found.challenger, rates[0] - rates[1], least - most, math.inf, BY)


def rate_bounds(trials: int, failed: int, delta: float) -> tuple[float, float]:
    """Return bounds of a rate that hold at all times together, but for a probability of delta."""
    from scipy.optimize import brentq
    from scipy.special import betaln, xlog1py, xlogy

    if not trials:
        return 0.0, 1.0
    whole = float(betaln(failed + 0.5, trials - failed + 0.5) - betaln(0.5, 0.5)) + math.log(delta)

    def evidence(rate: float) -> float:  # above 0 where the mixture outweighs this rate 1 / delta times
        return whole - float(xlogy(failed, rate) + xlog1py(trials - failed, -rate))

    seen = failed / trials
    least = brentq(evidence, 1e-300, seen) if failed else 0.0
    most = brentq(evidence, seen, 1 - 1e-16) if failed < trials else 1.0
    return float(least), float(most)
