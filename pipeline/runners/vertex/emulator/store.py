"""What jobs made, as Vertex ML Metadata keeps it: artifacts, found by filters; executions, found by their inputs."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import JobError

Outputs = dict[str, list["Artifact"]]
"""Artifacts by output key."""


@dataclass
class Artifact:
    """One artifact.

    Attributes:
        name: its resource name, projects/…/artifacts/….
        uri: gs://….
        title: of its schema, such as tfx.Model.
        type: as the compiled job says it.
        metadata: its properties, numbers as floats.
    """

    name: str
    uri: str
    title: str
    type: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as an ExecutorInput holds it: a RuntimeArtifact."""
        return {"name": self.name, "uri": self.uri, "type": self.type, "metadata": self.metadata}


class Store:
    """A database that threads and jobs may share."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._alone = threading.Lock()
        self._database = sqlite3.connect(file, timeout=60, check_same_thread=False)
        with self._alone, self._database as database:
            database.execute("CREATE TABLE IF NOT EXISTS artifacts (pipeline, name PRIMARY KEY, title, artifact)")
            database.execute("CREATE TABLE IF NOT EXISTS executions (inputs PRIMARY KEY, outputs, parameters)")

    def put(self, pipeline: str, outputs: Outputs) -> None:
        """Make artifacts findable, the newest last."""
        rows = [(pipeline, one.name, one.title, json.dumps(asdict(one))) for some in outputs.values() for one in some]
        with self._alone, self._database as database:
            database.executemany("INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?)", rows)

    def find(self, pipeline: str, filter_: str) -> list[Artifact]:
        """Return the newest artifact of the pipeline that a filter lets through; or none.

        Raises:
            JobError: the filter asks in another way than TFX's resolvers do.
        """
        conditions = [_condition(part) for part in filter_.split(" AND ")]
        with self._alone:
            rows = self._database.execute(
                "SELECT artifact FROM artifacts WHERE pipeline = ? ORDER BY rowid DESC", (pipeline,)
            ).fetchall()
        for (text,) in rows:
            artifact = Artifact(**json.loads(text))
            known = {"schema_title": artifact.title, "state": "LIVE", "name": artifact.name, **artifact.metadata}
            if all(known.get(key) == value for key, value in conditions):
                return [artifact]
        return []

    def remember(self, inputs: str, outputs: Outputs, parameters: dict[str, Any]) -> None:
        """Put an execution that succeeded where `recall` finds it; `inputs` is a digest of what it was told."""
        plain = {key: [asdict(one) for one in some] for key, some in outputs.items()}
        with self._alone, self._database as database:
            database.execute(
                "INSERT OR REPLACE INTO executions VALUES (?, ?, ?)",
                (inputs, json.dumps(plain), json.dumps(parameters)),
            )

    def recall(self, inputs: str) -> tuple[Outputs, dict[str, Any]] | None:
        """Return what the last execution with these inputs made: artifacts and parameters."""
        with self._alone:
            row = self._database.execute(
                "SELECT outputs, parameters FROM executions WHERE inputs = ?", (inputs,)
            ).fetchone()
        if row is None:
            return None
        outputs = {key: [Artifact(**one) for one in some] for key, some in json.loads(row[0]).items()}
        return outputs, json.loads(row[1])


def _condition(text: str) -> tuple[str, Any]:
    """Return `schema_title="tfx.Model"`, `state=LIVE`, `metadata.blessed.number_value=1` -> what must be equal to
    what."""
    match = re.fullmatch(r'(\w+)="?([^"]*)"?|metadata\.(\w+)\.(number|string)_value="?([^"]*)"?', text)
    if not match:
        raise JobError(f"the emulator does not understand the filter {text}", "use TFX's own resolvers")
    key, value, property_, kind, wanted = match.groups()
    if key:
        return key, value
    return property_, float(wanted) if kind == "number" else wanted
