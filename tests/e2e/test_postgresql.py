"""ML Metadata on a real PostgreSQL server: runs, caching, lineage commands, secrecy, and what a failure says."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_metadata
import pytest
import yaml
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2
from sklearn.datasets import load_wine

from pipeline.config import PipelineConfig, load
from pipeline.init import write_first_files
from pipeline.lineage.runs import StepState, find_run, list_runs
from pipeline.lineage.schema_versions import StatisticsSource, find_version, record_version
from pipeline.lineage.store import connection_config, open_store
from pipeline.run import run_pipeline

pytestmark = [pytest.mark.extra, pytest.mark.slow]

Longhaul = Callable[..., Any]
PASSWORD = "s3cr3t-of-the-lineage"
PASSWORD_ENV = "LINEAGE_PASSWORD"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server of our own; it refuses to run as root, so root borrows the account `postgres`."""

    bin: Path
    folder: Path
    port: int

    def call(self, program: str, *args: object) -> str:
        as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*as_postgres, str(self.bin / program), *map(str, args)]
        done = subprocess.run(
            command, cwd=self.folder, env=os.environ | {"PGPASSWORD": PASSWORD}, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -h 127.0.0.1 -F"
        self.call("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-o", options, "-w", "start")

    def stop(self) -> None:
        self.call("pg_ctl", "-D", self.folder / "data", "-m", "fast", "-w", "stop")

    def dump(self) -> str:
        """The whole database as SQL text."""
        return self.call("pg_dump", "-h", "127.0.0.1", "-p", self.port, "-U", "longhaul", "lineage")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not binaries:
        pytest.skip("no PostgreSQL server here: /usr/lib/postgresql/*/bin/initdb is missing (apt: postgresql)")
    is_root = os.geteuid() == 0
    if is_root and not (shutil.which("runuser") and "postgres" in {entry.pw_name for entry in pwd.getpwall()}):
        pytest.skip("PostgreSQL does not run as root, and there is no runuser or no account `postgres`")
    # Not tmp_path: the account `postgres` may not look into pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="longhaul-postgresql-"))
    password_file = folder / "password"
    password_file.write_text(PASSWORD)
    if is_root:
        shutil.chown(folder, "postgres")
        shutil.chown(password_file, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(binaries[-1].parent, folder, free.getsockname()[1])
    identity = ["-U", "longhaul", "--auth=scram-sha-256", f"--pwfile={password_file}"]
    server.call("initdb", "-D", folder / "data", *identity, "--encoding=UTF8", "--locale=C", "--no-sync")
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def config_file(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wine table, its lineage on the server."""
    folder = tmp_path_factory.mktemp("wine")
    load_wine(as_frame=True).frame.to_csv(folder / "wine.csv", index=False)
    write_first_files(str(folder / "wine.csv"), "target", "wine", folder, force=False)
    file = folder / "wine.yaml"
    document = yaml.safe_load(file.read_text())
    document["workspace"] = str(folder / "workspace")
    document["trainer"] |= {"hidden_units": [8], "epochs": 2}
    document["evaluation"]["thresholds"] = {"accuracy": {"at_least": 0.0}}
    document["metadata"] = {
        "url": f"postgresql://longhaul@127.0.0.1:{server.port}/lineage",
        "password_env": PASSWORD_ENV,
    }
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.fixture
def config(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> PipelineConfig:
    monkeypatch.setenv(PASSWORD_ENV, PASSWORD)
    return load(config_file)


@pytest.fixture
def blessed_run(config: PipelineConfig) -> str:
    """The id of a finished run; made once."""
    runs = list_runs(open_store(config), config.name)
    if not runs:
        assert run_pipeline(config, from_node=None, to_node=None, use_cache=True)
        runs = list_runs(open_store(config), config.name)
    return runs[-1].run_id


def test_a_run_is_recorded_on_the_server_and_nowhere_else(config: PipelineConfig, blessed_run: str) -> None:
    run = find_run(open_store(config), "wine", blessed_run)
    assert run.status == "complete"
    assert {step.state for step in run.steps} == {StepState.DONE}
    assert run.verdict
    assert run.verdict["blessed"]
    assert Path(run.pushed or "", "saved_model.pb").is_file()
    assert not (config.root / "metadata.db").exists()


def test_a_second_run_is_cached(
    longhaul: Longhaul, config_file: Path, config: PipelineConfig, blessed_run: str
) -> None:
    again = longhaul("run", "--config", config_file)
    assert again.code == 0, again.text
    run = find_run(open_store(config), "wine", "latest")
    assert run.run_id > blessed_run
    assert {step.state for step in run.steps} == {StepState.CACHED}
    assert PASSWORD not in again.text


def test_a_run_names_the_schema_that_guarded_it(config: PipelineConfig, blessed_run: str) -> None:
    run = find_run(open_store(config), "wine", blessed_run)
    assert (run.properties["schema_version"], run.properties["schema_review"]) == ("1", "as first seen, not reviewed")
    first = find_version(open_store(config), "wine", 1)
    assert (first.text, first.digest) == (config.schema_file.read_text(), run.properties["schema_digest"])


def test_a_version_of_the_schema_keeps_every_character(config: PipelineConfig) -> None:
    text = "feature { name: \"back\\\\slash \\n $1 'quoted' ñ🚚 %s\" }  # why\n" + "# 5,000 lines of it\n" * 5000
    sources = (StatisticsSource(7, "/statistics/7"),)
    version = record_version(
        open_store(config), "texts", text, run_id="r", reviewer="O'Neil \\ Söhne", note='"so"', statistics=sources
    )
    assert find_version(open_store(config), "texts", 1) == version
    assert (version.text, version.reviewer, version.note) == (text, "O'Neil \\ Söhne", '"so"')
    assert record_version(open_store(config), "texts", text, run_id="r").number == 2


def test_the_records_of_others_on_the_server_are_left_alone(
    longhaul: Longhaul, config_file: Path, config: PipelineConfig, blessed_run: str
) -> None:
    store = open_store(config)
    (ours,) = store.get_artifacts_by_type("PushedModel")
    theirs = metadata_store_pb2.Artifact(type_id=ours.type_id, state=metadata_store_pb2.Artifact.LIVE)
    theirs.custom_properties["pushed_destination"].string_value = "/another/machine/serving/wine/1"
    (number,) = store.put_artifacts([theirs])
    assert longhaul("run", "--config", config_file).code == 0
    (found,) = store.get_artifacts_by_id([number])
    assert found.state == metadata_store_pb2.Artifact.LIVE


def test_runs_and_show_read_the_server(longhaul: Longhaul, config_file: Path, config: None, blessed_run: str) -> None:
    runs = longhaul("runs", "--config", config_file)
    show = longhaul("show", blessed_run, "--config", config_file)
    assert (runs.code, show.code) == (0, 0)
    assert blessed_run in runs.text
    assert "Blessed" in show.text
    assert "postgresql_metadata_source" not in runs.text + show.text  # the C++ below would announce its connections
    assert PASSWORD not in runs.text + show.text


def test_the_password_is_written_nowhere(config: PipelineConfig, server: Server, blessed_run: str) -> None:
    recorded = server.dump()
    assert blessed_run in recorded
    assert PASSWORD not in recorded
    assert list((config.root / "logs").iterdir())
    for path in config.root.rglob("*"):
        assert path.is_dir() or PASSWORD.encode() not in path.read_bytes(), path


def test_a_backslash_is_kept(config: PipelineConfig) -> None:
    text = 'C:\\new "table\'s", \\\\ and \\'
    artifact_type = metadata_store_pb2.ArtifactType(name="Text", properties={"text": metadata_store_pb2.STRING})
    store = open_store(config)
    artifact = metadata_store_pb2.Artifact(type_id=store.put_artifact_type(artifact_type), uri=text, name=text)
    artifact.properties["text"].string_value = artifact.custom_properties["text"].string_value = text
    (number,) = store.put_artifacts([artifact])
    assert artifact.uri == text  # what the caller holds is not touched
    (found,) = store.get_artifacts_by_id([number])
    assert (found.uri, found.name) == (text, text)
    assert found.properties["text"].string_value == found.custom_properties["text"].string_value == text
    assert [same.id for same in store.get_artifacts_by_uri(text)] == [number]
    # When this stops failing, open_store needs no store of its own for PostgreSQL.
    with pytest.raises(mlmd_errors.StatusError, match="syntax error"):
        ml_metadata.MetadataStore(connection_config(config)).get_artifacts_by_uri(text)


def test_a_wrong_password_is_one_clear_message(
    longhaul: Longhaul, config_file: Path, config: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_ENV, "wr0ng")
    run = longhaul("run", "--config", config_file)
    assert run.code == 2
    assert 'password authentication failed for user "longhaul"' in run.text
    assert f"Remedy: check that the server runs and that ${PASSWORD_ENV} holds the password" in run.text
    assert "loading" not in run.text  # found out before TensorFlow is
    assert "Traceback" not in run.text
    assert "wr0ng" not in run.text


def test_a_stopped_server_is_one_clear_message(
    longhaul: Longhaul, config_file: Path, config: PipelineConfig, server: Server, blessed_run: str
) -> None:
    server.stop()
    try:
        run = longhaul("run", "--config", config_file)
        doctor = longhaul("doctor", "--config", config_file)
    finally:
        server.start()
    for outcome in (run, doctor):
        assert outcome.code == 2
        assert f"ML Metadata at {config.metadata.url} cannot be opened: PostgreSQL error: could not" in outcome.text
        assert "Remedy: check that the server runs" in outcome.text
        assert "Traceback" not in outcome.text
    assert find_run(open_store(config), "wine", blessed_run).status == "complete"
