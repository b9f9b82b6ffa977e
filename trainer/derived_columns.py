"""The derived features of a table: what kind of column each expression gives. Standard library only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trainer.expressions import Node, Type
from trainer.features import Derived, Feature, FeatureTable, Kind, Storage, derive
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


def derive_all(
    schema: Any,
    *,
    exclude: Collection[str],
    categorical: Collection[str],
    expressions: Mapping[str, str],
    **more: Any,
) -> FeatureTable:
    """Read the features off a TFMD schema, as `trainer.features.derive` does, and those that expressions give.

    Args:
        exclude: columns, and derived features that only others read.
        categorical: whole numbers that are codes, derived ones too.
        expressions: by the name of a derived feature.
        more: the other arguments of `derive`.

    Raises:
        KeyError: a name that the schema lacks.
        ExpressionError: an expression breaks a rule.
    """
    hidden = [name for name in exclude if name not in expressions]
    codes = [name for name in categorical if name not in expressions]
    plain = derive(schema, exclude=hidden, categorical=codes, **more)
    if not expressions:
        return plain
    every = derive(schema, exclude=(), categorical=codes, **more)
    label = every.label
    nodes = check(expressions, _types(every.features), label.name, label.classes)
    read = {part.value for node in nodes.values() for part in node.walk() if part.op == "column"}
    features = [replace(feature, shown=feature.name not in hidden) for feature in every.features]
    derived = []
    for name, node in nodes.items():
        kind, storage = _COLUMNS[node.type]
        if name in categorical and node.type is Type.WHOLE:
            kind, storage = Kind.CATEGORICAL, Storage.BYTES
        feature = Feature(name, kind, storage, node.may_lack, name not in exclude)
        derived.append(Derived(feature, expressions[name]))
    return replace(
        every,
        features=tuple(feature for feature in features if feature.shown or feature.name in read),
        derived=tuple(derived),
    )


def trees_of(table: FeatureTable) -> dict[str, Node]:
    """Return the typed trees of a table's derived features, in order."""
    expressions = {derived.feature.name: derived.expression for derived in table.derived}
    return check(expressions, _types(table.features), table.label.name, table.label.classes)


def buckets_of(table: FeatureTable, name: str) -> int:
    """Return into how many buckets the n-grams or items of a derived feature of words go."""
    return int(trees_of(table)[name].value[1])


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
