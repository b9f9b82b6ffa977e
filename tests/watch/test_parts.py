"""What the tests of slices and segments claim, by simulation: many parts at once, whole lives, with fixed seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.watch.parts import FEWEST_ROWS, Promise, harm_of_parts
from pipeline.watch.profiles import ColumnSpec, Spec
from pipeline.watch.segments import losses_by_segment, segment_names, with_segments
from pipeline.watch.sequences import Groups

DELTA = 0.005
"""What segments have of 0.05."""
PARTS = 150
Array = Any


def draw_losses(rng: np.random.Generator, *shape: int) -> Array:
    """Draw log losses as those of the flights: skewed to the right, which is what false alarms come from."""
    p = rng.beta(1, 4, shape)
    y = rng.random(shape) < p
    return np.where(y, -np.log(p), -np.log1p(-p))


def groups_of(losses: Array) -> Groups:
    return Groups(np.full(losses.shape[:-1], losses.shape[-1]), losses.mean(-1), losses.var(-1))


def life(rng: np.random.Generator, rows: int, weeks: int, worse: float = 0.0) -> bool:
    """Return whether any of 150 segments is called harmful in a life; `worse` is added to the first in the last two
    weeks. In every second life a harm of all rows ended at half-time, so that sequences begin anew."""
    first = np.where(np.arange(weeks) < weeks // 2, 0, weeks // 2) if rng.random() < 0.5 else None
    reference = draw_losses(rng, PARTS, 1_000)
    losses = draw_losses(rng, PARTS, weeks, rows)
    losses[0, -2:] += worse
    promise = Promise(
        tuple(map(str, range(PARTS))), np.full(PARTS, 1_000), reference.mean(-1), np.maximum(reference.var(-1), 1e-9)
    )
    found = harm_of_parts(promise, "log_loss", groups_of(losses), range(weeks), 0.0025, DELTA, 0, first)
    return any(one.harmful and (not worse or one.part == "0") for some in found.values() for one in some)


def test_no_more_lives_than_delta_have_a_false_alarm_of_any_segment() -> None:
    """With 150 segments in each of 26 weeks, of 200 rows a week: fewer than one test in 200 lives may be wrong."""
    rng = np.random.default_rng(1)
    false = sum(life(rng, 200, 26) for _ in range(100))
    assert false <= 2  # 0.5 is expected at most; 3 or more have a probability of 0.02


def test_each_segment_tested_for_itself_would_alarm_in_most_lives() -> None:
    rng = np.random.default_rng(2)
    losses = draw_losses(rng, PARTS, 26, 200)
    reference = draw_losses(rng, PARTS, 1_000).mean(-1)[:, None]
    z = (losses.mean(-1) - reference) / np.sqrt(losses.var(-1) / 200)
    assert (z > 1.645).any(axis=1).mean() > 0.5


def test_a_segment_that_becomes_much_worse_is_found_within_two_weeks() -> None:
    """By 0.25 of log loss, with 1,000 rows a week of its own."""
    rng = np.random.default_rng(3)
    assert sum(life(rng, 1_000, 6, 0.25) for _ in range(20)) >= 18


def table(rows: int = 5_000) -> pa.Table:
    rng = np.random.default_rng(4)
    miles: list[float | None] = list(rng.gamma(4, 250, rows))
    miles[::10] = [None] * len(miles[::10])
    return pa.table({"miles": miles, "town": rng.choice(list("abcdefghij"), rows), "alike": ["x"] * rows})


def spec() -> Spec:
    edges = tuple(np.quantile(np.random.default_rng(4).gamma(4, 250, 5_000), np.linspace(0, 1, 22)[1:-1]).tolist())
    columns = ColumnSpec("miles", True, edges), ColumnSpec("town", False, (), tuple("abcdefghij"))
    return Spec("binary", ("0", "1"), (), (*columns, ColumnSpec("alike", False, (), ("x",))))


def test_segments_are_parts_of_one_and_two_columns_with_rows_enough() -> None:
    rows = table()
    chosen = with_segments(spec(), rows, {"miles": 0.2, "town": 0.1})
    names = segment_names(chosen)
    sums = losses_by_segment(chosen, rows, np.ones(rows.num_rows))
    assert len(names) == len(set(names)) == sums.shape[1]
    counts = dict(zip(names, sums[0], strict=True))
    assert min(counts.values()) >= FEWEST_ROWS
    towns = np.array(rows.column("town").to_pylist())
    assert counts["town=a"] == (towns == "a").sum()
    assert counts["town is another value"] == np.isin(towns, list("ghij")).sum()
    assert counts["miles is missing"] == 500
    assert "alike=x" not in names  # all rows are no segment
    pair = next(name for name in names if name.startswith("miles < ") and "town is another value" in name)
    cut = float(pair.split()[2].rstrip(","))
    miles = np.array([np.nan if one is None else one for one in rows.column("miles").to_pylist()])
    assert counts[pair] == pytest.approx(((miles < cut) & np.isin(towns, list("ghij"))).sum(), abs=2)


def test_a_log_without_a_column_or_with_text_in_the_place_of_numbers_counts_as_missing() -> None:
    chosen = with_segments(spec(), table(), {})
    names = segment_names(chosen)
    strange = pa.table({"miles": ["far"] * 10, "town": ["a"] * 10})
    counts = dict(zip(names, losses_by_segment(chosen, strange, np.ones(10))[0], strict=True))
    assert (counts["miles is missing"], counts["town=a"]) == (10, 10)
