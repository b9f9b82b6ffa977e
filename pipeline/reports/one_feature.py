"""What one feature of a run is: where its values come from, what was learned of it, what it is worth, how it moves.

Reads records and small files only, no rows of data and no model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.errors import ConfigError, WorkspaceError
from pipeline.guard.findings import DataVerdict, Distances, Finding
from pipeline.lineage.artifact_names import EXPLANATION_FILE
from pipeline.lineage.runs import Run
from pipeline.reports.artifacts import Artifacts, SplitStatistics
from pipeline.reports.metric_words import is_within_noise
from pipeline.reports.personal import unshown, without_ends
from trainer import statistics_file, words_file
from trainer.derived_columns import derive_all, trees_of
from trainer.expressions import did_you_mean
from trainer.features import Feature, FeatureTable, Kind
from trainer.functions import STATISTICS

_MOST_SHOWN = 5
"""Words of a vocabulary, and keys of a statistic."""
_MOST_NAMES = 20
_NO_NAMES = ("path", "query", "format", "serving", "task", "classes", "derive", "by", "against", "missing", "payload")
"""Settings whose texts are no names of columns."""


@dataclass(frozen=True)
class Vocabulary:
    """The values that the model tells apart: how many, of how many at most, and the commonest."""

    words: int
    at_most: int
    first: list[str]


@dataclass(frozen=True)
class Learned:
    """A statistic by key, as rows to score are shown it.

    Attributes:
        any_other: the value of a key that was never seen; None where there were no rows to learn from.
        top: key, value and training rows of the keys with the most rows.
    """

    function: str
    keys: int
    any_other: float | None
    top: list[tuple[str, float, int]]


@dataclass(frozen=True)
class Importance:
    """How much worse the metric gets when the feature's values are dealt to other rows.

    Attributes:
        rank: from 1, the greatest drop; of: features that were looked at.
    """

    metric: str
    drop: float
    spread: float
    rank: int
    of: int
    is_within_noise: bool


@dataclass(frozen=True)
class Explained:
    """See above.

    Attributes:
        role: feature, label, weight, excluded, retired or dropped.
        kind: how the model is shown it; empty where it is not.
        expression: of a derived feature; "" of a column. inputs: columns and derived features that it names.
        used_by: derived features that name it.
        settings: dotted names of those that name it.
        statistics: by split; not of what only the training split tells, nor of words.
        drift, skew: by column: its own, and those of the columns that a derived feature is computed of.
        notes: what is not known, and why.
    """

    name: str
    run_id: str
    role: str
    kind: str = ""
    storage: str = ""
    optional: bool = False
    expression: str = ""
    inputs: list[str] = field(default_factory=list)
    used_by: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    vocabulary: Vocabulary | None = None
    learned: list[Learned] = field(default_factory=list)
    statistics: dict[str, SplitStatistics] = field(default_factory=dict)
    importance: Importance | None = None
    drift: dict[str, Distances] = field(default_factory=dict)
    skew: dict[str, Distances] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def explain_feature(run: Run, name: str) -> Explained:
    """Put together what is on record of a column or a derived feature.

    Raises:
        ConfigError: the run knows none of that name.
        WorkspaceError: the run has no configuration or no schema on record.
    """
    config, schema = recorded_settings(run)
    table = table_of(config, schema)
    columns = {feature.name for feature in schema.feature}
    drop, derived = config["data"].get("drop", []), {one.feature.name: one for one in table.derived}
    if name not in (known := [*columns, *derived, *drop]):
        raise ConfigError(
            f"run {run.run_id} knows no column and no derived feature {name!r}",
            did_you_mean(name, known, f"it knows {', '.join(sorted(known)[:_MOST_NAMES])}"),
        )
    every = (*table.features, *(one.feature for one in table.derived))
    feature = next((one for one in every if one.name == name), None)
    artifacts, notes = Artifacts(run), []
    inputs = {
        one: sorted({part.value for part in tree.walk() if part.op in ("column", "derived")})
        for one, tree in trees_of(table).items()
    }
    folder = next((one.folder for one in run.artifacts.get("Transform", []) if one.type == "TransformGraph"), None)
    if folder is None or not folder.is_dir():
        notes.append("the run has no transform graph: what was learned of it is not known")
    vocabulary, learned = None, []
    try:
        vocabulary = _vocabulary(folder, feature, table) if folder and feature and feature.shown else None
        learned = _learned(folder, table, name) if folder and name in derived else []
    except (OSError, ValueError, LookupError) as exc:
        notes.append(f"what was learned of it cannot be read in {folder}: {exc}")
    gate, importance = artifacts.gate() or DataVerdict(), _importance(artifacts, name)
    is_shown = feature is not None and feature.shown
    if is_shown and importance is None:
        notes.append("the evaluation did not measure its importance")
    if config.get("transform", {}).get("preprocessing_fn"):
        notes.append(f"{config['transform']['preprocessing_fn']} makes of it what the model is shown")
    found = next((one for one in artifacts.columns({}) or [] if one.name == name), None)
    findings = [one for one in gate.findings if one.feature == name]
    if name in unshown(config, [*columns]):
        notes.append("its values are not shown: it is about a person, or serving.redact hides it or what it reads")
        vocabulary = vocabulary and replace(vocabulary, first=[])
        learned = [replace(one, top=[]) for one in learned]
        found = found and without_ends(found)
        findings = [one.without_values() for one in findings]
    return Explained(
        name,
        run.run_id,
        _role(name, config, schema, is_shown=is_shown),
        kind=str(feature.kind) if feature and is_shown else "",
        storage=str(feature.storage) if feature else "",
        optional=bool(feature and feature.optional),
        expression=derived[name].expression if name in derived else "",
        inputs=inputs.get(name, []),
        used_by=[one for one, read in inputs.items() if name in read],
        settings=list(_settings_with(name, config)),
        vocabulary=vocabulary,
        learned=learned,
        statistics=found.splits if found else {},
        importance=importance,
        drift=_distances(gate.drift, name, inputs),
        skew=_distances(gate.skew, name, inputs),
        findings=findings,
        notes=[*notes, *artifacts.problems],
    )


def _distances(
    measured: Mapping[str, Distances], name: str, inputs: Mapping[str, Sequence[str]]
) -> dict[str, Distances]:
    own = {name: measured[name]} if name in measured else {}
    return own | {
        column: of for one in inputs.get(name, ()) for column, of in sorted(_distances(measured, one, inputs).items())
    }


def recorded_settings(run: Run) -> tuple[dict[str, Any], schema_pb2.Schema]:
    """Return the configuration of the run, and the schema that guarded it."""
    schema = next((one.folder / "schema.pbtxt" for one in run.artifacts.get("CuratedSchema", [])), None)
    text = run.properties.get("schema_text", "")
    try:
        text = schema.read_text() if schema else text
        config, parsed = json.loads(run.properties.get("config", "{}")), text_format.Parse(text, schema_pb2.Schema())
    except (OSError, ValueError, text_format.ParseError) as exc:
        raise WorkspaceError(
            f"the schema of run {run.run_id} cannot be read: {exc}",
            "ask about another with --run; `longhaul runs` lists them",
        ) from exc
    if not config or not text:
        raise WorkspaceError(
            f"run {run.run_id} has no {'schema' if config else 'configuration'} on record",
            "ask about another with --run; `longhaul runs` lists them",
        )
    return config, parsed


def table_of(config: Mapping[str, Any], schema: schema_pb2.Schema) -> FeatureTable:
    """Return the features of a run, of what `recorded_settings` returns."""
    data, features = config["data"], config.get("features", {})
    columns = {feature.name for feature in schema.feature}
    derive = features.get("derive", {})
    return derive_all(
        schema,
        label=data["label"],
        task=data["task"],
        classes=data.get("classes") or (("0", "1") if data["task"] == "binary" else ()),
        exclude=[
            one
            for one in (*features.get("exclude", ()), *filter(None, [data.get("weight")]))
            if one in columns or one in derive
        ],
        categorical=[one for one in features.get("categorical", ()) if one in columns or one in derive],
        max_vocabulary=features.get("max_vocabulary", 0),
        bins=features.get("bins", 0),
        expressions=derive,
    )


def _role(name: str, config: Mapping[str, Any], schema: schema_pb2.Schema, *, is_shown: bool) -> str:
    if name == config["data"]["label"]:
        return "label"
    if name == config["data"].get("weight"):
        return "weight"
    if is_shown:
        return "feature"
    if name in config["data"].get("drop", ()):
        return "dropped"
    excluded = name in config.get("features", {}).get("exclude", ())
    return "excluded" if excluded or all(one.name != name for one in schema.feature) else "retired"


def _settings_with(name: str, config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the dotted names of the settings that name a column."""
    for section in ("data", "split", "features", "evaluation"):
        for setting, value in (config.get(section) or {}).items():
            if setting not in _NO_NAMES and _names(value, name):
                yield f"{section}.{setting}"


