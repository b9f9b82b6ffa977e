"""What `watch` forgets, and what it still knows afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pipeline.watch.excess import least_excess
from pipeline.watch.retention import SLACK, forget
from pipeline.watch.sequences import Groups, lower_bounds
from pipeline.watch.state import opened
from pipeline.watch.windows import hour_of, windows
from tests.watch.test_watching import START, World, reference, world  # noqa: F401

YEAR = 52 * 168


def cut(world: World, weeks: int) -> bool:  # noqa: F811
    with opened(world.folder / "state.db") as state:
        found = windows(state.rows_by_hour(), "week")
        return forget(state, world.folder, found, hour_of(START) + weeks * 168, YEAR, "7")


def test_what_is_too_old_is_forgotten_and_does_not_come_back(world: World) -> None:  # noqa: F811
    for number in (0, 1, 60):
        world.week(number, count=300)
    world.look(61)
    for name in ("reference-6.parquet", "reference-7.parquet"):
        (world.folder / name).touch()
    (world.folder / "windows").mkdir()
    for window in (hour_of(START), hour_of(START) + 60 * 168):
        (world.folder / "windows" / f"7-{window}.json").touch()
    os.utime(world.folder / "parts" / "000001.parquet", (START.timestamp(),) * 2)
    assert not cut(world, int(52 * SLACK))  # not for each week anew
    size = (world.folder / "state.db").stat().st_size
    assert cut(world, 70)
    assert (world.folder / "state.db").stat().st_size < size
    assert sorted(one.name for one in world.folder.rglob("*.json")) == [f"7-{hour_of(START) + 60 * 168}.json"]
    assert [one.name for one in world.folder.glob("reference-*")] == ["reference-7.parquet"]
    assert [one.name for one in (world.folder / "parts").iterdir()] == ["000002.parquet", "000003.parquet"]

    def left() -> list[str]:
        return [one["name"] for one in world.look(70)[0]]

    assert left() == ["2027-03-01"]
    os.utime(world.folder / "log" / "0.parquet")  # it is read again, since it changed
    assert left() == ["2027-03-01"]
    with opened(world.folder / "state.db") as state:
        assert (state.forgotten("7"), state.horizon()) == ((2, 2), hour_of(START) + 2 * 168)
        assert len(state.files()) == 3
    (world.folder / "log" / "0.parquet").unlink()
    world.week(140, count=300)
    world.look(141)
    assert cut(world, 141)
    with opened(world.folder / "state.db") as state:
        assert state.forgotten("7") == (3, 3)
        assert {Path(one).name for one in state.files()} == {"1.parquet", "60.parquet", "140.parquet"}


def test_what_is_forgotten_has_had_its_part_of_delta() -> None:
    """Else a model that lives long is tested with the first, greatest part again and again."""
    few = Groups(np.full(3, 2_000.0), np.full(3, 0.5), np.full(3, 0.2))
    assert (lower_bounds(few, 0.05, 0.2, forgotten=100) < lower_bounds(few, 0.05, 0.2)).all()
    of_rows = [np.array([2_000.0, 10.0, 400.0])] * 3
    assert max(least_excess(of_rows, of_rows[0], 0.05, 100)) < min(least_excess(of_rows, of_rows[0], 0.05))
