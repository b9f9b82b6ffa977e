"""The past as if it were live: policies are played on a table of losses, and held against the best in hindsight.

A model that is trained at a moment is the same whatever policy trains it: training depends on the rows that are
labelled by then, and on nothing that a policy did before. So each model is trained once, answers each later tick once,
and all policies are played on these losses. That is exact, no approximation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from pipeline.config.replay import Policy
from pipeline.continuous.guards import held_back
from pipeline.continuous.journal import Attempt
from pipeline.continuous.triggers import Event, Seen, events, unanswered
from pipeline.watch.above import above_promise
from pipeline.watch.harm import AREA, EXCESS, LOSS
from pipeline.watch.latest import RECENT
from pipeline.watch.sequences import Array, Bounds


@dataclass(frozen=True)
class Losses:
    """What each model would have lost in each tick.

    Attributes:
        begins: when each tick begins, and one more: when the last one ends. rows: in each; shape (ticks,).
        mean, square: of the loss of a row, and of its square, by the model that was trained when a tick began, and by
            tick; shape (ticks, ticks), NaN before it was trained.
        drift: the share of columns that moved, in the same shape.
        promise, variance, promised: of a row's loss when a model was judged, on how many rows; shape (ticks,).
        cpu_s: what its training took.
    """

    begins: tuple[datetime, ...]
    rows: Array
    mean: Array
    square: Array
    drift: Array
    promise: Array
    variance: Array
    promised: Array
    cpu_s: Array

    @property
    def ticks(self) -> int:
        """How many."""
        return len(self.rows)


@dataclass(frozen=True)
class Played:
    """What a policy did.

    Attributes:
        served: the model of each tick, by the tick at whose beginning it was trained; because: by tick, why it trained.
        loss: of a row, over all ticks; curve: by tick.
        runs: trainings after the first model, which all have. cpu_hours: of them. pages: how often a person was called.
        regret: loss above that of the best schedule in hindsight with as many runs.
    """

    name: str
    served: tuple[int, ...]
    because: Mapping[int, str]
    loss: float
    curve: tuple[float, ...]
    runs: int
    cpu_hours: float
    pages: int
    regret: float


def play(name: str, policy: Policy, past: Losses, labels_after: timedelta, *, may_lose: float, delta: float) -> Played:
    """Play a policy: the triggers and guards are those of the loop, harm is judged as `watch` does it, by labels.

    Args:
        may_lose, delta: of the judgement of harm, see the section `watch`.
    """
    served, models, because = 0, [], dict[int, str]()
    answered: set[str] = set()
    attempts: list[Attempt] = []
    called: set[int] = set()
    judged = _judged(past, served, may_lose, delta)
    for tick in range(past.ticks):
        now = past.begins[tick]
        known = sum(past.begins[u + 1] + labels_after <= now for u in range(served, tick))
        harmful = _harmful(past, served, known, *judged)
        if harmful:
            called.add(served)
        seen = Seen(
            now,
            new_spans=(tick,) if tick > served else (),
            data=str(tick),
            last_run=past.begins[served],
            serves={
                "version": served,
                "run_id": str(served),
                "digest": f"{served:016}",
                "pushed": past.begins[served].isoformat(),
            },
            harmful=harmful,
        )
        found = events(policy, seen)
        if policy.drift is not None and tick > served and past.drift[served, tick - 1] >= policy.drift:
            said = f"{past.drift[served, tick - 1]:.0%} of the columns moved"
            found.append(Event("drift", f"drift:{served}:{tick}", said))
        asked = unanswered(found, answered)
        held = [*held_back(policy, asked, attempts, [], partial(int, past.rows[served:tick].sum()), now)]
        if asked and tick > served and not held:
            answered |= {one.key for one in asked}
            attempts.append(
                Attempt(tick, tuple(one.key for one in asked), now.isoformat(), "", cpu_s=float(past.cpu_s[tick]))
            )
            served, because[tick] = tick, "; ".join(one.because for one in asked)
            judged = _judged(past, served, may_lose, delta)
        models.append(served)
    curve = past.mean[models, np.arange(past.ticks)]
    loss = float((curve * past.rows).sum() / past.rows.sum())
    return Played(
        name=name,
        served=tuple(models),
        because=because,
        loss=loss,
        curve=tuple(map(float, curve)),
        runs=len(attempts),
        cpu_hours=sum(one.cpu_s for one in attempts) / 3600,
        pages=len(called),
        regret=max(0.0, loss - best_with(past, len(attempts))[0]),  # no sum of floats is below the least
    )


def _judged(past: Losses, model: int, may_lose: float, delta: float) -> tuple[Bounds, float]:
    """Return what is known of a model after each tick from its first on, were labels there at once, and what it
    promised. What is known after some of them is the same without those that follow."""
    promise, promised = float(past.promise[model]), float(past.promised[model])
    rows = past.rows[model:, None]
    deliveries = rows * np.stack([np.ones(len(rows)), past.mean[model, model:], past.square[model, model:]], axis=1)
    of_training = promised * np.array([1, promise, float(past.variance[model]) + promise**2])
    return above_promise(deliveries, of_training, may_lose, delta * (LOSS + AREA + EXCESS)), promise


def _harmful(past: Losses, model: int, known: int, bounds: Bounds, promise: float) -> dict[str, Any] | None:
    """Return the newest verdict that calls a model harmful, by the ticks that it answered first whose labels are
    there."""
    for place in range(known - 1, max(-1, known - 1 - RECENT), -1):
        if bounds.least[place] > 0:
            least = promise + float(bounds.least[place])
            worst = {"metric": "loss", "by": "labels", "least": least, "most": promise, "harmful": True}
            return {"name": f"{past.begins[model + place]:%Y-%m-%d}", "harm": [worst]}
        if bounds.over[place]:
            break
    return None


def best_with(past: Losses, runs: int) -> tuple[float, tuple[int, ...]]:
    """Return the least loss of a row that any schedule with at most so many runs had, and when it trained: by dynamic
    programming over which model serves and how many runs are left."""
    cost = past.mean * past.rows
    before = np.full((past.ticks, runs + 1), math.inf)
    before[0, 0] = cost[0, 0]
    came: list[Array] = []
    for tick in range(1, past.ticks):
        now = before + cost[:, tick, None]
        least = before.min(axis=0)
        now[tick] = np.concatenate([[math.inf], least[:-1]]) + cost[tick, tick]
        now[np.isnan(now)] = math.inf
        came.append(before.argmin(axis=0))
        before = now
    model, left = (int(place) for place in np.unravel_index(np.argmin(before), before.shape))
    best, when = float(before.min()), []
    while model:
        when.append(model)
        model, left = int(came[model - 1][left - 1]), left - 1
    return best / float(past.rows.sum()), tuple(reversed(when))
