"""The file with all records: read-only, damaged, gone, or of an older ML Metadata."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ml_metadata.metadata_store.metadata_store import downgrade_schema

from pipeline.lineage.runs import StepState
from pipeline.lineage.store import connection_config
from tests.faults.place import Place
from tests.zygote import Zygote

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def crashed(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Killed in DataGate, after a run that went well."""
    place = Place(tmp_path_factory.mktemp("crashed"), zygote)
    assert place.call("run", "--to", "DataGate").code == 0
    place.check_records()
    place.write_table(310)
    assert place.call("run", "--to", "DataGate", faults=[["kill_at", "DataGate", "start"]]).code == -9
    shutil.copytree(place.workspace, place.folder / "kept")
    return place


@pytest.fixture
def ruin(crashed: Place) -> Place:
    """The same, as it was then."""
    shutil.rmtree(crashed.workspace)
    shutil.copytree(crashed.folder / "kept", crashed.workspace)
    crashed.seen.clear()
    crashed.check_records()
    return crashed


def goes_on(place: Place) -> None:
    outcome = place.call("resume")
    assert outcome.code == 0, outcome.text
    place.check_records()
    states = place.states()
    assert (states["StatisticsGen"], states["DataGate"]) == (StepState.CACHED, StepState.DONE)
    assert [run.status for run in place.runs()] == ["complete", "interrupted", "complete"]


def lasting(workspace: Path) -> list[Path]:
    """All but temporary files, which the next command removes of a killed run, and the list of refused runs."""
    passing = {workspace / "tmp", workspace / "refused.jsonl"}
    return sorted(path for path in workspace.rglob("*") if passing.isdisjoint((path, *path.parents)))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[: len(content) // 2], "database disk image is malformed"),
        (lambda content: b"x" * 100 + content[100:], "file is not a database"),
        (lambda content: content[:8192] + bytes(40960) + content[49152:], "database disk image is malformed"),
    ],
    ids=["cut off", "no header", "zeros in the middle"],
)
def test_a_damaged_file(ruin: Place, damage: Callable[[bytes], bytes], said: str) -> None:
    file = ruin.workspace / "metadata.db"
    content = file.read_bytes()
    file.write_bytes(damage(content))
    before = lasting(ruin.workspace)
    for command in ("run", "resume", "runs"):
        outcome = ruin.call(command)
        assert outcome.code == 2, outcome.text
        assert f"ML Metadata at {file} cannot be opened: {said}" in outcome.text
        assert "move a damaged file away, and the folder `artifacts` with it, to start lineage anew" in outcome.text
    assert lasting(ruin.workspace) == before
    file.write_bytes(content)  # from a backup
    goes_on(ruin)


def test_a_file_that_is_gone_and_outputs_that_nobody_knows(ruin: Place) -> None:
    """The numbers of executions begin anew, and with them the names of folders."""
    file = ruin.workspace / "metadata.db"
    content = file.read_bytes()
    outputs = sorted((ruin.workspace / "artifacts").rglob("*"))
    file.unlink()
    outcome = ruin.call("run", "--to", "DataGate")
    assert outcome.code == 2, outcome.text
    assert sorted((ruin.workspace / "artifacts").rglob("*")) == outputs
    assert "is not empty, and this metadata store knows nothing of it: another one does" in outcome.text
    assert "move the folder `artifacts` away" in outcome.text
    file.write_bytes(content)
    goes_on(ruin)
    file.unlink()
    (ruin.workspace / "artifacts").rename(ruin.folder / f"artifacts-{os.getpid()}")
    outcome = ruin.call("run", "--to", "DataGate")
    assert outcome.code == 0, outcome.text
    ruin.seen.clear()
    ruin.check_records()


def test_a_file_that_cannot_be_written(ruin: Place) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file read-only")
    file = ruin.workspace / "metadata.db"
    for options in ("--bind", "remount,ro,bind"):
        command = ["mount", *(["--bind", str(file)] if options == "--bind" else ["-o", options]), str(file)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            subprocess.run(["umount", str(file)], capture_output=True)
            pytest.skip(f"cannot mount a file read-only: {done.stderr.strip()}")
    try:
        outcome = ruin.call("resume")
        looked = ruin.call("runs")
    finally:
        subprocess.run(["umount", str(file)], check=True)
    assert outcome.code == 2, outcome.text
    assert "ML Metadata" in outcome.text
    assert "readonly database" in outcome.text or "read-only" in outcome.text
    assert "a bug of ours" not in outcome.text
    assert "died" in looked.text
    goes_on(ruin)


def test_a_file_of_an_older_ml_metadata(ruin: Place) -> None:
    before = {artifact.id: artifact.uri for artifact in ruin.store.get_artifacts()}
    downgrade_schema(connection_config(ruin.config.metadata, ruin.config.root), 9)
    looked = ruin.call("runs")
    assert looked.code == 2
    assert "version 9 is older than library version 10" in looked.text
    assert "Remedy: `longhaul run" in looked.text
    assert "brings it up to date, and keeps a copy of it as it was" in looked.text
    outcome = ruin.call("resume")
    assert outcome.code == 0, outcome.text
    assert "an older ML Metadata made the store; as it was it is " in outcome.text
    (copy,) = ruin.workspace.glob("metadata.db.*")
    assert copy.stat().st_size > 0
    assert before.items() <= {artifact.id: artifact.uri for artifact in ruin.store.get_artifacts()}.items()
    assert [run.status for run in ruin.runs()] == ["complete", "interrupted", "complete"]


def test_the_file_is_there_before_the_folders(tmp_path: Path, zygote: Zygote) -> None:
    """Killed while the workspace was made."""
    place = Place(tmp_path, zygote)
    place.workspace.mkdir()
    (place.workspace / "metadata.db").touch()
    (place.workspace / ".workspace").touch()
    outcome = place.call("run", "--to", "CuratedSchema")
    assert outcome.code == 0, outcome.text
