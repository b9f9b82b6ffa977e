"""The doctor: each finding is fine or has a remedy, and nothing is touched by looking."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline import doctor
from pipeline.config import PipelineConfig
from pipeline.doctor import Finding, examine
from pipeline.lineage.runs import RUN_CONTEXT
from pipeline.lineage.store import open_store


def config(workspace: Path) -> PipelineConfig:
    return PipelineConfig.model_validate(
        {
            "name": "cats",
            "workspace": str(workspace),
            "data": {"path": "cats.csv", "label": "purrs", "task": "binary"},
            "split": {"by": "hash"},
            "schema": {"file": "cats.pbtxt"},
            "evaluation": {"thresholds": {"auc": {"at_least": 0.6}}},
        }
    )


def found(workspace: Path) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(config(workspace))}


def test_the_machine_and_a_new_workspace_are_fine(tmp_path: Path) -> None:
    findings = found(tmp_path / "not" / "made" / "yet")
    assert list(findings) == [
        "Python", "memory", "C library", "packages", "workspace", "free disk", "ML Metadata",
    ]  # fmt: skip
    assert findings["Python"].found.startswith("3.11.")
    assert findings["C library"].found.startswith("glibc 2.")
    assert findings["ML Metadata"].found == "no store yet; the first run makes it"
    assert [finding.remedy for finding in findings.values() if finding.what != "packages"] == [""] * 6
    assert list(tmp_path.iterdir()) == []


def test_packages_are_held_against_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock.txt"
    monkeypatch.setattr(doctor, "_LOCK", lock)
    assert found(tmp_path)["packages"] == Finding("packages", "installed without the lock file")
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


def test_a_workspace_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert found(tmp_path / "file")["workspace"].remedy == (
        f"{tmp_path / 'file'} cannot be written (Not a directory); choose another with --workspace"
    )
    assert "/proc cannot be written" in found(Path("/proc/longhaul"))["workspace"].remedy


def test_runs_are_counted(tmp_path: Path) -> None:
    store = open_store(config(tmp_path))
    kind = store.put_context_type(metadata_store_pb2.ContextType(name=RUN_CONTEXT))
    for run_id, pipeline in (("r1", "cats"), ("r2", "cats"), ("r3", "dogs")):
        context = metadata_store_pb2.Context(type_id=kind, name=run_id)
        context.custom_properties["pipeline"].string_value = pipeline
        store.put_contexts([context])
    assert found(tmp_path)["ML Metadata"] == Finding("ML Metadata", "SQLite, 2 runs of cats")


def test_a_damaged_store_is_found(tmp_path: Path) -> None:
    (tmp_path / "metadata.db").write_bytes(b"not a database" * 100)
    finding = found(tmp_path)["ML Metadata"]
    assert "metadata.db cannot be opened" in finding.found
    assert "move a damaged file away" in finding.remedy
