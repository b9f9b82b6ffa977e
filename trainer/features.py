"""The table of features: which column is shown to the model, and as what.

Derived from the schema (facts) and the configuration (choices). Standard library only, so that every
part of Longhaul can read it cheaply.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """How a column is shown to the model."""

    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"
    TIMESTAMP = "timestamp"
    WORDS = "words"
    """The n-grams of a text, which only a derived feature is."""


class Storage(StrEnum):
    """How a column is stored in a tf.Example."""

    INT = "int"
    FLOAT = "float"
    BYTES = "bytes"


@dataclass(frozen=True)
class Feature:
    """One column.

    Attributes:
        optional: rows without a value are expected; the model is told which they are.
        shown: to the network; else only derived features read it.
    """

    name: str
    kind: Kind
    storage: Storage
    optional: bool
    shown: bool = True


@dataclass(frozen=True)
class Derived:
    """A column that is computed of others, by an expression; see trainer.expressions."""

    feature: Feature
    expression: str


@dataclass(frozen=True)
class Label:
    """What is predicted.

    Attributes:
        task: "binary", "multiclass" or "regression".
        classes: the values as text, in order; empty for a regression.
    """

    name: str
    task: str
    storage: Storage
    classes: tuple[str, ...]


@dataclass(frozen=True)
class FeatureTable:
    """All that preprocessing and model need to know of the columns.

    Attributes:
        features: the columns of the table that are read; rows to score have them.
        max_vocabulary: values kept of a categorical column, the most frequent first.
        bins: of a number, in the network; 0 where none is built.
        derived: columns that are computed of these, each behind those that it uses.
    """

    label: Label
    features: tuple[Feature, ...]
    max_vocabulary: int
    bins: int
    derived: tuple[Derived, ...] = ()

    @property
    def shown(self) -> tuple[Feature, ...]:
        """What the network is shown: columns, then derived features."""
        every = (*self.features, *(derived.feature for derived in self.derived))
        return tuple(feature for feature in every if feature.shown)

    def of(self, *kinds: Kind) -> tuple[Feature, ...]:
        """Return the features of the given kinds that the network is shown, in order."""
        return tuple(feature for feature in self.shown if feature.kind in kinds)

    @property
    def optional(self) -> tuple[Feature, ...]:
        """The features whose absence is flagged. A category's absence has an id of its own; words are many or none."""
        return tuple(
            feature for feature in self.shown if feature.optional and feature.kind not in (Kind.CATEGORICAL, Kind.WORDS)
        )

    @property
    def tensor_names(self) -> dict[str, str]:
        """By feature, the name of its plain tensor; see the function. Derived ones, which no request has, come last."""
        return tensor_names(
            [*(feature.name for feature in self.features), *(derived.feature.name for derived in self.derived)]
        )

    @property
    def learns(self) -> bool:
        """Whether a derived feature learns of the training rows, which then belong to folds."""
        return any(name in derived.expression for derived in self.derived for name in ("mean_by", "rate_by"))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for a TFX execution property; without what a table without derived features has not."""
        found = asdict(self)
        for feature in [*found["features"], *(derived["feature"] for derived in found["derived"])]:
            if feature["shown"]:
                del feature["shown"]
        if not self.derived:
            del found["derived"]
        return found

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FeatureTable:
        """Return the inverse of `to_dict`, also after JSON; `bins` may be left out."""
        label = data["label"]
        return cls(
            label=Label(label["name"], label["task"], Storage(label["storage"]), tuple(label["classes"])),
            features=tuple(map(_feature, data["features"])),
            max_vocabulary=data["max_vocabulary"],
            bins=data.get("bins", 0),
            derived=tuple(
                Derived(_feature(entry["feature"]), entry["expression"]) for entry in data.get("derived", ())
            ),
        )


def _feature(entry: dict[str, Any]) -> Feature:
    return Feature(
        entry["name"], Kind(entry["kind"]), Storage(entry["storage"]), entry["optional"], entry.get("shown", True)
    )


_MOST_UNDERSCORES = 8


def tensor_names(columns: Iterable[str]) -> dict[str, str]:
    """Name the plain tensor of each column: the column's own name wherever TensorFlow takes and keeps it.

    An argument of a SavedModel's signature is a parameter of a Python function and a node of a graph. So it must be
    an ASCII identifier that begins with a letter, no keyword of Python, not `self`, and no other's but for its case.

    Returns:
        By column, in order; all different, also in lower case.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    tried: Counter[str] = Counter()  # of names that fall together, as all those of two characters of another script do
    for column in columns:
        name = re.sub(r"[^A-Za-z0-9_]", "_", column)
        if not name[:1].isalpha() or keyword.iskeyword(name) or name == "self":
            name = f"column_{name}"
        plain = name
        while name.lower() in taken:
            tried[plain.lower()] += 1
            times = tried[plain.lower()]
            name = plain + "_" * times if times <= _MOST_UNDERSCORES else f"{plain}_{times}"
        taken.add(name.lower())
        names[column] = name
    return names


def derive(
    schema: Any,
    *,
    label: str,
    task: str,
    classes: Iterable[str],
    exclude: Iterable[str],
    categorical: Iterable[str],
    max_vocabulary: int,
    bins: int,
) -> FeatureTable:
    """Read the features off a TFMD schema.

    Args:
        schema: a tensorflow_metadata Schema.
        exclude: columns that stay out of the model.
        categorical: integer columns that are codes.

    Raises:
        KeyError: a name among `label`, `exclude` or `categorical` that the schema lacks.
    """
    known = {feature.name: feature for feature in schema.feature}
    excluded, codes = set(exclude), set(categorical)
    for name in (label, *excluded, *codes):
        if name not in known:
            raise KeyError(name)
    features = tuple(
        Feature(name, _kind(feature, name in codes), _storage(feature), feature.presence.min_fraction < 1.0)
        for name, feature in known.items()
        if name != label and name not in excluded and not is_retired(feature)
    )
    return FeatureTable(Label(label, task, _storage(known[label]), tuple(classes)), features, max_vocabulary, bins)


def is_retired(feature: Any) -> bool:
    """Return whether Transform leaves a column of the schema out by itself, as it does in most stages of a column's
    life."""
    # LifecycleStage: PLANNED = 1, ALPHA = 2, DEPRECATED = 5, DEBUG_ONLY = 6, DISABLED = 7, VALIDATION_DERIVED = 9
    return feature.deprecated or feature.lifecycle_stage in (1, 2, 5, 6, 7, 9)


def _storage(feature: Any) -> Storage:
    # FeatureType: BYTES = 1, INT = 2, FLOAT = 3 (tensorflow_metadata/proto/v0/schema.proto)
    return {1: Storage.BYTES, 2: Storage.INT, 3: Storage.FLOAT}[feature.type]


def _kind(feature: Any, is_code: bool) -> Kind:
    storage = _storage(feature)
    if feature.HasField("bool_domain") and storage is Storage.INT:
        return Kind.BOOLEAN
    if feature.HasField("time_domain"):
        return Kind.TIMESTAMP
    if storage is Storage.BYTES or is_code or feature.int_domain.is_categorical:
        return Kind.CATEGORICAL
    return Kind.NUMERIC
