"""How often `longhaul watch` calls somebody in years in which nothing changes; see bench.watch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from bench.watch_flights import A_WEEK, Array, Flights
from pipeline.config.watch import Watch
from pipeline.evaluation.tallies import rows_of
from pipeline.guard.policy_file import read_policy
from pipeline.watch.alarm_life import merged
from pipeline.watch.alarms import PAGE, found_now
from pipeline.watch.counting import profile
from pipeline.watch.judging import Judge
from pipeline.watch.labels import sliced
from pipeline.watch.profiles import Profile
from pipeline.watch.realized import Realized
from pipeline.watch.reference import Reference, losses
from pipeline.watch.segments import losses_by_segment
from pipeline.watch.windows import Window, hour_of

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEKS = 52
BLOCK = 900
"""Rows of which windows are made."""


class Drawn:
    """Windows that are sums of blocks of rows, as `Judge` asks a state for them."""

    def __init__(self, flights: Flights, reference: Reference, rng: np.random.Generator) -> None:
        slices = [("origin",), ("carrier",)]
        order = rng.permutation(len(flights.truth))
        self.blocks: list[tuple[Profile, dict[str, Realized], Array]] = []
        for start in range(0, len(order) - BLOCK + 1, BLOCK):
            chosen = order[start : start + BLOCK]
            batch = flights.table.take(pa.array(chosen)).combine_chunks().to_batches()[0]
            scores, truth = flights.scores[chosen], flights.truth[chosen]
            loss = losses("binary", truth, scores)
            rows = rows_of("binary", truth, scores, np.arange(len(chosen)) % 20)
            parts = {
                name: Realized(float(loss[some].sum()), float((loss[some] ** 2).sum()), rows.tally(some))
                for name, some in sliced(batch, slices)
            }
            features = batch.select([name for name, _ in flights.features])
            counted = profile(reference.spec, features, scores[:, 0], 1)
            self.blocks.append((counted, parts, losses_by_segment(reference.spec, batch, loss)))
        self.weeks: dict[int, list[int]] = {}

    def draw(self, rng: np.random.Generator) -> list[Window]:
        """Draw a year; return its windows."""
        first = hour_of(MONDAY)
        found = [Window(first + 168 * k, first + 168 * (k + 1)) for k in range(WEEKS)]
        self.weeks = {one.first: list(rng.integers(0, len(self.blocks), A_WEEK // BLOCK)) for one in found}
        return found

    def profile(self, first: int, last: int, version: str | None) -> Profile | None:
        """See `State.profile`."""
        some = [self.blocks[k][0] for k in self.weeks.get(first, [])]
        return sum(some[1:], some[0]) if some else None

    def realized(self, first: int, last: int, version: str) -> Iterator[tuple[int, str, int, Realized]]:
        """See `State.realized`; labels come a week at a time."""
        for k in self.weeks.get(first, []):
            yield from ((first, name, first, one) for name, one in self.blocks[k][1].items())

    def forgotten(self, version: str) -> tuple[int, int]:
        """See `State.forgotten`."""
        return 0, 0

    def by_segment(self, first: int, last: int, version: str) -> Iterator[tuple[int, Array]]:
        """See `State.by_segment`."""
        yield from ((first, self.blocks[k][2]) for k in self.weeks.get(first, []))


def as_then(verdict: dict[str, Any]) -> dict[str, Any]:
    """Return a verdict as it was when its window was the newest: labels that came later had ended no harm yet."""
    slices = [one | {"harm": _lasting(one["harm"])} for one in verdict["slices"]]
    return verdict | {"harm": _lasting(verdict["harm"]), "slices": slices, "segments": _lasting(verdict["segments"])}


def _lasting(harms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in one.items() if name != "over"} for one in harms]


def years(flights: Flights, count: int) -> dict[str, Any]:
    """Count the pages of so many years without change; ten years have one promise."""
    rng = np.random.default_rng(7)
    settings = Watch()
    judge = Judge(settings, read_policy(None), 0.95, lambda *_: {}, (("origin",), ("carrier",)))
    pages, moved = [], []
    for number in range(count):
        if number % 10 == 0:
            reference = flights.reference(rng)
            drawn = Drawn(flights, reference, rng)
        found = drawn.draw(rng)
        verdicts = judge.judge(drawn, reference, found, set(), {}, found[-1].last)  # type: ignore[arg-type]
        told: dict[str, Any] = {}
        called = 0
        for k in range(1, WEEKS + 1):
            now = MONDAY + timedelta(weeks=k)
            here = found_now([*verdicts[: k - 1], as_then(verdicts[k - 1])], [], settings, now, "7", True)
            told, said = merged(told, here, settings, now)
            called += sum(event == "opened" and one.severity == PAGE for event, one in said)
            told = {key: type(one)(**vars(one) | {"told": "opened"}) for key, one in told.items()}
        pages.append(called)
        moved.append(sum(one["moved_count"] for one in verdicts))
        print(f"{len(pages)} years, {sum(pages)} pages", file=sys.stderr)
    return {
        "years": count,
        "pages": int(np.sum(pages)),
        "years_with_a_page": int(np.sum(np.array(pages) > 0)),
        "columns_named_a_year": round(float(np.mean(moved)), 2),
        "evidently_defaults": evidently(flights, rng, min(count, 10)),
    }


def evidently(flights: Flights, rng: np.random.Generator, count: int) -> dict[str, Any]:
    """Apply the default rules of Evidently to the same kind of years."""
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import wasserstein_distance

    columns, kinds = [], []
    for name, is_number in flights.features:
        column = flights.table.column(name)
        if is_number:
            columns.append(np.asarray(column.cast(pa.float64(), safe=False), float))
        else:
            columns.append(np.unique(np.array([str(one) for one in column.to_pylist()]), return_inverse=True)[1])
        kinds.append(is_number)
    flagged = drifted = weeks = 0
    for _ in range(count * WEEKS):
        first, second = (rng.integers(0, len(flights.truth), size) for size in (len(flights.truth), A_WEEK))
        moved = 0
        for values, is_number in zip(columns, kinds, strict=True):
            a, b = values[first], values[second]
            if is_number:
                a, b = a[np.isfinite(a)], b[np.isfinite(b)]
                moved += bool(len(a) and len(b)) and wasserstein_distance(a, b) / max(float(a.std()), 0.001) >= 0.1
            else:
                width = int(values.max()) + 1
                moved += jensenshannon(*(np.bincount(one, minlength=width) for one in (a, b)), base=2) >= 0.1
        flagged += moved
        weeks += bool(moved)
        drifted += moved >= 0.5 * len(columns)
    return {
        "years": count,
        "columns_a_year": round(float(flagged) / count, 2),
        "weeks_with_a_column_a_year": round(weeks / count, 2),
        "drifts_of_the_data_set_a_year": round(float(drifted) / count, 2),
    }
