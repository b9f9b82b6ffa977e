"""How small a loss `longhaul watch` finds within two weekly windows; see bench.watch."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.watch_flights import A_WEEK, Array, Flights
from bench.watch_years import WEEKS
from pipeline.evaluation.tallies import rows_of
from pipeline.watch.excess import center_of, moments
from pipeline.watch.harm import EXCESS_LOSS, Labelled, area_of, bounds_by_labels
from pipeline.watch.realized import Realized
from pipeline.watch.reference import losses


def power(flights: Flights, trials: int) -> list[dict[str, Any]]:
    """Plant losses after ten good weeks: labels dealt out anew among a share of the rows. Count how often they are
    found within two weeks. Beside the tests of `watch` stands what nobody can beat, see `best_power`."""
    found = []
    count = len(flights.truth)
    for share in (0.05, 0.1, 0.2):
        for rows in (A_WEEK, 25_000):
            rng = np.random.default_rng(11)
            hits = {"log_loss": 0, "auc": 0, "excess": 0, "any": 0}
            lost = []
            for _ in range(trials):
                known = rng.integers(0, count, count)  # as far from the truth as any that training measures
                reference = flights.scores[known], flights.truth[known]
                weeks = []
                for week in range(12):
                    chosen = rng.integers(0, count, rows)
                    truth = flights.truth[chosen].copy()
                    if week >= 10:
                        some = np.flatnonzero(rng.random(rows) < share)
                        truth[some] = rng.permutation(truth[some])
                    weeks.append(realized(flights.scores[chosen], truth))
                here = _found(realized(*reference), weeks)
                hits = {name: hits[name] + here[name] for name in hits}
                lost.append(_means(weeks[10:]) - _means(weeks[:10]))
            found.append(
                {
                    "share": share,
                    "rows_a_week": rows,
                    "log_loss": round(float(np.mean([one[0] for one in lost])), 4),
                    "auc": round(float(np.mean([one[1] for one in lost])), 4),
                    "found": {name: hit / trials for name, hit in hits.items()},
                    "at_best": round(best_power(flights, share, rows), 3),
                    "at_best_were_the_promise_certain": round(best_power(flights, share, rows, math.inf), 3),
                }
            )
            print(found[-1], file=sys.stderr, flush=True)
    return found


def best_power(flights: Flights, share: float, rows: int, promised: float = 0.0) -> float:
    """Return the power of Neyman and Pearson's test of two weeks at a 52nd of delta: the likelihood ratio of the
    planted loss, of scores that are calibrated by the rows themselves, against its mean on so many rows of training
    (all of them when 0). It knows when the change came, and its kind."""
    from scipy.optimize import minimize
    from scipy.special import expit, logit, ndtr, ndtri

    z, truth = logit(flights.scores[:, 0]), flights.truth
    fit = minimize(lambda at: np.logaddexp(0, (1 - 2 * truth) * (at[0] + at[1] * z)).mean(), [0.0, 1.0]).x
    p, base = expit(fit[0] + fit[1] * z), truth.mean()
    weight = logit((1 - share) * p + share * base) - logit(p)
    shift = -share * ((truth - base) * weight).mean()
    error = ((truth - p) * weight).std() * math.sqrt(1 / (2 * rows) + 1 / (promised or len(truth)))
    return float(ndtr(shift / error - ndtri(1 - 0.05 / WEEKS)))


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
    mean = reference.loss / reference.rows
    area, area_variance = area_of(reference)
    center = center_of(reference.tally)
    promised: Any = SimpleNamespace(
        spec=SimpleNamespace(task="binary"),
        promise={"auc": area},
        loss=mean,
        variance=reference.square / reference.rows - mean**2,
        area_variance=area_variance * reference.rows,
        rows=reference.rows,
        excess=(center, *moments(reference.tally, center)),
    )
    labelled = [Labelled(week, week, one) for week, one in enumerate(weeks)]
    bounds = bounds_by_labels(promised, labelled, {}, 0.05)
    names = {"log_loss": "log_loss", "auc": "auc", EXCESS_LOSS: "excess"}
    said = {names[metric]: bool((known.least[10:] > 0).any()) for metric, (known, _) in bounds.items()}
    return said | {"any": any(said.values())}
