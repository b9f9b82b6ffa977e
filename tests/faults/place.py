"""A small pipeline to be ruined, and processes that run the command line on it and can really be killed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ml_metadata.proto import metadata_store_pb2

from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.runs import Run, StepState, find_run, list_runs
from pipeline.lineage.store import open_store
from tests import small
from tests.zygote import Zygote

ROWS = 300

SCHEMA = """\
feature { name: "day" type: INT presence { min_count: 1 } time_domain { integer_format: UNIX_SECONDS } }
feature { name: "color" type: BYTES presence { min_count: 1 } }
feature { name: "size" type: FLOAT presence { min_count: 1 } }
feature { name: "answer" type: BYTES presence { min_count: 1 } not_in_environment: "SERVING" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""

CONFIG: dict[str, Any] = {
    "name": "toy",
    "data": {"path": "table.csv", "label": "answer", "task": "binary", "classes": ["no", "yes"]},
    "split": {"by": "hash"},
    "schema": {"file": "toy.pbtxt"},
    "features": {"bins": 4, "exclude": ["day"]},
    "trainer": small.TRAINER,
    "evaluation": small.EVALUATION,
    "infra_check": small.INFRA_CHECK,
    "run": {"retries": 2, "backoff_s": 0.1},
}


@dataclass(frozen=True)
class Outcome:
    """How a process ended (exit code, or minus the signal that killed it), and all that it showed.

    Attributes:
        errors: what of it went to standard error.
    """

    code: int
    text: str
    errors: str


@dataclass
class Place:
    """A folder with a table, a schema, a configuration and a workspace."""

    folder: Path
    zygote: Zygote
    document: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(CONFIG)))
    workspace: Path = field(init=False)
    seen: dict[int, str] = field(default_factory=dict)
    """Artifacts that were on record, with their digests."""
    expected: dict[str, Any] = field(default_factory=dict)
    """`result` of the first run, where nothing happened to it."""

    def __post_init__(self) -> None:
        self.workspace = self.folder / "workspace"
        self.write_table(ROWS)
        (self.folder / "toy.pbtxt").write_text(SCHEMA)
        self.write_config()

    def write_table(self, rows: int) -> None:
        colors, answers = ("red", "green", "blue"), ("no", "yes")
        lines = [
            f"2024-01-{1 + i % 28:02},{colors[i % 3]},{i * 37 % 101 / 10},{answers[i * 37 % 101 > 50]}"
            for i in range(rows)
        ]
        (self.folder / "table.csv").write_text("\n".join(["day,color,size,answer", *lines, ""]))

    def write_config(self, **sections: Any) -> None:
        for name, section in sections.items():
            self.document[name] = self.document.get(name, {}) | section
        (self.folder / "toy.yaml").write_text(yaml.safe_dump(self.document))

    def argv(self, *arguments: str) -> list[str]:
        return [*arguments, "-c", str(self.folder / "toy.yaml"), "-w", str(self.workspace)]

    def call(self, *arguments: str, faults: list[Any] | None = None) -> Outcome:
        """Runs a command line in a process of its own, with the functions of faults.py called first."""
        out, err = self.folder / "out.txt", self.folder / "err.txt"
        self.zygote.start(self.argv(*arguments), out, faults or [], err)
        code, errors = self.zygote.end(), err.read_text()
        return Outcome(code, out.read_text() + errors, errors)

    @property
    def config(self) -> PipelineConfig:
        return load(self.folder / "toy.yaml", workspace=str(self.workspace))

    @property
    def store(self) -> Any:
        return open_store(self.config)

    def runs(self) -> list[Run]:
        """Newest first, whole."""
        store = self.store
        return [find_run(store, "toy", run.run_id) for run in list_runs(store, "toy")]

    def latest(self) -> Run:
        return find_run(self.store, "toy", "latest")

    def states(self) -> dict[str, StepState]:
        """How the steps of the latest run ended; of several tries the last."""
        return {step.node: step.state for step in self.latest().steps}

    def result(self) -> dict[str, Any]:
        """What the latest run came to, wherever and whenever it ran."""
        run = self.latest()
        assert run.status == "complete"
        assert {step.state for step in run.steps} <= {StepState.DONE, StepState.CACHED}
        metrics = {name: round(value, 5) for name, value in (run.verdict or {})["metrics"].items()}
        files = {
            f"{node}/{artifact.type}": digest(Path(artifact.uri), str(self.folder))
            for node in ("CuratedSchema", "TableExampleGen", "StatisticsGen", "InferredSchema", "ExampleValidator")
            for artifact in run.artifacts[node]
        }
        assert run.pushed
        return {"steps": sorted(step.node for step in run.steps), "metrics": metrics, "files": files}

    def check_records(self) -> None:
        """Whatever ML Metadata holds for done is there whole, as it was when it was first seen."""
        store = self.store
        folders = set()
        for artifact in store.get_artifacts():
            if artifact.uri:
                folders.add(Path(artifact.uri))
            if artifact.uri and artifact.state == metadata_store_pb2.Artifact.LIVE:
                found = digest(Path(artifact.uri), "")
                assert found, artifact
                assert self.seen.setdefault(artifact.id, found) == found, artifact
        assert self.seen.keys() <= {artifact.id for artifact in store.get_artifacts()}
        if not any(run.status == "died" for run in list_runs(store, "toy")):
            there = {path for path in self.workspace.glob("artifacts/*/*/*") if path.parent.name != ".system"}
            assert there == folders, (there - folders, folders - there)
        for version in self.workspace.glob("serving/toy/[0-9]*"):
            assert (version / "saved_model.pb").stat().st_size > 0


def digest(folder: Path, without: str) -> str:
    """SHA-256 over the names and contents of all files, `without` taken out of them; empty if there are none."""
    files = {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    text = b"".join(f"{path}:".encode() + content.replace(without.encode(), b"") for path, content in files.items())
    return hashlib.sha256(text).hexdigest() if files else ""
