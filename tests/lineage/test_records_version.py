"""By which rules records are written: newer ones are refused by every command, older ones are copied and numbered."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

import pipeline
from pipeline import cli
from pipeline.errors import WorkspaceError
from pipeline.lineage import records_version
from pipeline.lineage.records_version import RECORDS, upgrade_records
from pipeline.lineage.store import open_store
from tests.lineage.weeks import Weeks, cats, cats_document


def context_of(weeks: Weeks) -> Any:
    return weeks.store.get_context_by_type_and_name("pipeline", "cats")


def written_by_a_newer_one(weeks: Weeks) -> None:
    context = context_of(weeks)
    context.custom_properties["records_version"].int_value = RECORDS + 1
    context.custom_properties["records_written_by"].string_value = "9.1"
    weeks.store.put_contexts([context])


def test_records_without_a_number_are_copied_and_numbered_once(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    copy = upgrade_records(weeks.config, weeks.store)
    assert copy is not None
    with closing(sqlite3.connect(copy)) as then:
        assert not then.execute("select 1 from ContextProperty where name = 'records_version'").fetchall()
        assert then.execute("select count(*) from Context where name = ?", (weeks.run_id(1),)).fetchone() == (1,)
    noted = context_of(weeks).custom_properties
    assert (noted["records_version"].int_value, noted["records_written_by"].string_value) == (
        RECORDS,
        pipeline.__version__,
    )
    assert upgrade_records(weeks.config, weeks.store) is None


def test_a_new_workspace_is_numbered_without_a_copy(tmp_path: Path) -> None:
    config = cats(tmp_path / "workspace")
    config.root.mkdir()
    store = open_store(config)
    assert upgrade_records(config, store) is None
    assert upgrade_records(config, store) is None
    assert not (config.root / "backups").exists()


@pytest.mark.parametrize(
    "command",
    [
        *(["runs"], ["show", "latest"], ["lineage", "latest"], ["gc"], ["gc", "--apply"], ["pin", "latest"]),
        *(["export", "latest", "-o", "x.zip"], ["diff"], ["schema", "history"]),
    ],
    ids=" ".join,
)
def test_every_command_refuses_what_a_newer_one_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    weeks = Weeks(tmp_path / "workspace")
    for number in (1, 2):
        weeks.week(number)
    written_by_a_newer_one(weeks)
    file = tmp_path / "cats.yaml"
    file.write_text(yaml.safe_dump(cats_document(weeks.config.root)))
    (tmp_path / "cats.pbtxt").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["longhaul", *command, "-c", str(file)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capfd.readouterr().err
    assert f"a newer Longhaul, 9.1, wrote the records of pipeline 'cats': they are of version {RECORDS + 1}" in said
    assert "Remedy: use Longhaul 9.1 or later, or restore a backup" in said


def test_other_pipelines_in_the_store_are_no_ones_business(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    written_by_a_newer_one(weeks)
    with pytest.raises(WorkspaceError):
        open_store(weeks.config)
    other = weeks.config.model_copy(update={"name": "dogs"})
    assert open_store(other)


def test_a_run_would_not_write_over_newer_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older Longhaul meets what today's has written: its number is lower."""
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    upgrade_records(weeks.config, weeks.store)
    before = json.dumps(str(context_of(weeks)))
    monkeypatch.setattr(records_version, "RECORDS", RECORDS - 1)
    with pytest.raises(WorkspaceError, match="a newer Longhaul"):
        open_store(weeks.config)
    assert json.dumps(str(context_of(weeks))) == before
