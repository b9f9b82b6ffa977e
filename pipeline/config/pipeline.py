"""One YAML file describes a pipeline: load it, check it whole, explain what is wrong.

Paths that are read (`data.path`, `schema.file`) are relative to the YAML file; the workspace, where
everything is written, is relative to the current directory. `{workspace}` may stand in `data.path`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from pipeline.config.beam import BeamSettings
from pipeline.config.card import Card
from pipeline.config.data import Data
from pipeline.config.evaluation import METRICS, Evaluation
from pipeline.config.infra_check import InfraCheckSettings
from pipeline.config.metadata import Metadata
from pipeline.config.notify import Notify
from pipeline.config.observe import Observe
from pipeline.config.push import Push
from pipeline.config.run import RunSettings
from pipeline.config.schema import Schema
from pipeline.config.split import Split, has_test_split
from pipeline.config.vertex import Vertex
from pipeline.config.yaml_file import read_yaml
from pipeline.errors import ConfigError
from pipeline.files import one_spelling
from trainer.settings.base import Section
from trainer.settings.features import FeaturesSettings
from trainer.settings.trainer import TrainerSettings
from trainer.settings.tuner import TunerSettings

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,127}$")]  # what Vertex AI accepts as a pipeline name

_MAY_HOLD_SECRETS = ("metadata.url", "observe.openlineage_url", "notify.webhook", "notify.webhook_env")

_NO_SECTION = ("model_type", "model_attributes_type", "dict_type")
"""pydantic's names for what is wrong with a section that is no mapping."""

REFERENCE = Path(__file__).parents[1] / "flights" / "config.yaml"
"""The configuration used when none is named: the 2013 New York flights."""


class PipelineConfig(Section):
    """The whole of one pipeline."""

    name: Name
    """Name of the pipeline: small letters, digits and hyphens. The served models lie in a folder of this name."""
    workspace: str = "workspace"
    """Folder for all that is written: metadata, artifacts, served models, reports and logs. The option `--workspace`
    wins over it."""
    data: Data
    split: Split
    """Which rows train, which evaluate, and which are held out."""
    schema_: Schema = Field(alias="schema")
    features: FeaturesSettings = FeaturesSettings()
    trainer: TrainerSettings = TrainerSettings()
    tuner: TunerSettings = TunerSettings()
    evaluation: Evaluation
    card: Card = Card()
    infra_check: InfraCheckSettings = InfraCheckSettings()
    push: Push = Push()
    vertex: Vertex | None = None
    beam: BeamSettings = BeamSettings()
    metadata: Metadata = Metadata()
    run: RunSettings = RunSettings()
    observe: Observe = Observe()
    notify: Notify = Notify()
    _base: Path = PrivateAttr(default=Path())
    """Folder of the YAML file; set by `load`."""
    _file: Path | None = PrivateAttr(default=None)
    """The YAML file itself; set by `load`."""

    @model_validator(mode="after")
    def _consistent(self) -> PipelineConfig:
        known = METRICS[self.data.task]
        for field, named in (("thresholds", self.evaluation.thresholds), ("gaps", self.evaluation.gaps)):
            for metric in named:
                if metric not in known:
                    raise ValueError(
                        f"evaluation.{field}: {metric!r} is not a metric of a {self.data.task} task"
                        f" (known: {', '.join(known)})"
                    )
        if self.data.label in self.data.drop:
            raise ValueError(f"data.drop holds the label {self.data.label!r}")
        if "test" in self.evaluation.splits and not has_test_split(self.split):
            raise ValueError("evaluation.splits names 'test', but split defines no test split")
        return self

    @property
    def root(self) -> Path:
        """The workspace: absolute, and spelt in one way, however it was given."""
        return one_spelling(self.workspace)

    @property
    def file(self) -> Path | None:
        """The YAML file, absolute; None if the settings come from elsewhere."""
        return self._file

    @property
    def data_pattern(self) -> str:
        """`data.path` in its one spelling, `{SPAN}` still in it, and a query; remote addresses (`gs://…`) untouched."""
        pattern = self._pattern(self.data.path)
        return f"{pattern}?{self.data.query}" if self.data.query and "bigquery://" in pattern else pattern

    @property
    def serving_pattern(self) -> str | None:
        """`data.serving`, absolute as `data_pattern` is."""
        return None if self.data.serving is None else self._pattern(self.data.serving)

    @property
    def schema_file(self) -> Path:
        """`schema.file`, absolute."""
        return one_spelling(self.schema_.file, self._base)

    @property
    def policy_file(self) -> Path | None:
        """`schema.policy`, absolute, or the file beside the schema; None if there is neither."""
        if self.schema_.policy is not None:
            return one_spelling(self.schema_.policy, self._base)
        beside = self.schema_file.with_suffix(".policy.yaml")
        return beside if beside.exists() else None

    def _pattern(self, path: str) -> str:
        path = path.replace("{workspace}", str(self.root))
        return path if "://" in path else str(one_spelling(path, self._base))


