"""Counting many hours at once: the same as each hour by itself."""

from __future__ import annotations

import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.watch.counting import profile, profiles
from pipeline.watch.profiles import HIGH, LOW, NOT_FINITE, UNKNOWN, WRONG_TYPE, ColumnSpec, Profile, Spec
from pipeline.watch.requests import LogFile
from pipeline.watch.state import opened

SPEC = Spec("binary", ("0", "1"), (0.25, 0.5), (
    ColumnSpec("miles", True, (0.0, 1.0), least=-2.0, greatest=2.0),
    ColumnSpec("town", False, (), ("a", "b"), known=("a", "b")),
    ColumnSpec("size", True, (5.0,)), ColumnSpec("gone", True, (1.0,)),
))  # fmt: skip


def rows(count: int) -> tuple[pa.RecordBatch, Any]:
    rng = np.random.default_rng(4)
    miles = rng.normal(0, 1.5, count)
    miles[::17] = np.inf
    batch = pa.RecordBatch.from_pydict({
        "miles": pa.array(miles, mask=rng.random(count) < 0.1),
        "town": pa.array(rng.choice(["a", "b", "c"], count), mask=rng.random(count) < 0.1),
        "size": pa.array([str(k) if k % 3 else None for k in range(count)]),
    })  # fmt: skip
    scores = rng.random(count)
    scores[::9] = np.nan
    return batch, scores


def same(one: Profile, other: Profile) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        if name != "total"
        else one.total == pytest.approx(other.total)
        for name in vars(one)
    )


def test_many_hours_at_once_are_counted_as_each_by_itself() -> None:
    batch, scores = rows(2_000)
    group = np.random.default_rng(5).integers(0, 4, 2_000)
    group[group == 2] = 3  # an hour without rows
    group[:400], repeated = 1, pa.array([1] * 400 + list(range(400, 2_000)))
    batch = batch.take(repeated)  # and a bot in another
    steps = [1, 1, 1, 3]
    found = profiles(SPEC, batch, scores, group, steps)
    for number, step in enumerate(steps):
        mine = np.flatnonzero(group == number)
        alone = profile(SPEC, batch.take(pa.array(mine)), scores[mine], step)
        assert same(found[number], alone), number
        assert same(Profile.from_bytes(found[number].to_bytes()), alone)
    assert [one.rows for one in found] == np.bincount(group, minlength=4).tolist()
    assert found[2].rows == found[2].distinct == 0
    assert found[1].bins[0].sum() == found[1].binned - 400
    assert found[3].binned == -(-found[3].rows // 3)


def test_what_breaks_the_schema_is_counted_in_all_rows() -> None:
    batch, scores = rows(2_000)
    (found,) = profiles(SPEC, batch, scores, np.zeros(2_000, int), [7])
    miles = np.array(batch.column("miles").to_pylist(), float)
    there = np.array([one is not None for one in batch.column("miles").to_pylist()])
    assert found.broken[0, NOT_FINITE] == (there & ~np.isfinite(miles)).sum()
    assert (found.broken[0, LOW], found.broken[0, HIGH]) == ((miles < -2).sum(), (miles > 2).sum())
    assert found.broken[1, UNKNOWN] == batch.column("town").to_pylist().count("c")
    assert found.broken[2, WRONG_TYPE] == sum(k % 3 > 0 for k in range(2_000))
    assert found.missing.tolist() == [int((~there).sum()), batch.column("town").null_count, 667, 2_000]


def test_a_window_of_many_files_and_hours_takes_the_memory_of_one(tmp_path: Path) -> None:
    """A log of a thousand columns has a profile of 240 kB for each hour of each file: thousands in a week."""
    wide = Profile.empty(500)
    with opened(tmp_path / "state.db") as state:
        for number in range(10):
            state.put_file(LogFile(str(number), 1, 1), {(hour, "7", "stable"): wide for hour in range(20)})
        tracemalloc.start()
        try:
            assert state.profile(0, 20, "7")
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert most < 20 * (wide.bins.nbytes + wide.broken.nbytes)  # there are 200 of them


def test_what_was_written_before_profiles_were_compressed_as_a_whole_is_read() -> None:
    batch, scores = rows(100)
    one = profile(SPEC, batch, scores, 1)
    assert same(Profile.from_bytes(zlib.decompress(one.to_bytes())), one)
