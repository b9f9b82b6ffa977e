"""How near the estimates of `longhaul watch` are to what labels say later, on weeks of the flights; see bench.watch."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.watch_power import realized
from pipeline.commands.replay import read_rows
from pipeline.config.loading import load
from pipeline.continuous.past import Rows, answers, train
from pipeline.watch.corrected import backtest_rows, corrected
from pipeline.watch.estimates import density_ratio, estimate_binary
from pipeline.watch.harm import area_of
from pipeline.watch.reference import losses
from pipeline.watch.samples import MOST_ROWS

LEARNT, EVALUATED, LAST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 9, 30, tzinfo=UTC), datetime(2013, 12, 30)
MOST_REFERENCE = 40_000
"""Evaluation rows that a reference keeps (pipeline.watch.reference)."""


def accuracy(workspace: Path, seeds: int) -> dict[str, Any]:
    """Train trees until July and estimate each week from October on without labels: by evaluation rows of the months
    before, as in life, and by others of the same months, which differ in their mix only, as the method assumes.

    Each seed draws other evaluation rows. Estimates are told as they are, with what a backtest within the evaluation
    rows adds to the interval, and corrected by what labels said of the weeks that ended two weeks before or earlier.
    The standard error of an estimate alone is one about what the model's law gives these rows; realized metrics have
    the chance of their own labels on top, so coverage is told with that chance and without.
    """
    _, rows = read_rows(load(None, workspace=str(workspace)))
    until, since = (int(np.searchsorted(rows.time, one.timestamp())) for one in (LEARNT, EVALUATED))
    model = train(rows, 0, until, "binary", 2, 60)
    scores = answers(model, rows.values, "binary")[:, 0]
    weeks = []
    for week in range(13):
        ends = [(EVALUATED + timedelta(weeks=week + k)).timestamp() for k in (0, 1)]
        weeks.append(slice(*np.searchsorted(rows.time, ends)))
    return {
        "before": _accuracy(rows, scores, np.arange(until, since), weeks, seeds),
        "same_months": _accuracy(
            rows,
            scores,
            np.arange(since, len(rows.truth), 2),
            [slice(w.start + (w.start + 1 - since) % 2, w.stop, 2) for w in weeks],
            seeds,
        ),
    }


def _accuracy(rows: Rows, scores: Any, evaluated: Any, weeks: list[slice], seeds: int) -> dict[str, Any]:
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        known = np.sort(rng.choice(evaluated, min(MOST_REFERENCE, len(evaluated)), replace=False))
        places = list(rows.categorical)
        off = backtest_rows("binary", rows.values[known], places, scores[known, None], rows.truth[known])
        past: dict[str, list[float]] = {"auc": [], "log_loss": []}
        for mine in weeks:
            chosen = np.arange(len(rows.truth))[mine]
            chosen = chosen[:: max(1, len(chosen) // MOST_ROWS)]
            weights = density_ratio(rows.values[known], rows.values[chosen], places)
            estimated = estimate_binary(scores[known], rows.truth[known], weights, scores[chosen])
            realized = _realized(rows.truth[mine], scores[mine])
            for metric, one in estimated.items():
                true, chance = realized[metric]
                errors = [*past[metric][:-1], math.nan] if past[metric] else []
                for how, told in (
                    ("as_estimated", one),
                    ("with_backtest", corrected(one, [], off[metric])),
                    ("with_labels", corrected(one, errors, off[metric])),
                ):
                    low, high = told.interval(0.95)
                    more = math.hypot(told.error, chance) / told.error
                    off_by = told.value - true
                    with_chance = abs(off_by) <= told.reach(0.975) * more
                    row = off_by, low <= true <= high, with_chance, high - low, chance
                    found.setdefault(f"{metric} {how}", []).append(row)
                past[metric].append(true - one.value)
    said: dict[str, Any] = {"weeks": len(weeks), "seeds": seeds, "evaluation_rows": MOST_REFERENCE}
    for key, told_of in found.items():
        metric, how = key.split()
        by, held, held_with_chance, wide, by_chance = np.array(told_of, float).T
        said.setdefault(metric, {"mean_chance_of_a_week": round(math.sqrt(2 / math.pi) * float(by_chance.mean()), 4)})
        said[metric][how] = {
            "mean_off": round(float(by.mean()), 4),
            "mean_absolute_off": round(float(np.abs(by).mean()), 4),
            "covered": round(float(held.mean()), 3),
            "covered_with_chance_of_labels": round(float(held_with_chance.mean()), 3),
            "interval": round(float(wide.mean()), 4),
        }
    return said


def _realized(truth: Any, scores: Any) -> dict[str, tuple[float, float]]:
    area, variance = area_of(realized(scores[:, None], truth))
    loss = losses("binary", truth, scores[:, None])
    return {"auc": (area, variance**0.5), "log_loss": (float(loss.mean()), float(loss.std() / len(loss) ** 0.5))}
