"""What `watch` forgets, and what it still knows afterwards."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from pipeline.lineage.watching import WINDOW, forget_windows, record_verdicts
from pipeline.watch.above import above_promise
from pipeline.watch.retention import SLACK, forget
from pipeline.watch.sequences import Groups, bounds_until_over
from pipeline.watch.state import opened
from pipeline.watch.windows import hour_of, windows
from tests.lineage.test_half_written import everything, one_execution, store_in
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
    assert sorted(one.name for one in (world.folder / "parts").iterdir()) == ["000002.parquet", "000003.parquet"]

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
    assert (
        bounds_until_over(few, np.inf, 0.05, 0.2, forgotten=100).least < bounds_until_over(few, np.inf, 0.05, 0.2).least
    ).all()
    of_rows = [np.array([2_000.0, 10.0, 400.0])] * 3
    later, young = (above_promise(of_rows, of_rows[0], -np.inf, 0.05, before).least for before in (100, 0))
    assert (later < young).all()


def test_ml_metadata_forgets_windows_of_the_pipeline_that_are_old_and_nothing_else(tmp_path: Path) -> None:
    database = tmp_path / "metadata.db"
    store = store_in(database)
    one_execution(store, ["run"])
    verdict = {"version": "7", "run_id": "r", "rows": 1, "valid": True, "harmful": False, "spans": [], "harm": []}
    said = {"realized": {"metrics": {}}} | verdict

    def judged(pipeline: str, *windows: int) -> None:
        verdicts = [said | {"window": one, "name": str(one)} for one in windows]
        record_verdicts(store, pipeline, verdicts, tmp_path, tmp_path / "serving")

    judged("toys", 1)
    judged("others", 1)
    before = everything(database)
    judged("toys", 2, 3)
    with closing(sqlite3.connect(database)) as rows, rows:
        for table in ("Artifact", "Execution"):
            old = f"UPDATE {table} SET create_time_since_epoch = 1000 WHERE id IN (SELECT max(id) - 1 FROM {table})"
            rows.execute(old)
            rows.execute(old.replace("- 1", ""))
    assert forget_windows(database, "toys", datetime(2020, 1, 1, tzinfo=UTC)) == 2
    after = everything(database)
    assert {k: v for k, v in after.items() if k != "sqlite_sequence"} == {
        k: v for k, v in before.items() if k != "sqlite_sequence"
    }
    judged("toys", 4)
    assert [one.custom_properties["window"].string_value for one in store.get_artifacts_by_type(WINDOW)] == [
        *("1", "1", "4")
    ]
