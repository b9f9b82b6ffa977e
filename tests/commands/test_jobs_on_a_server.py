"""Jobs of Vertex AI on record on a metadata server that several people and runs share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.lineage.runs import list_runs
from tests.commands.test_jobs import FIRST, SECOND, THIRD, Office, weeks
from tests.e2e.servers import PASSWORD, PostgreSQL, postgresql
from tests.lineage.weeks import Weeks
from tests.stand_ins.vertex import serving


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as server:
        yield server


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    (tmp_path / "vertex" / "buckets" / "my-bucket").mkdir(parents=True)
    with serving(tmp_path / "vertex", launch=lambda *_: 1) as service:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", service.url)
        monkeypatch.setenv("LONGHAUL_METADATA_PASSWORD", PASSWORD)
        yield Office(tmp_path, service)


@pytest.mark.extra
@pytest.mark.slow
def test_all_who_share_a_server_share_the_diary_of_jobs(server: PostgreSQL, office: Office, tmp_path: Path) -> None:
    local = Weeks(tmp_path / "here", metadata={"url": server.url})
    local.week(1)
    weeks(office)
    office.write(metadata={"url": server.url})
    assert [run["run_id"] for run in office.told("runs")] == [THIRD, SECOND, FIRST]
    new = office.told("rollback", "--note", "why not")["new_version"]
    assert not (office.folder / "workspace" / "vertex" / "records" / "metadata.db").exists()
    # The service forgets; another workspace still knows.
    office.service.jobs.clear()
    office.write(metadata={"url": server.url}, workspace=str(tmp_path / "another"))
    assert [(run["run_id"], run["pushed_version"]) for run in office.told("runs")] == [
        (THIRD, ""),
        (SECOND, "200"),
        (FIRST, "100"),
    ]
    assert f"model version {new}, served now" in office.call("lineage", "served").text
    page = office.call("report", FIRST, "--output", str(tmp_path / "page.html"))
    assert page.code == 0, page.text
    assert "0.7000" in (tmp_path / "page.html").read_text()
    # Runs of this machine are none of them, nor is any of them a run of this machine.
    assert [run.run_id for run in list_runs(local.store, "cats")] == [local.run_id(1)]
    office.write(metadata={"url": server.url}, orchestrator="local")
    assert office.told("runs") == []


def test_a_server_that_is_away_leaves_the_workspace_s_own_records(office: Office) -> None:
    weeks(office)
    office.write(metadata={"url": "postgresql://nobody@127.0.0.1:9/none"})
    listed = office.call("runs")
    assert listed.code == 0, listed.text
    assert "the jobs are shown from the records of this workspace" in listed.text
    assert FIRST in listed.text
    assert (office.folder / "workspace" / "vertex" / "records" / "metadata.db").exists()
