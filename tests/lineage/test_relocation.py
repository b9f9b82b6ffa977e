"""The records of a workspace of its own store, without a run: what is rewritten, when, and that no more is."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench.many_runs import fill
from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.relocation import first_names, settle
from pipeline.lineage.runs import find_run, list_runs
from pipeline.lineage.store import open_existing_store, open_store
from pipeline.workspace.identity import own_id, read_id


@pytest.fixture
def filled(tmp_path: Path) -> PipelineConfig:
    """Two runs, as an earlier Longhaul left them: nothing is noted about where the workspace lies."""
    config = load(workspace=str(tmp_path / "old" / "workspace"))
    config.root.mkdir(parents=True)
    fill(config, 2)
    return config


def elsewhere(root: Path) -> PipelineConfig:
    return load(workspace=str(root))


def rows(root: Path, like: str) -> int:
    """How many values on record begin so."""
    with closing(sqlite3.connect(root / "metadata.db")) as store:
        tables = {"Artifact": "uri", **dict.fromkeys(("ArtifactProperty", "ExecutionProperty"), "string_value")}
        return sum(
            store.execute(f"SELECT count(*) FROM {table} WHERE {column} LIKE ?", (f"{like}/%",)).fetchone()[0]
            for table, column in tables.items()
        )


def times(config: PipelineConfig) -> list[tuple[int, int]]:
    return [(one.id, one.last_update_time_since_epoch) for one in open_store(config).get_artifacts()]


def test_one_that_did_not_move_is_noted_once_and_not_rewritten(filled: PipelineConfig) -> None:
    store = open_store(filled)
    assert settle(filled, store) is None
    content = (filled.root / "metadata.db").read_bytes()
    assert settle(filled, store) is None
    assert (filled.root / "metadata.db").read_bytes() == content
    assert not (filled.root / "backups").exists()
    assert not first_names(store, filled.name)


@pytest.mark.parametrize("is_noted", [True, False], ids=["noted", "old"])
def test_a_moved_one_is_rewritten_once_with_a_backup(filled: PipelineConfig, tmp_path: Path, is_noted: bool) -> None:
    if is_noted:
        settle(filled, open_store(filled))
    before, artifacts = times(filled), rows(filled.root, str(filled.root))
    root = filled.root.rename(tmp_path / "new")
    config = elsewhere(root)
    assert (
        find_run(open_existing_store(config), config.name, "latest").artifacts["Trainer"][0].uri.startswith(str(root))
    )
    planned = settle(config, open_store(config), dry_run=True)
    assert planned
    assert rows(root, str(filled.root)) == artifacts
    done = settle(config, open_store(config))
    assert done
    assert (done.before, done.now, done.copied, done.artifacts) == (
        str(filled.root),
        str(root),
        False,
        planned.artifacts,
    )
    assert (rows(root, str(filled.root)), rows(root, str(root))) == (0, artifacts)
    assert times(config) == before  # TFX's cache knows inputs by them
    assert Path(done.backup or "").is_file()
    assert rows(Path(shutil.copy(done.backup or "", tmp_path / "metadata.db")).parent, str(filled.root)) == artifacts
    assert settle(config, open_store(config)) is None
    names = first_names(open_store(config), config.name)
    assert names(f"{root}/artifacts/x") == f"{filled.root}/artifacts/x"


def test_where_it_lay_first_is_remembered_over_several_moves(filled: PipelineConfig, tmp_path: Path) -> None:
    root = filled.root
    for name in ("a", "b", "old"):
        root = root.rename(filled.root if name == "old" else tmp_path / name)
        settle(elsewhere(root), open_store(elsewhere(root)))
    assert root == filled.root
    assert not first_names(open_store(filled), filled.name)  # it is back


def test_a_copy_becomes_its_own(filled: PipelineConfig, tmp_path: Path) -> None:
    settle(filled, open_store(filled))
    number = own_id(filled.root)
    shutil.copytree(filled.root, tmp_path / "copy")
    config = elsewhere(tmp_path / "copy")
    content = (filled.root / "metadata.db").read_bytes()
    done = settle(config, open_store(config))
    assert done
    assert done.copied
    assert "which is left alone" in done.sentence()
    assert read_id(config.root) != number == read_id(filled.root)
    assert rows(config.root, str(filled.root)) == 0
    assert (filled.root / "metadata.db").read_bytes() == content


def test_records_of_several_places_are_gathered(filled: PipelineConfig, tmp_path: Path) -> None:
    """An earlier Longhaul went on in a moved workspace, beside records of the place before."""
    with closing(sqlite3.connect(filled.root / "metadata.db")) as store, store:
        sql = "UPDATE Artifact SET uri = replace(uri, ?, '/gone/ws') WHERE id % 2"
        store.execute(sql, (str(filled.root),))
    done = settle(filled, open_store(filled))
    assert done
    assert done.before == "/gone/ws"
    assert rows(filled.root, "/gone/ws") == 0


def test_what_lies_elsewhere_stays(filled: PipelineConfig, tmp_path: Path) -> None:
    with closing(sqlite3.connect(filled.root / "metadata.db")) as store, store:
        store.execute("UPDATE Artifact SET uri = '/home/me/scored.csv' WHERE id = 5")
        store.execute("UPDATE Artifact SET uri = ? WHERE id = 6", (f"{filled.root}-2/artifacts/a/b/6",))
        store.execute("UPDATE Artifact SET uri = 'gs://bucket/artifacts/a/b/7' WHERE id = 7")
    settle(filled, open_store(filled))
    kept = {one.id: one.uri for one in open_store(filled).get_artifacts_by_id([5, 7])}
    root = filled.root.rename(tmp_path / "new")
    settle(elsewhere(root), open_store(elsewhere(root)))
    assert {one.id: one.uri for one in open_store(elsewhere(root)).get_artifacts_by_id([5, 7])} == kept


def test_a_read_only_workspace_that_was_moved_reads(filled: PipelineConfig, tmp_path: Path) -> None:
    root = filled.root.rename(tmp_path / "new")
    (root / "metadata.db").chmod(0o444)
    content = (root / "metadata.db").read_bytes()
    assert len(list_runs(open_existing_store(elsewhere(root)), filled.name)) == 2
    assert (root / "metadata.db").read_bytes() == content


@pytest.mark.parametrize("spell", [lambda p: f"{p}/", lambda p: f"{p}/../{p.name}", lambda p: f"{p.parent}/./{p.name}"])
def test_another_spelling_is_no_move(filled: PipelineConfig, spell: Callable[[Path], Any]) -> None:
    settle(filled, open_store(filled))
    assert settle(load(workspace=spell(filled.root)), open_store(filled), dry_run=True) is None
