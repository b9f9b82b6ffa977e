"""Booleans as people read them: they are stored as 0 and 1, and shown as false and true."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2

from trainer.features import FeatureTable, Kind


def boolean_columns(schema: schema_pb2.Schema) -> frozenset[str]:
    """Return the columns of a schema that hold a yes or no as a number."""
    return frozenset(one.name for one in schema.feature if one.HasField("bool_domain") and one.type == schema_pb2.INT)


def in_words(column: pa.Array) -> pa.Array:
    """Return 'false' and 'true' for the numbers of a column; a missing value stays missing."""
    return pc.if_else(pc.not_equal(column, 0), "true", "false")


def readable(columns: Mapping[str, pa.Array], table: FeatureTable) -> dict[str, pa.Array]:
    """Return the columns of features, booleans in words."""
    booleans = {feature.name for feature in table.features if feature.kind is Kind.BOOLEAN}
    return {name: in_words(column) if name in booleans else column for name, column in columns.items()}
