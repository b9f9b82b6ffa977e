"""A small pipeline to be ruined, and processes that run the command line on it and can really be killed."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.runs import StepState, list_runs
from tests import place, small
from tests.place import Outcome
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


class Place(place.Place):
    """A folder with a table, a schema, a configuration and a workspace.

    Attributes:
        seen: artifacts that were on record, with their digests.
        expected: `result` of the first run, where nothing happened to it.
    """

    def __init__(self, folder: Path, zygote: Zygote) -> None:
        self.zygote = zygote
        self.seen: dict[int, str] = {}
        self.expected: dict[str, Any] = {}
        super().__init__(folder, zygote, copy.deepcopy(CONFIG))
        self.write_table(ROWS)
        (self.folder / "toy.pbtxt").write_text(SCHEMA)

    def write_table(self, rows: int) -> None:
        colors, answers = ("red", "green", "blue"), ("no", "yes")
        lines = [
            f"2024-01-{1 + i % 28:02},{colors[i % 3]},{i * 37 % 101 / 10},{answers[i * 37 % 101 > 50]}"
            for i in range(rows)
        ]
        (self.folder / "table.csv").write_text("\n".join(["day,color,size,answer", *lines, ""]))

    def write_config(self, **sections: Any) -> None:
        """For good."""
        for name, section in sections.items():
            self.document[name] = self.document.get(name, {}) | section
        self.write()

    def argv(self, *arguments: str) -> list[str]:
        return [*arguments, "-c", str(self.file), "-w", str(self.workspace)]

    def call(self, *arguments: str | Path, faults: Sequence[Any] = ()) -> Outcome:
        """In a process of its own, with the functions of faults.py called first."""
        return self.zygote(*arguments, "--config", self.file, "--workspace", self.workspace, faults=faults)

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