def _names(value: Any, name: str) -> bool:
    if isinstance(value, Mapping):
        return any(key == name or _names(one, name) for key, one in value.items() if key not in _NO_NAMES)
    return any(_names(one, name) for one in value) if isinstance(value, list) else value == name


def _vocabulary(folder: Path, feature: Feature, table: FeatureTable) -> Vocabulary | None:
    file = folder / "transform_fn/assets" / words_file.FILE
    if feature.kind is not Kind.CATEGORICAL or not file.is_file():
        return None
    words = words_file.shown(file.read_text(), feature.name)
    return Vocabulary(len(words), table.max_vocabulary, words[:_MOST_SHOWN])


def _learned(folder: Path, table: FeatureTable, name: str) -> list[Learned]:
    """Return what the statistics in an expression say."""
    trees, file = trees_of(table), folder / "transform_fn/assets" / statistics_file.FILE
    if not file.is_file():
        return []
    in_file = list(dict.fromkeys(part for tree in trees.values() for part in tree.walk() if part.op in STATISTICS))
    lines = statistics_file.parse(file.read_text())
    found = []
    for part in dict.fromkeys(part for part in trees[name].walk() if part.op in STATISTICS):
        of_it = [line for line in lines if line.place == in_file.index(part)]
        keys = sorted(
            ((line.key, line.value, line.rows) for line in of_it if line.key is not None), key=lambda one: -one[2]
        )
        other = next((line.value for line in of_it if line.key is None), float("nan"))
        found.append(Learned(part.op, len(keys), other if other == other else None, keys[:_MOST_SHOWN]))
    return found


def _importance(artifacts: Artifacts, name: str) -> Importance | None:
    told = (artifacts.optional_json("ModelEvaluation", EXPLANATION_FILE) or {}).get("importance") or {}
    features = told.get("features", [])
    for rank, one in enumerate(features, 1):
        if one["name"] == name:
            return Importance(told["metric"], one["drop"], one["spread"], rank, len(features), is_within_noise(one))
    return None