def load(path: Path | None = None, **overrides: str | None) -> PipelineConfig:
    """Reads and checks a configuration.

    Args:
        path: the YAML file; the flights reference when None.
        overrides: top-level values that win over the file (the command line's `--workspace`).

    Raises:
        ConfigError: the file is missing, not YAML, or breaks a rule.
    """
    path = path or REFERENCE
    try:
        document = read_yaml(path)
    except FileNotFoundError as exc:
        raise ConfigError(
            f"{path}: no such configuration file", "`longhaul init TABLE --label COLUMN` writes one"
        ) from exc
    if not isinstance(document, dict):
        found = {type(None): "it is empty", list: "it is a list"}.get(type(document), "it is plain text")
        raise ConfigError(
            f"{path}: expected sections (`name:`, `data:`, `split:` and so on), but {found}",
            "`longhaul init TABLE --label COLUMN` writes a file to start from",
        )
    document.update({key: value for key, value in overrides.items() if value is not None})
    try:
        config = PipelineConfig.model_validate(document)
    except ValidationError as exc:
        raise ConfigError(explain(path, exc), "correct the field; docs/configuration.md lists all of them") from exc
    config._base = one_spelling(path.parent)
    config._file = config._base / path.name
    return config


def explain(
    path: Path, error: ValidationError, known: Callable[[tuple[int | str, ...]], list[str]] | None = None
) -> str:
    """One line per broken rule: field, rule, received.

    Args:
        known: the keys that may stand at a place in the file; those of the configuration when None.
    """
    known = known or _field_names
    lines = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"] if part not in ("time", "hash", "group")) or "the file"
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(problem["loc"][-1]), known(problem["loc"][:-1]), n=1)
            lines.append(f"{where}: unknown key" + (f"; did you mean {near[0]!r}?" if near else ""))
        elif problem["type"].startswith("union_tag"):
            lines.append(f"{where}.by: must be 'time', 'hash' or 'group' (received: {problem['input'].get('by')!r})")
        elif problem["type"] in _NO_SECTION and problem["input"] is None:
            lines.append(f"{where}: nothing stands under it; take the line out, or write its settings below, indented")
        elif problem["type"] in _NO_SECTION:
            kind = "a list" if isinstance(problem["input"], list) else "one value"
            lines.append(f"{where}: must hold settings (`key: value`), not {kind} (received: {problem['input']!r})")
        else:
            # A rule about a whole section says itself what it is about; an address may hold a password.
            shown = not isinstance(problem["input"], dict) and where not in _MAY_HOLD_SECRETS
            received = f" (received: {problem['input']!r})" if shown else ""
            lines.append(f"{where}: {problem['msg'].removeprefix('Value error, ')}{received}")
    return f"{path}: " + "\n  ".join(lines)


def _field_names(location: tuple[int | str, ...]) -> list[str]:
    sections: list[type[Section]] = [PipelineConfig]
    for part in location:
        # A list's index, a mapping's key and the kind of a union are no fields: what holds them goes on.
        fields = [
            field for section in sections for name, field in section.model_fields.items() if part in (name, field.alias)
        ]
        if fields:
            sections = [section for field in fields for section in _sections_in(field.annotation)]
    return [field.alias or name for section in sections for name, field in section.model_fields.items()]


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    """The models that a field's type names, however it wraps them."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections_in(inner)
