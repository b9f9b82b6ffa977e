"""The doctor: each finding is fine or has a remedy, and nothing is touched by looking."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_metadata
import pytest
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2

from pipeline.config.push import Push
from pipeline.doctor import Finding, elsewhere, examine, installation
from pipeline.lineage.process import Process
from pipeline.lineage.runs import RUN_CONTEXT
from pipeline.lineage.store import open_store
from pipeline.serving.publish import publish
from tests.lineage.weeks import cats
from tests.serving.models import a_manifest, a_model
from trainer.digests import MANIFEST


def found(workspace: Path, **settings: Any) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(cats(workspace, **settings))}


def record(workspace: Path, run_id: str, pipeline: str = "cats", **properties: str) -> None:
    """A run."""
    store = open_store(cats(workspace))
    kind = store.put_context_type(metadata_store_pb2.ContextType(name=RUN_CONTEXT))
    context = metadata_store_pb2.Context(type_id=kind, name=run_id)
    for key, value in {"pipeline": pipeline, **properties}.items():
        context.custom_properties[key].string_value = value
    store.put_contexts([context])


# The machine and what is installed


def test_the_machine_and_a_new_workspace_are_fine(tmp_path: Path) -> None:
    findings = found(tmp_path / "not" / "made" / "yet")
    assert list(findings) == [
        "Python", "memory", "C library", "packages", "native wheels", "Beam runner", "filter queries",
        "workspace", "free disk", "temporary files", "ML Metadata",
    ]  # fmt: skip
    assert findings["Python"].found.startswith("3.11.")
    assert findings["C library"].found.startswith("glibc 2.")
    assert findings["ML Metadata"].found == "no store yet; the first run makes it"
    assert [finding.remedy for finding in findings.values() if finding.what != "packages"] == [""] * 10
    assert list(tmp_path.iterdir()) == []


def test_packages_are_held_against_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock.txt"
    monkeypatch.setattr(installation, "_LOCK", lock)
    pyarrow = importlib.metadata.version("pyarrow")
    lock.write_text(f"# made by a tool\npyarrow=={pyarrow} \\\n    --hash=sha256:00\n")
    assert found(tmp_path)["packages"] == Finding("packages", "all 1 as locked")
    lock.write_text(
        f"pyarrow=={pyarrow}\nnumpy==0.1 \\\n    --hash=sha256:00\nno-such-package==2 ; python_version>'3'\n"
    )
    findings = found(tmp_path)["packages"]
    assert (
        findings.found == f"numpy {importlib.metadata.version('numpy')} (lock: 0.1), no-such-package missing (lock: 2)"
    )
    assert "make clean setup" in findings.remedy


def test_without_a_lock_packages_are_held_against_what_longhaul_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "_LOCK", tmp_path / "none.txt")
    asked = ["pyarrow>=1", "numpy<1", "no-such-package", 'nor-this ; extra == "bench"']
    monkeypatch.setattr(importlib.metadata, "requires", {"longhaul": asked}.__getitem__)
    packages = found(tmp_path)["packages"]
    numpy = importlib.metadata.version("numpy")
    assert packages.found == f"numpy {numpy} (wanted: <1), no-such-package missing (wanted: )"
    assert packages.remedy == "install longhaul again, with pip"
    del asked[1:3]
    assert found(tmp_path)["packages"] == Finding("packages", "all 1 in range; installed without the lock")


def test_wheels_for_a_newer_c_library_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(tmp_path)["native wheels"].found == "need glibc 2.28 at most (pyarrow)"
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.26"))
    wheels = found(tmp_path)["native wheels"]
    assert wheels.found == "glibc 2.26, but tensorflow needs 2.27, pyarrow needs 2.28"
    assert "use a system with that glibc" in wheels.remedy


def test_a_beam_without_the_runner_that_stays_here_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(tmp_path)["Beam runner"].found.startswith("--runner=FnApiRunner --sdk_container_image=unused: in this")
    monkeypatch.setattr(installation, "DIRECT", ("--runner=DirectRunner",))
    version = importlib.metadata.version("apache-beam")
    runner = found(tmp_path)["Beam runner"]
    assert runner.found == f"Beam {version} has no DirectRunner; another runner would be downloaded"
    assert runner.remedy


def test_an_ml_metadata_without_filter_queries_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise mlmd_errors.UnimplementedError("no ZetaSQL here")

    monkeypatch.setattr(ml_metadata.MetadataStore, "get_contexts", refuse)  # as 1.21, which this set cannot load
    queries = found(tmp_path)["filter queries"]
    assert queries.found.endswith("answers none (UnimplementedError)")
    assert "1.17.1" in queries.remedy


# The workspace


def test_a_workspace_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert found(tmp_path / "file")["workspace"].remedy == (
        f"{tmp_path / 'file'} cannot be written (Not a directory); choose another with --workspace"
    )
    assert "/proc cannot be written" in found(Path("/proc/longhaul"))["workspace"].remedy


def test_a_disk_with_too_little_room_for_the_tables_is_found(tmp_path: Path) -> None:
    table = tmp_path / "cats.csv"
    with table.open("wb") as file:
        file.truncate(2**43)  # eight terabytes of nothing
    assert found(tmp_path, data={"path": str(table), "label": "purrs", "task": "binary"})["free disk"].remedy
    table.unlink()
    assert not found(tmp_path, data={"path": str(table), "label": "purrs", "task": "binary"})["free disk"].remedy


def test_runs_are_counted(tmp_path: Path) -> None:
    for run_id, pipeline in (("r1", "cats"), ("r2", "cats"), ("r3", "dogs")):
        record(tmp_path, run_id, pipeline)
    assert found(tmp_path)["ML Metadata"] == Finding("ML Metadata", "SQLite, schema version 10, 2 runs of cats")


def test_a_run_whose_process_is_gone_is_found(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = Process.current()
    for run_id, pid in (("alive", here.pid), ("dead", gone.pid)):
        process = Process(pid, here.host, here.boot_id, here.started)
        record(tmp_path, run_id, status="running", process=process.to_json())
    runs = found(tmp_path)["runs"]
    assert runs.found == "dead never ended: the process is gone"
    assert "`longhaul resume`" in runs.remedy


def test_a_clock_that_was_set_back_is_found(tmp_path: Path) -> None:
    record(tmp_path, "r1", started="2026-01-01T08:00:00+00:00")
    assert found(tmp_path)["clock"].remedy == ""
    record(tmp_path, "r2", started="2999-01-01T08:00:00+00:00")
    clock = found(tmp_path)["clock"]
    assert "is before the newest run (2999-01-01 08:00:00+0000)" in clock.found
    assert "timedatectl" in clock.remedy


def test_left_overs_of_crashes_are_found(tmp_path: Path) -> None:
    record(tmp_path, "r1")
    assert found(tmp_path)["left-overs"] == Finding("left-overs", "none")
    (tmp_path / "artifacts/Trainer/model/7").mkdir(parents=True)
    (tmp_path / "serving/cats/.incoming-3").mkdir(parents=True)
    for foreign in (
        "artifacts/photos/2024/7",
        "artifacts/Trainer/model/²",
        "serving/cats/.incoming-x",
        "serving/cats/5",
    ):
        (tmp_path / foreign).mkdir(parents=True)
    assert found(tmp_path)["left-overs"].found == "serving/cats/.incoming-3: nothing on record uses them"
    store = open_store(cats(tmp_path))
    kind = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Model"))
    (tmp_path / "artifacts/Trainer/model/6").mkdir()
    uri = str(tmp_path / "artifacts/Trainer/model/6")
    store.put_artifacts([metadata_store_pb2.Artifact(type_id=kind, uri=uri)])
    left = found(tmp_path)["left-overs"]
    assert left.found == "artifacts/Trainer/model/7, serving/cats/.incoming-3: nothing on record uses them"
    assert left.remedy == "`longhaul gc --apply` removes them"
    uri = str(tmp_path / "artifacts/Trainer/model/7")
    store.put_artifacts([metadata_store_pb2.Artifact(type_id=kind, uri=uri)])
    assert found(tmp_path)["left-overs"].found == "serving/cats/.incoming-3: nothing on record uses them"


def test_a_damaged_served_model_is_found(tmp_path: Path) -> None:
    record(tmp_path, "r1")
    assert "served model" not in found(tmp_path)
    model = a_model(tmp_path / "model")
    version = publish(model, tmp_path / "serving" / "cats", a_manifest(model), Push()).version
    whole = found(tmp_path)["served model"]
    assert (whole.found, whole.remedy) == (f"version {version} is whole, by the digests of its manifest", "")
    os.truncate(tmp_path / f"serving/cats/{version}/saved_model.pb", 3)
    broken = found(tmp_path)["served model"]
    assert broken.found == f"version {version} is damaged: saved_model.pb was changed"
    assert "`longhaul run` pushes a whole copy" in broken.remedy
    (tmp_path / f"serving/cats/{version}" / MANIFEST).unlink()
    unknown = found(tmp_path)["served model"]
    assert unknown.found == f"version {version} has no {MANIFEST}: whether its files are whole cannot be told"
    assert "`longhaul run --from Pusher --no-cache`" in unknown.remedy


def test_what_lies_in_a_workspace_that_was_moved_is_not_left_over(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    record(old, "r1")
    store = open_store(cats(old))
    kind = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Model"))
    store.put_artifacts([metadata_store_pb2.Artifact(type_id=kind, uri=str(old / "artifacts/Trainer/model/7"))])
    del store
    (old / "artifacts/Trainer/model/7").mkdir(parents=True)
    assert found(old)["left-overs"] == Finding("left-overs", "none")
    old.rename(new)
    assert found(new)["left-overs"] == Finding("left-overs", "none")
    moved = found(new)["records"]
    assert (moved.found, moved.remedy) == (
        f"name {old}; the next run or `longhaul relocate` has them name {new}",
        "",
    )


def test_who_holds_the_lock_is_said(tmp_path: Path) -> None:
    record(tmp_path, "r1")
    (tmp_path / "artifacts/Trainer/model/7").mkdir(parents=True)
    file = tmp_path / ".lock"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    file.write_text(json.dumps({"pid": gone.pid}))
    assert found(tmp_path)["lock"] == Finding("lock", "free")  # the system took it from the process
    with file.open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = found(tmp_path)
        assert "is gone" in held["lock"].found
        assert "fuser" in held["lock"].remedy
        assert "left-overs" not in held  # the run at work may be writing them
        file.write_text(json.dumps({"pid": os.getpid()}))
        assert found(tmp_path)["lock"] == Finding("lock", f"process {os.getpid()} is at work in the workspace")


def test_a_damaged_store_is_found(tmp_path: Path) -> None:
    (tmp_path / "metadata.db").write_bytes(b"not a database" * 100)
    finding = found(tmp_path)["ML Metadata"]
    assert "metadata.db cannot be opened" in finding.found
    assert "move a damaged file away" in finding.remedy


# Elsewhere


def test_a_server_is_looked_for_only_where_one_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        observe = {"openlineage_url": f"http://127.0.0.1:{port}/lineage"}
        finding = found(tmp_path, observe=observe)["observe.openlineage_url"]
        assert finding == Finding("observe.openlineage_url", f"127.0.0.1:{port} listens")
    finding = found(tmp_path, observe=observe)["observe.openlineage_url"]
    assert finding.found == f"127.0.0.1:{port} cannot be reached (Connection refused)"
    assert finding.remedy.endswith("or correct observe.openlineage_url")


def test_credentials_are_asked_for_only_where_a_cloud_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push = {"destination": "gs://bucket/models"}
    key = tmp_path / "key.json"
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.setattr(elsewhere, "_MACHINE", tmp_path / "product_name")
    assert "credentials" not in found(tmp_path)
    assert found(tmp_path, push=push)["credentials"].found.endswith("key.json, which cannot be read")
    key.write_text("s3cret")
    told = found(tmp_path, push=push)["credentials"]
    assert told == Finding("credentials", "the file that GOOGLE_APPLICATION_CREDENTIALS names is there")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    none = found(tmp_path, push=push)["credentials"]
    assert none.found == "none for Google's cloud, which push.destination needs"
    assert "gcloud auth application-default login" in none.remedy
    (tmp_path / "product_name").write_text("Google Compute Engine\n")
    assert found(tmp_path, push=push)["credentials"].remedy == ""
    (tmp_path / "application_default_credentials.json").write_text("{}")
    assert found(tmp_path, push=push)["credentials"].found == f"application default credentials in {tmp_path}"
