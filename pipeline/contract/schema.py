"""The schema's view of column types: TFMD on one side, `ColumnType` on the other."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.model_settings import ModelSettings
from pipeline.data.columns import ColumnType, nearest
from pipeline.errors import ConfigError, as_argument
from trainer.derived_columns import derive_all
from trainer.expressions import ExpressionError
from trainer.features import FeatureTable, is_retired


def read_schema(path: Path) -> schema_pb2.Schema:
    """Parse a TFMD schema in text form.

    Raises:
        ConfigError: the file is missing or is not such a schema (with the line).
    """
    return parse_schema(read_schema_text(path), path)


def read_schema_text(path: Path) -> str:
    """Read the file as it is, line endings and all.

    Raises:
        ConfigError: the file is missing or not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise ConfigError(
            f"schema.file: {path} cannot be read: {reason}",
            "correct the path; `longhaul init TABLE --label COLUMN` writes a first schema",
        ) from exc


def parse_schema(text: str, path: Path) -> schema_pb2.Schema:
    """Parse the text of the file at `path`.

    Raises:
        ConfigError: it is not a TFMD schema in text form (with the line).
    """
    try:
        return text_format.Parse(text, schema_pb2.Schema())
    except text_format.ParseError as exc:
        # Its own text begins with line and column and repeats the whole line.
        reason = re.sub(r"^\d+:\d+ : (?:'.*': )?", "", str(exc))
        raise ConfigError(
            f"schema.file: {path}, line {exc.GetLine()}: not a TFMD schema in text form: {reason}", "correct that line"
        ) from exc


def without(schema: schema_pb2.Schema, drop: Collection[str]) -> schema_pb2.Schema:
    """Return the schema without the columns of `data.drop`: what is never read is not asked for either."""
    if not any(feature.name in drop for feature in schema.feature):
        return schema
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    del result.feature[:]
    result.feature.extend(feature for feature in schema.feature if feature.name not in drop)
    return result


def check_columns(settings: ModelSettings, schema: schema_pb2.Schema) -> None:
    """Every column that the configuration names stands in the schema, or is dropped where that makes it needless.

    Raises:
        ConfigError: one does not.
    """
    known = [feature.name for feature in schema.feature]
    retired = {feature.name for feature in schema.feature if is_retired(feature)}
    if not known:
        raise ConfigError(
            f"schema.file: {settings.schema_file} describes no column",
            "`longhaul init TABLE --label COLUMN` writes a first schema",
        )
    named = {
        "data.label": [settings.data.label],
        "data.weight": [] if settings.data.weight is None else [settings.data.weight],
        "data.columns": list(settings.data.columns),
        "features.exclude": settings.features.exclude,
        "features.categorical": settings.features.categorical,
        "serving.rollout.key": [settings.serving.rollout.key]
        if settings.serving.rollout and settings.serving.rollout.key
        else [],
        "evaluation.slices": [column for crossed in settings.evaluation.slices for column in crossed],
    }
    for setting, columns in named.items():
        for column in columns:
            if column in settings.data.drop:
                if setting == "evaluation.slices":
                    raise ConfigError(
                        f"{setting} names {column!r}, which data.drop leaves out",
                        f"take it out of one of the two; `longhaul drop {as_argument(column)}` does both",
                    )
                continue
            if column in settings.features.derive and setting in ("features.exclude", "features.categorical"):
                continue
            if column not in known:
                raise ConfigError(
                    f"{setting}: the schema {settings.schema_file} has no column {column!r}; {nearest(column, known)}",
                    "correct the name, or add the column to the schema",
                )
            if column in retired and setting in ("data.label", "evaluation.slices"):
                raise ConfigError(
                    f"{setting}: the schema {settings.schema_file} retires the column {column!r} (lifecycle_stage)",
                    f"take it out of {setting}, or do not retire it",
                )


def feature_table(settings: ModelSettings, schema: schema_pb2.Schema) -> FeatureTable:
    """Put together the features that schema and configuration give.

    Raises:
        ConfigError: a column named in the configuration is not in the schema, or an expression breaks a rule.
    """
    check_columns(settings, schema)
    drop = settings.data.drop
    try:
        table = derive_all(
            without(schema, drop),
            label=settings.data.label,
            task=settings.data.task,
            classes=settings.data.label_classes,
            exclude=[
                *(name for name in settings.features.exclude if name not in drop),
                *([] if settings.data.weight is None else [settings.data.weight]),
            ],
            categorical=[name for name in settings.features.categorical if name not in drop],
            max_vocabulary=settings.features.max_vocabulary,
            bins=settings.features.bins,
            expressions=settings.features.derive,
        )
    except ExpressionError as exc:
        raise ConfigError(f"features.derive: {exc}", "docs/features.md lists what may stand in an expression") from exc
    if not table.shown:
        raise ConfigError("no feature is left for the model", "take columns out of features.exclude or data.drop")
    return table


def column_type(feature: schema_pb2.Feature) -> ColumnType:
    """Return what a schema feature holds, as ingestion should read it."""
    if feature.HasField("bool_domain"):
        return ColumnType.BOOL
    if feature.HasField("time_domain"):
        return ColumnType.TIMESTAMP
    return {schema_pb2.INT: ColumnType.INT, schema_pb2.FLOAT: ColumnType.FLOAT}.get(feature.type, ColumnType.STRING)
