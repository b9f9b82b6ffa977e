"""How small a loss `longhaul watch` finds within two weekly windows; see bench.watch."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from bench.watch_flights import A_WEEK, Array, Flights
from bench.watch_years import WEEKS
from pipeline.evaluation.tallies import rows_of
from pipeline.watch.excess import center_of, excess_until_over, moments
from pipeline.watch.harm import AREA, EXCESS, LOSS, MAY_LOSE, PROMISE, area_of
from pipeline.watch.realized import Realized
from pipeline.watch.reference import losses
from pipeline.watch.sequences import Groups, bounds_until_over, upper_bound


def power(flights: Flights, trials: int) -> list[dict[str, Any]]:
    """Plant losses after ten good weeks: labels dealt out anew among a share of the rows. Count how often they are
    found within two weeks. Beside the tests of `watch` stands what nobody can beat: the likelihood ratio of the rows
    with the change known, at a 52nd of delta for that pair of weeks."""
    found = []
    z = np.log(flights.scores[:, 0] / (1 - flights.scores[:, 0]))
    base = flights.truth.mean()
    for share in (0.05, 0.1, 0.2):
        for rows in (A_WEEK, 25_000):
            rng = np.random.default_rng(11)
            hits = {"log_loss": 0, "auc": 0, "excess": 0, "any": 0}
            lost = []
            for _ in range(trials):
                known = rng.integers(0, len(z), len(z))  # as far from the truth as any that training measures
                reference = flights.scores[known], flights.truth[known]
                weeks = []
                for week in range(12):
                    chosen = rng.integers(0, len(z), rows)
                    truth = flights.truth[chosen].copy()
                    if week >= 10:
                        some = np.flatnonzero(rng.random(rows) < share)
                        truth[some] = rng.permutation(truth[some])
                    weeks.append(realized(flights.scores[chosen], truth))
                here = _found(realized(*reference), weeks)
                hits = {name: hits[name] + here[name] for name in hits}
                lost.append(_means(weeks[10:]) - _means(weeks[:10]))
            calibrated = 1 / (1 + np.exp(-z))
            changed = (1 - share) * calibrated + share * base
            nats = changed * np.log(changed / calibrated) + (1 - changed) * np.log((1 - changed) / (1 - calibrated))
            found.append(
                {
                    "share": share,
                    "rows_a_week": rows,
                    "log_loss": round(float(np.mean([one[0] for one in lost])), 4),
                    "auc": round(float(np.mean([one[1] for one in lost])), 4),
                    "found": {name: hit / trials for name, hit in hits.items()},
                    "likelihood_ratio_nats": round(2 * rows * float(nats.mean()), 1),
                    "at_best": round(best_power(2 * rows * float(nats.mean()), 0.05 / WEEKS), 3),
                }
            )
            print(found[-1], file=sys.stderr, flush=True)
    return found


def best_power(nats: float, level: float) -> float:
    """Return the power of Neyman and Pearson's test at a level; the log likelihood ratio is normal about `nats`."""
    from scipy.special import ndtr, ndtri

    return float(ndtr(math.sqrt(2 * nats) - ndtri(1 - level)))


def realized(scores: Array, truth: Array) -> Realized:
    """Return the losses of rows whose label is known, by scores (rows,)."""
    loss = losses("binary", truth, scores)
    tally = rows_of("binary", truth, scores, np.arange(len(truth)) % 20).tally(np.arange(len(truth)))
    return Realized(float(loss.sum()), float((loss**2).sum()), tally)


def _means(weeks: list[Realized]) -> Array:
    loss = np.mean([one.loss / one.rows for one in weeks])
    return np.array([loss, np.mean([area_of(one)[0] for one in weeks])])


def _found(reference: Realized, weeks: list[Realized]) -> dict[str, bool]:
    """Apply the tests of `watch` by labels; the promise is that of all rows."""
    said = {}
    mean = reference.loss / reference.rows
    variance = reference.square / reference.rows - mean**2
    area, area_variance = area_of(reference)
    rows = np.array([one.rows for one in weeks], float)
    part = 0.05 * PROMISE / 2
    means = np.array([one.loss / one.rows for one in weeks])
    spread = np.array([one.square / one.rows for one in weeks]) - means**2
    bound = bounds_until_over(Groups(rows, means, spread), np.inf, 0.05 * LOSS, variance).least
    most = upper_bound(mean, variance, reference.rows, part) + MAY_LOSE["log_loss"]
    said["log_loss"] = bool((bound[10:] > most).any())
    areas = np.array([area_of(one) for one in weeks])
    bound = bounds_until_over(
        Groups(rows, 1 - areas[:, 0], areas[:, 1] * rows), np.inf, 0.05 * AREA, area_variance * reference.rows
    ).least
    most = upper_bound(1 - area, area_variance * reference.rows, reference.rows, part) + MAY_LOSE["auc"]
    said["auc"] = bool((bound[10:] > most).any())
    center = center_of(reference.tally)
    promised = moments(reference.tally, center)
    least = excess_until_over([moments(one.tally, center) for one in weeks], promised, np.inf, 0.05 * EXCESS).least
    said["excess"] = max(least[10:]) > MAY_LOSE["log_loss"]
    return said | {"any": any(said.values())}
