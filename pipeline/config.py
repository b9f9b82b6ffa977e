"""One YAML file describes a pipeline: load it, check it whole, explain what is wrong.

Paths that are read (`data.path`, `schema.file`) are relative to the YAML file; the workspace, where
everything is written, is relative to the current directory. `{workspace}` may stand in `data.path`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from pipeline.errors import ConfigError

REFERENCE = Path(__file__).parent / "flights" / "config.yaml"
"""The configuration used when none is named: the 2013 New York flights."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,127}$")]  # what Vertex AI accepts as a pipeline name
Share = Annotated[float, Field(gt=0, lt=1)]
SplitName = Literal["train", "eval", "test"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(_Section):
    """Where the table lies and what in it is to be predicted."""

    path: str
    """A file, a folder or a glob of CSV (.csv, .csv.gz), Parquet or TFRecord files; `{SPAN}` marks the span number."""
    spans: tuple[int, int] | None = None
    """First and last span to use, both inclusive; all spans when absent."""
    builder: str | None = None
    """Dotted path of a function `build(folder)` that writes the tables when they are not there yet."""
    label: str
    task: Literal["binary", "multiclass", "regression"]
    classes: tuple[str, ...] = ()
    """The label's values in order, as text; of two, the second is the positive one. Not for regression."""
    drop: tuple[str, ...] = ()
    """Columns that are never read."""
    payload: Literal["parquet", "tf_example"] = "parquet"
    """How ExampleGen keeps the rows: Parquet, or gzipped TFRecords of tf.Examples for tools that want those."""
    serving: str | None = None
    """A table of serving requests, as `path` but without spans; the gate compares the training data with it."""

    @field_validator("classes", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """YAML reads 0 and true as numbers and booleans; booleans are stored as 0 and 1."""
        if not isinstance(value, list | tuple):
            return value
        return tuple(str(int(item)) if isinstance(item, bool) else str(item) for item in value)

    @model_validator(mode="after")
    def _classes_fit_task(self) -> Data:
        if self.task == "regression" and self.classes:
            raise ValueError("classes: a regression has none")
        if self.task == "binary" and len(self.classes) not in (0, 2):
            raise ValueError(f"classes: a binary task has two, not {len(self.classes)}")
        if self.task == "multiclass" and len(self.classes) < 3:
            raise ValueError("classes: list the label's values, three or more, in order")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes: a value stands twice")
        return self

    @property
    def label_classes(self) -> tuple[str, ...]:
        """`classes`, where a binary label without them is 0 or 1 (or false and true)."""
        return self.classes or (("0", "1") if self.task == "binary" else ())


def unix_seconds(text: str) -> int:
    """An ISO 8601 date or date-time; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


class TimeSplit(_Section):
    """Rows before `eval_from` train; rows from `test_from` on, if given, are held out."""

    by: Literal["time"]
    column: str
    eval_from: str
    test_from: str | None = None

    @field_validator("eval_from", "test_from", mode="before")
    @classmethod
    def _iso_date(cls, value: Any) -> Any:
        """YAML reads 2013-11-01 as a date; keep the text and check it."""
        return None if value is None else datetime.fromisoformat(str(value)).isoformat()

    @model_validator(mode="after")
    def _in_order(self) -> TimeSplit:
        if self.test_from is not None and unix_seconds(self.test_from) <= unix_seconds(self.eval_from):
            raise ValueError(f"test_from ({self.test_from}) must be later than eval_from ({self.eval_from})")
        return self


class Weights(_Section):
    """Relative sizes of the splits; a test weight of 0 means no held-out split."""

    train: Annotated[float, Field(gt=0)] = 8
    eval: Annotated[float, Field(gt=0)] = 2
    test: Annotated[float, Field(ge=0)] = 0


class HashSplit(_Section):
    """By a hash of the whole row, so that equal rows never part."""

    by: Literal["hash"]
    weights: Weights = Weights()


class GroupSplit(_Section):
    """By a hash of one column, so that a group (a customer, a day) is never in two splits."""

    by: Literal["group"]
    column: str
    weights: Weights = Weights()


Split = Annotated[TimeSplit | HashSplit | GroupSplit, Field(discriminator="by")]


class Schema(_Section):
    """The curated schema that guards and trains."""

    file: str
    policy: str | None = None
    """What the gate does about findings; when absent `<stem of file>.policy.yaml` beside the schema, if it is there."""


class Features(_Section):
    """Choices about the features; the facts stand in the schema."""

    exclude: tuple[str, ...] = ()
    """Columns that are kept and validated, but never shown to the model."""
    categorical: tuple[str, ...] = ()
    """Integer columns that are codes, not quantities."""
    max_vocabulary: Annotated[int, Field(ge=2, le=1_000_000)] = 1000
    bins: Annotated[int, Field(ge=2, le=1024)] = 24
    """Quantile bins of the piecewise-linear encoding of numbers."""


class Trainer(_Section):
    """The network and its fitting; see trainer/model.py."""

    hidden_units: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = (512, 256)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.4
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    batch_size: Annotated[int, Field(ge=1, le=1_048_576)] = 1024
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 8
    patience: Annotated[int, Field(ge=1)] = 2
    """Epochs without a better validation loss before training stops; the best weights are kept."""
    validation_share: Share = 0.1
    """Share of the training split used to stop early: its latest rows under a time split, else random ones."""
    seed: Annotated[int, Field(ge=0)] = 13


class Threshold(_Section):
    """Bounds on one metric: absolute, and against the last blessed model (the champion)."""

    at_least: float | None = None
    at_most: float | None = None
    may_lose: Annotated[float, Field(ge=0)] | None = None
    """How much worse than the champion it may be."""

    @model_validator(mode="after")
    def _some_bound(self) -> Threshold:
        if self.at_least is None and self.at_most is None and self.may_lose is None:
            raise ValueError("a threshold needs at_least, at_most or may_lose")
        return self


class Evaluation(_Section):
    """What is measured, on which slices, and what blocks a push."""

    splits: tuple[SplitName, ...] = ("eval",)
    slices: tuple[tuple[str, ...], ...] = ()
    """Columns to slice by, singly or crossed: `[[carrier], [carrier, origin]]`. Overall is always there."""
    thresholds: Annotated[dict[str, Threshold], Field(min_length=1)]


class Metadata(_Section):
    """Where ML Metadata keeps its records."""

    url: str | None = None
    """`postgresql://user@host:port/database` or `mysql://…`; SQLite in the workspace when absent."""
    password_env: str = "LONGHAUL_METADATA_PASSWORD"
    """The environment variable that holds the password; a password never stands in a file."""

    @field_validator("url")
    @classmethod
    def _known_and_without_password(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not re.match(r"^(postgresql|mysql)://[^/@]+@[^/]+/\w+$", value):
            raise ValueError("must look like postgresql://user@host:port/database or mysql://user@host:port/database")
        if ":" in value.split("//")[1].split("@")[0]:
            raise ValueError("must not hold a password; put it in the environment variable that password_env names")
        return value


class PipelineConfig(_Section):
    """The whole of one pipeline, frozen.

    Raises:
        ConfigError: from `load`, naming field, rule, what was received and the remedy.
    """

    name: Name
    workspace: str = "workspace"
    data: Data
    split: Split
    schema_: Schema = Field(alias="schema")
    features: Features = Features()
    trainer: Trainer = Trainer()
    evaluation: Evaluation
    metadata: Metadata = Metadata()
    _base: Path = PrivateAttr(default=Path())
    """Folder of the YAML file; set by `load`."""

    @model_validator(mode="after")
    def _consistent(self) -> PipelineConfig:
        known = METRICS[self.data.task]
        for metric in self.evaluation.thresholds:
            if metric not in known:
                raise ValueError(
                    f"evaluation.thresholds: {metric!r} is not a metric of a {self.data.task} task"
                    f" (known: {', '.join(known)})"
                )
        if self.data.label in self.data.drop:
            raise ValueError(f"data.drop holds the label {self.data.label!r}")
        if "test" in self.evaluation.splits and not has_test_split(self.split):
            raise ValueError("evaluation.splits names 'test', but split defines no test split")
        return self

    @property
    def root(self) -> Path:
        """The workspace, absolute."""
        return Path(self.workspace).expanduser().absolute()

    @property
    def data_pattern(self) -> str:
        """`data.path`, absolute, `{SPAN}` still in it; remote addresses (`gs://…`) untouched."""
        return self._pattern(self.data.path)

    @property
    def serving_pattern(self) -> str | None:
        """`data.serving`, absolute as `data_pattern` is."""
        return None if self.data.serving is None else self._pattern(self.data.serving)

    @property
    def schema_file(self) -> Path:
        """`schema.file`, absolute."""
        return _absolute(self._base, self.schema_.file)

    @property
    def policy_file(self) -> Path | None:
        """`schema.policy`, absolute, or the file beside the schema; None if there is neither."""
        if self.schema_.policy is not None:
            return _absolute(self._base, self.schema_.policy)
        beside = self.schema_file.with_suffix(".policy.yaml")
        return beside if beside.exists() else None

    def _pattern(self, path: str) -> str:
        path = path.replace("{workspace}", str(self.root))
        return path if "://" in path else str(_absolute(self._base, path))


METRICS: dict[str, tuple[str, ...]] = {
    "binary": ("auc", "auc_precision_recall", "log_loss", "accuracy", "calibration"),
    "multiclass": ("accuracy", "log_loss"),
    "regression": ("rmse", "mae", "squared_correlation"),
}
"""Metrics by task, as they are named in `evaluation.thresholds` and in every report."""


def has_test_split(split: TimeSplit | HashSplit | GroupSplit) -> bool:
    """Whether the split sets rows aside that training and its early stopping never see."""
    return split.test_from is not None if isinstance(split, TimeSplit) else split.weights.test > 0


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
    config._base = path.absolute().parent
    return config


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        FileNotFoundError: it is not there.
        ConfigError: it cannot be read, or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: cannot be read ({exc})", "give a readable UTF-8 YAML file") from exc
    except yaml.YAMLError as exc:
        raise ConfigError(f"{path}{_yaml_problem(exc)}", "mend that line") from exc


def _absolute(base: Path, path: str) -> Path:
    return Path(base, Path(path).expanduser()).resolve() if "*" not in path else Path(base, Path(path).expanduser())


def _yaml_problem(error: yaml.YAMLError) -> str:
    """Line, column and what the parser stumbled over, on one line."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f": not valid YAML: {' '.join(str(error).split())}"
    at, since = error.problem_mark, error.context_mark
    begun = f" {error.context} that begins on line {since.line + 1}" if error.context and since else ""
    return f", line {at.line + 1}, column {at.column + 1}: not valid YAML{begun}: {error.problem}"


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
        else:
            # A rule about a whole section says itself what it is about; an address may hold a password.
            shown = not isinstance(problem["input"], dict) and where != "metadata.url"
            received = f" (received: {problem['input']!r})" if shown else ""
            lines.append(f"{where}: {problem['msg'].removeprefix('Value error, ')}{received}")
    return f"{path}: " + "\n  ".join(lines)


def _field_names(location: tuple[int | str, ...]) -> list[str]:
    sections: dict[str, list[type[BaseModel]]] = {
        "data": [Data],
        "split": [TimeSplit, HashSplit, GroupSplit],
        "weights": [Weights],
        "schema": [Schema],
        "features": [Features],
        "trainer": [Trainer],
        "evaluation": [Evaluation],
        "thresholds": [Threshold],
        "metadata": [Metadata],
    }
    models: list[type[BaseModel]] = [PipelineConfig]
    for part in location:
        models = sections.get(str(part), models)
    return [field.alias or name for model in models for name, field in model.model_fields.items()]
