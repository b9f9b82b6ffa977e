"""A folder with a configuration and a workspace, and the command line on them: what tests of whole commands work in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.lineage.runs import Run, StepState, find_run, list_runs
from pipeline.lineage.store import open_store


@dataclass(frozen=True)
class Outcome:
    """How a command ended (an exit code, or minus the signal that killed it), and all that it showed.

    Attributes:
        errors: what of it went to standard error, where that is known.
    """

    code: int
    text: str
    errors: str = ""


class Command(Protocol):
    """Runs `longhaul` with the arguments: in this process (tests/e2e/conftest.py) or in one of its own (Zygote)."""

    def __call__(self, *arguments: str | Path) -> Outcome: ...


@dataclass
class Place:
    """See above.

    Attributes:
        document: the configuration; `write` writes it.
    """

    folder: Path
    longhaul: Command
    document: dict[str, Any]
    _: KW_ONLY
    workspace: Path = field(default_factory=Path)
    """`workspace` in the folder, unless another is given."""

    def __post_init__(self) -> None:
        if self.workspace == Path():
            self.workspace = self.folder / "workspace"
        self.write()

    @property
    def name(self) -> str:
        return str(self.document["name"])

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.yaml"

    def write(self, **sections: Mapping[str, Any]) -> Path:
        """The configuration file, with those fields of sections changed."""
        document = copy.deepcopy(self.document)
        for section, fields in sections.items():
            document[section] = document.get(section, {}) | fields
        self.file.write_text(yaml.safe_dump(document, allow_unicode=True))
        return self.file

    def call(self, *arguments: str | Path) -> Outcome:
        """A command on the configuration as it was written last."""
        return self.longhaul(*arguments, "--config", self.file, "--workspace", self.workspace)

    def run(self, *flags: str, **sections: Mapping[str, Any]) -> tuple[Outcome, Run]:
        """Runs with those fields of sections changed; how the command ended, and the run on record."""
        self.write(**sections)
        outcome = self.call("run", *flags)
        return outcome, self.latest()

    @property
    def config(self) -> PipelineConfig:
        return load(self.file, workspace=str(self.workspace))

    @property
    def store(self) -> Any:
        return open_store(self.config)

    def latest(self) -> Run:
        return find_run(self.store, self.name, "latest")

    def runs(self) -> list[Run]:
        """Newest first, whole."""
        store = self.store
        return [find_run(store, self.name, run.run_id) for run in list_runs(store, self.name)]

    @property
    def serving(self) -> Path:
        """What a model server watches."""
        return self.workspace / "serving" / self.name

    @property
    def versions(self) -> list[int]:
        """What it sees there."""
        return sorted(int(path.name) for path in self.serving.iterdir() if not path.name.startswith("."))


def state(run: Run, *states: StepState) -> set[str]:
    """The steps that ended so, look-ups aside, which run every time."""
    return {step.node for step in run.steps if step.state in states} - _LOOK_UPS


def done(run: Run) -> set[str]:
    """The steps that did work; no step ended otherwise than well."""
    assert {step.state for step in run.steps} <= {StepState.DONE, StepState.CACHED}
    return state(run, StepState.DONE)


def uri(run: Run, node: str, type_name: str) -> Path:
    """Of the one artifact of that type."""
    (artifact,) = [artifact for artifact in run.artifacts[node] if artifact.type == type_name]
    return Path(artifact.uri)


_LOOK_UPS = {"SeenSpans", "Champion", "LastTuning", "BaseModel"}
"""Resolvers."""
