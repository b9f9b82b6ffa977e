"""How near the estimates of `longhaul watch` are to what labels say later, on weeks of the flights; see bench.watch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.watch_power import realized
from pipeline.commands.replay import read_rows
from pipeline.config.loading import load
from pipeline.continuous.past import Rows, answers, train
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

    Each seed draws other evaluation rows. The interval is one about what the model's law gives these rows; realized
    metrics have the chance of their own labels on top, so coverage is told with that chance and without.
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
    found: list[dict[str, Any]] = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        known = np.sort(rng.choice(evaluated, min(MOST_REFERENCE, len(evaluated)), replace=False))
        for mine in weeks:
            chosen = np.arange(len(rows.truth))[mine]
            chosen = chosen[:: max(1, len(chosen) // MOST_ROWS)]
            weights = density_ratio(rows.values[known], rows.values[chosen], list(rows.categorical))
            estimated = estimate_binary(scores[known], rows.truth[known], weights, scores[chosen])
            realized = _realized(rows.truth[mine], scores[mine])
            for metric, (value, error) in estimated.items():
                true, chance = realized[metric]
                found.append({"metric": metric, "off": value - true, "error": error, "chance": chance})
    said: dict[str, Any] = {"weeks": len(weeks), "seeds": seeds, "evaluation_rows": MOST_REFERENCE}
    for metric in ("auc", "log_loss"):
        here = [one for one in found if one["metric"] == metric]
        off, error, chance = (np.array([one[name] for one in here]) for name in ("off", "error", "chance"))
        said[metric] = {
            "mean_off": round(float(off.mean()), 4),
            "mean_absolute_off": round(float(np.abs(off).mean()), 4),
            "covered": round(float((np.abs(off) <= 1.96 * error).mean()), 3),
            "covered_with_chance_of_labels": round(float((np.abs(off) <= 1.96 * np.hypot(error, chance)).mean()), 3),
        }
    return said


def _realized(truth: Any, scores: Any) -> dict[str, tuple[float, float]]:
    area, variance = area_of(realized(scores[:, None], truth))
    loss = losses("binary", truth, scores[:, None])
    return {"auc": (area, variance**0.5), "log_loss": (float(loss.mean()), float(loss.std() / len(loss) ** 0.5))}
