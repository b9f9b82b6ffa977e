"""A store that can be opened and holds damaged records: every command says so, and doctor says what to do."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.captured import called
from tests.lineage.weeks import Weeks, cats_document

INDEX = "sqlite_autoindex_{}_1"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cats")
    Weeks(folder / "workspace").week(1)
    (folder / "cats.yaml").write_text(yaml.safe_dump(cats_document(folder / "workspace")))
    return folder / "workspace"


@pytest.fixture(params=["ContextProperty", "ArtifactProperty"])
def broken(request: pytest.FixtureRequest, whole: Path, tmp_path: Path) -> Path:
    """The first page of an index is zeros; what ML Metadata looks at to open the store is whole."""
    shutil.copytree(whole, tmp_path / "workspace")
    file = tmp_path / "workspace" / "metadata.db"
    with closing(sqlite3.connect(file)) as store:
        ((page,),) = store.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (INDEX.format(request.param),))
        ((size,),) = store.execute("PRAGMA page_size")
    content = bytearray(file.read_bytes())
    content[(page - 1) * size : page * size] = bytes(size)
    file.write_bytes(content)
    return tmp_path / "workspace"


def test_no_command_takes_it_for_a_bug(whole: Path, broken: Path) -> None:
    here = ("-c", whole.parent / "cats.yaml", "-w", broken)
    said = ""
    for command in ("runs", "show latest", "lineage latest", "lineage served", "report latest", "plan", "gc", "doctor"):
        outcome = called(*command.split(), *here)
        assert "a bug of ours" not in outcome.text, f"{command}: {outcome.text}"
        assert "Traceback" not in outcome.text
        if "malformed" in outcome.text:
            assert outcome.code == 2
            said += f"{command}: {outcome.text}"
    assert "ML Metadata failed: database disk image is malformed" in said
    assert "Remedy: " in said


@pytest.mark.parametrize("broken", ["ContextProperty"], indirect=True)
def test_doctor_says_what_to_do(whole: Path, broken: Path) -> None:
    (broken / "backups").mkdir()
    (broken / "backups" / "metadata-20260101-000000.db").touch()
    outcome = called("doctor", "-c", whole.parent / "cats.yaml", "-w", broken)
    said = " ".join(outcome.text.split())
    assert outcome.code == 2
    assert "ML Metadata failed: database disk image is malformed" in said
    assert "restore a backup" in said
    assert "metadata-20260101-000000.db" in said


def test_without_a_folder_for_temporary_files(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = ("-c", whole.parent / "cats.yaml", "-w", whole)

    def none(*_: Any) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("pipeline.lineage.summary.list_summaries", none)
    outcome = called("runs", *here)
    assert outcome.code == 2
    assert "no folder for temporary files can be written: No usable temporary directory found" in outcome.text
    assert "set TMPDIR to another folder" in outcome.text


def test_what_belongs_to_another_user(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(whole / "metadata.db"))

    monkeypatch.setattr("pipeline.lineage.summary.list_summaries", denied)
    outcome = called("runs", "-c", whole.parent / "cats.yaml", "-w", whole)
    assert outcome.code == 2
    assert f"longhaul: {whole / 'metadata.db'}: Permission denied" in outcome.text
    assert "call it as the user to whom that belongs" in " ".join(outcome.text.split())
