"""The same housekeeping with ML Metadata on a real PostgreSQL server, whose store has faults of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.commands.arrival import await_data
from pipeline.data.sources.table_files import file_states, find_files
from pipeline.errors import NotYetError
from pipeline.lineage.archive import export_run
from pipeline.lineage.archive_import import import_run
from pipeline.lineage.diff import compare
from pipeline.lineage.garbage import plan
from pipeline.lineage.pins import pin
from pipeline.lineage.removal import remove
from pipeline.lineage.runs import find_run
from pipeline.lineage.source_files import FILES, to_property
from pipeline.lineage.store import open_store
from pipeline.lineage.summary import list_summaries
from tests.e2e.servers import PASSWORD, PostgreSQL, postgresql
from tests.lineage.weeks import Weeks, cats

pytestmark = [pytest.mark.extra, pytest.mark.slow]
CONFIG = '{"path": "C:\\\\cats", "name": "O\'Malley 🐈"}'


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as server:
        yield server


@pytest.fixture
def weeks(server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LONGHAUL_METADATA_PASSWORD", PASSWORD)
    server.call("psql", "-h", "127.0.0.1", "-p", server.port, "-U", "longhaul", "-d", "postgres",
                "-c", "DROP DATABASE IF EXISTS lineage", "-c", "CREATE DATABASE lineage")  # fmt: skip
    return Weeks(tmp_path / "here", metadata={"url": server.url})


def test_runs_are_listed_compared_collected_and_moved(weeks: Weeks, tmp_path: Path) -> None:
    weeks.week(1, blessed=False, properties={"config": CONFIG})
    weeks.week(2, properties={"config": CONFIG.replace("cats", "dogs")})
    assert [one.summary.verdict for one in list_summaries(weeks.store, "cats")] == ["blessed", "not blessed"]
    first, second = (find_run(weeks.store, "cats", name) for name in ("previous", "latest"))
    (change,) = compare(weeks.store, first, second).config
    assert (change.before, change.after) == ("C:\\cats", "C:\\dogs")
    pin(weeks.store, "cats", weeks.run_id(1))
    assert plan(weeks.store, weeks.config, 1).items == []
    archive = tmp_path / "run.zip"
    export_run(weeks.store, first, archive, {})
    there = cats(tmp_path / "there")
    there.root.mkdir()
    store = open_store(there)
    assert import_run(store, there, archive) == weeks.run_id(1)
    assert find_run(store, "cats", weeks.run_id(1)).properties["config"] == CONFIG
    weeks.week(3, blessed=False)
    remove(weeks.store, weeks.config.record_name, plan(weeks.store, weeks.config, 1, 1))
    assert (weeks.state(1, "Model"), weeks.state(2, "Model"), weeks.state(2, "ModelEvaluation")) == (
        *("LIVE", "LIVE"),
        "DELETED",
    )
    assert not weeks.path(2, "ModelEvaluation").exists()


def test_a_run_is_imported_into_a_server(weeks: Weeks, tmp_path: Path) -> None:
    here = Weeks(tmp_path / "elsewhere")
    here.week(1)
    here.week(2, properties={"config": CONFIG})
    for number in (1, 2):
        archive = tmp_path / f"{number}.zip"
        export_run(here.store, find_run(here.store, "cats", here.run_id(number)), archive, {})
        import_run(weeks.store, weeks.config, archive)
    found = find_run(weeks.store, "cats", here.run_id(2))
    assert found.properties["config"] == CONFIG
    assert found.verdict
    assert {one.state for artifacts in found.artifacts.values() for one in artifacts} == {"reference"}


def test_nothing_new_is_told_though_records_are_on_a_server(weeks: Weeks, tmp_path: Path) -> None:
    table = tmp_path / "cats.csv"
    table.write_text("purrs,weight\n1,4\n")
    weeks.week(1)
    (examples,) = weeks.store.get_artifacts_by_id([weeks.made[1, "Examples"]])
    examples.custom_properties[FILES].string_value = to_property(file_states(find_files(str(table))))
    weeks.store.put_artifacts([examples])
    data = weeks.config.data.model_copy(update={"path": str(table)})
    config = weeks.config.model_copy(update={"data": data})
    with pytest.raises(NotYetError, match=f"nothing is new since run {weeks.run_id(1)}"):
        await_data(config, "1s", Console(quiet=True))
    table.write_text("purrs,weight\n1,4\n0,5\n")
    await_data(config, "1s", Console(quiet=True))
