"""The derived features of a table: what kind of column each expression gives. Standard library only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from trainer.expressions import Node, Type
from trainer.features import Derived, Feature, FeatureTable, Kind, Label, Storage
from trainer.typed import check

_COLUMNS = {
    Type.NUMBER: (Kind.NUMERIC, Storage.FLOAT),
    Type.WHOLE: (Kind.NUMERIC, Storage.FLOAT),
    Type.TRUTH: (Kind.BOOLEAN, Storage.FLOAT),
    Type.TIME: (Kind.TIMESTAMP, Storage.FLOAT),
    Type.TEXT: (Kind.CATEGORICAL, Storage.BYTES),
    Type.CODE: (Kind.CATEGORICAL, Storage.BYTES),
    Type.WORDS: (Kind.WORDS, Storage.BYTES),
}


def derived_columns(
    expressions: Mapping[str, str],
    features: Sequence[Feature],
    label: Label,
    excluded: Collection[str],
    codes: Collection[str],
) -> tuple[tuple[Derived, ...], set[str]]:
    """Return the derived features in the order in which they can be computed, and the columns that they read.

    Args:
        features: all columns of the table.
        excluded: names of those that the network is not shown.
        codes: names of whole numbers that are codes.

    Raises:
        ExpressionError: an expression breaks a rule.
    """
    nodes = check(expressions, _types(features), label.name, label.classes)
    derived = []
    for name, node in nodes.items():
        kind, storage = _COLUMNS[node.type]
        if name in codes and node.type is Type.WHOLE:
            kind, storage = Kind.CATEGORICAL, Storage.BYTES
        feature = Feature(name, kind, storage, node.may_lack, name not in excluded)
        derived.append(Derived(feature, expressions[name]))
    read = {part.value for node in nodes.values() for part in node.walk() if part.op == "column"}
    return tuple(derived), read


def trees_of(table: FeatureTable) -> dict[str, Node]:
    """Return the typed trees of a table's derived features, in order."""
    expressions = {derived.feature.name: derived.expression for derived in table.derived}
    return check(expressions, _types(table.features), table.label.name, table.label.classes)


def longest_and_buckets(table: FeatureTable, name: str) -> tuple[int, int]:
    """Return the longest n-grams of a derived feature of words, and into how many buckets they go."""
    longest, buckets = trees_of(table)[name].value
    return longest, buckets


def _types(features: Sequence[Feature]) -> dict[str, tuple[Type, bool]]:
    return {feature.name: (_type(feature), feature.optional) for feature in features}


def _type(feature: Feature) -> Type:
    if feature.storage is Storage.BYTES:
        return Type.TEXT
    if feature.kind is Kind.CATEGORICAL:
        return Type.CODE
    return {
        Kind.BOOLEAN: Type.TRUTH,
        Kind.TIMESTAMP: Type.TIME,
        Kind.NUMERIC: Type.WHOLE if feature.storage is Storage.INT else Type.NUMBER,
    }[feature.kind]
