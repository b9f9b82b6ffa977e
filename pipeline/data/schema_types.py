"""The schema's view of column types: TFMD on one side, `ColumnType` on the other."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.data.columns import ColumnType
from pipeline.errors import ConfigError


def read_schema(path: Path) -> schema_pb2.Schema:
    """Parses a TFMD schema in text form.

    Raises:
        ConfigError: the file is missing or is not such a schema (with the line).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(
            f"schema.file: {path} cannot be read ({exc})", "`longhaul init` writes a first schema"
        ) from exc
    try:
        return text_format.Parse(text, schema_pb2.Schema())
    except text_format.ParseError as exc:
        raise ConfigError(f"schema.file: {path} is not a TFMD schema: line {exc}", "mend that line") from exc


def column_type(feature: schema_pb2.Feature) -> ColumnType:
    """What a schema feature holds, as ingestion should read it."""
    if feature.HasField("bool_domain"):
        return ColumnType.BOOL
    if feature.HasField("time_domain"):
        return ColumnType.TIMESTAMP
    return {schema_pb2.INT: ColumnType.INT, schema_pb2.FLOAT: ColumnType.FLOAT}.get(feature.type, ColumnType.STRING)
