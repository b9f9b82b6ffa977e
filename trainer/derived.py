"""Derived features as a graph: the typed trees of trainer.derived_columns, compiled to operations.

A number, also yes or no and a time, is float64 (batch,), NaN where it is missing: it holds whole numbers to 2^53. A
text is a string (batch,) and whether it is there (batch,). What a missing input does: see trainer.functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from trainer import learned, operations
from trainer.derived_columns import trees_of
from trainer.expression_types import TEXTUAL
from trainer.expressions import Node, Type
from trainer.features import FeatureTable, Kind, Label, Storage
from trainer.functions import STATISTICS

Text = tuple[tf.Tensor, tf.Tensor]
"""Values and presence."""


class Columns(NamedTuple):
    """The raw columns that are read.

    Attributes:
        numbers: float64 (batch,) by name, NaN where missing.
        stored: of texts and whole numbers (batch,) values by name, and whether they are there.
        label: (batch, 1) as it is stored.
        folds: (batch, 1) of a row to learn from, -1 of any other; None where nothing is learned.
    """

    numbers: Mapping[str, tf.Tensor]
    stored: Mapping[str, tuple[tf.Tensor, tf.Tensor]]
    label: tf.Tensor
    folds: tf.Tensor | None


class Derived:
    """What the derived features of a table are in a batch of rows."""

    def __init__(self, columns: Columns, table: FeatureTable) -> None:
        self._columns, self._table = columns, table
        self._trees = trees_of(table)
        self._storage = {feature.name: feature.storage for feature in table.features}
        self._statistics: dict[Node, tf.Tensor] = {}
        self._known: dict[Node, Any] = {}
        self._matrices: dict[tuple[str, ...], tf.Tensor] = {}
        self._numeric = [
            one.feature.name for one in table.derived if one.feature.kind not in (Kind.CATEGORICAL, Kind.WORDS)
        ]
        self._known_texts: dict[Node, Text] = {}
        self._learn()

    def numbers(self, names: Sequence[str]) -> tf.Tensor:
        """Return float32 (batch, names), NaN where missing, also where it is too large."""
        parts, order = [], []
        for learns in (False, True):  # apart: what is known must not wait for what is learned
            every = [name for name in self._numeric if self.is_learned(name) is learns]
            if any(name in every for name in names):
                parts.append(self._matrix(tuple(every)))
                order += every
        matrix = tf.concat(parts, axis=1) if len(parts) > 1 else parts[0]
        return matrix if order == list(names) else tf.gather(matrix, [order.index(name) for name in names], axis=1)

    def _matrix(self, names: tuple[str, ...]) -> tf.Tensor:
        if names not in self._matrices:
            found = tf.cast(tf.stack([self.number(name) for name in names], axis=1), tf.float32)
            self._matrices[names] = tf.where(tf.math.is_finite(found), found, float("nan"))
        return self._matrices[names]

    def number(self, name: str) -> tf.Tensor:
        """Return float64 (batch,), NaN where missing."""
        found: tf.Tensor = self._number(self._trees[name])
        return found

    def texts(self, names: Sequence[str]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return values and presence, both (batch, names)."""
        pairs = [self._text(self._trees[name]) for name in names]
        return tf.stack([value for value, _ in pairs], axis=1), tf.stack([present for _, present in pairs], axis=1)

    def words(self, name: str) -> tuple[Text, int | str, int]:
        """Return a text, its longest n-grams or what stands between its items, and into how many buckets they go."""
        node = self._trees[name]
        return self._text(node.args[0]), *node.value

    def is_learned(self, name: str) -> bool:
        """Return whether it is computed of what was learned of the training rows."""
        return any(
            part.op in STATISTICS or (part.op == "derived" and self.is_learned(part.value))
            for part in self._trees[name].walk()
        )

    def is_statistic(self, name: str) -> bool:
        """Return whether it is just what was learned of a key, with nothing computed of it."""
        tree = self._trees[name]
        return self.is_statistic(tree.value) if tree.op == "derived" else tree.op in STATISTICS

    def quantiles(self, names: Sequence[str], buckets: int) -> tf.Tensor:
        """Return (names, buckets - 1) of the training rows, of names that `is_statistic`."""
        found = learned.quantiles(self._asked, buckets)
        return tf.gather(found, [list(self._statistics).index(self._statistic(name)) for name in names])

    def _statistic(self, name: str) -> Node:
        tree = self._trees[name]
        return self._statistic(tree.value) if tree.op == "derived" else tree

    def _learn(self) -> None:
        """Look all statistics up at once."""
        wanted = list(
            dict.fromkeys(part for tree in self._trees.values() for part in tree.walk() if part.op in STATISTICS)
        )
        if not wanted:
            return
        keys = [self._text(node.args[0]) for node in wanted]
        none = tf.zeros_like(keys[0][1], tf.float64)
        values = []
        for node in wanted:
            if node.op == "rate_by":
                values.append(none + _of_label(self._columns.label, self._table.label, node.value[1]))
            else:
                values.append(none + self._number(node.args[1]) if node.op == "mean_by" else none)
        self._asked = learned.Asked(
            tf.stack([key for key, _ in keys], axis=1),
            tf.stack([present for _, present in keys], axis=1),
            tf.stack(values, axis=1),
            self._columns.folds,
            [(node.op, node.value[0]) for node in wanted],
        )
        found = learned.look_up(self._asked)
        self._statistics = dict(zip(wanted, tf.unstack(found, len(wanted), axis=1), strict=True))

    def _number(self, node: Node) -> tf.Tensor:
        if node not in self._known:
            self._known[node] = self._new_number(node)
        return self._known[node]

    def _text(self, node: Node) -> Text:
        if node not in self._known_texts:
            self._known_texts[node] = self._new_text(node)
        return self._known_texts[node]

    def _new_number(self, node: Node) -> tf.Tensor:
        match node.op:
            case "literal":
                return tf.constant(float(node.value), tf.float64)
            case "column":
                return self._columns.numbers[node.value]
            case "derived":
                return self._number(self._trees[node.value])
            case "is_missing":
                return tf.cast(self._is_missing(node.args[0]), tf.float64)
            case "length" | "contains":
                return operations.OF_TEXT[node.op](*self._text(node.args[0]), node.value)
            case "==" | "!=" | "in" if node.args[0].type in TEXTUAL:
                return self._compare_texts(node)
            case "in" | "bucket":
                return operations.OF_LIST[node.op](self._number(node.args[0]), node.args[1].value)
            case name if name in STATISTICS:
                return self._statistics[node]
        compute: Callable[..., tf.Tensor] = operations.OF_NUMBERS[node.op]
        return compute(*map(self._number, node.args))

    def _is_missing(self, node: Node) -> tf.Tensor:
        if node.type in TEXTUAL:
            return ~self._text(node)[1]
        return tf.math.is_nan(self._number(node))

    def _compare_texts(self, node: Node) -> tf.Tensor:
        value, present = self._text(node.args[0])
        if node.op == "in":
            found = tf.reduce_any(value[..., tf.newaxis] == tf.constant(node.args[1].value), axis=-1)
        else:
            other, other_present = self._text(node.args[1])
            present = present & other_present
            found = value == other if node.op == "==" else value != other
        return tf.where(present, tf.cast(found, tf.float64), operations.MISSING)

    def _new_text(self, node: Node) -> Text:
        match node.op:
            case "literal" if node.type is Type.TEXT:
                return tf.constant(node.value), tf.constant(True)
            case "column" if self._storage[node.value] is Storage.BYTES:
                return self._columns.stored[node.value]
            case "column" if self._storage[node.value] is Storage.INT and node.type is not Type.TRUTH:
                value, present = self._columns.stored[node.value]
                return tf.strings.as_string(value), present
            case "derived" if node.type in TEXTUAL:
                return self._text(self._trees[node.value])
            case "lower" | "extract":
                value, present = operations.OF_TEXT[node.op](*self._text(node.args[0]), node.value)
                return value, present
            case "cross":
                return operations.cross([self._text(arg) for arg in node.args])
            case "hash_bucket":
                value, present = self._text(node.args[0])
                return tf.strings.as_string(tf.strings.to_hash_bucket_fast(value, node.value)), present
            case "where" if node.type in TEXTUAL:
                condition, (yes, has_yes), (no, has_no) = self._number(node.args[0]), *map(self._text, node.args[1:])
                chosen = condition == 1
                return tf.where(chosen, yes, no), tf.where(chosen, has_yes, has_no) & ~tf.math.is_nan(condition)
            case "coalesce" if node.type in TEXTUAL:
                return operations.first_text([self._text(arg) for arg in node.args])
        return operations.as_text(self._number(node), is_truth=node.type is Type.TRUTH)


def _of_label(raw: tf.Tensor, label: Label, class_: str) -> tf.Tensor:
    """Return the number of a regression, or 1 for the rows of a class, float64 (batch,)."""
    value = tf.squeeze(raw, axis=1)
    if label.task == "regression":
        return tf.cast(value, tf.float64)
    text = value if label.storage is Storage.BYTES else tf.strings.as_string(value)
    return tf.cast(text == class_, tf.float64)


def of_kind(table: FeatureTable, *kinds: Kind) -> list[str]:
    """Return the names of the derived features of some kinds that the network is shown, in order."""
    return [one.feature.name for one in table.derived if one.feature.kind in kinds and one.feature.shown]


def columns_read(table: FeatureTable) -> set[str]:
    """Return the columns that derived features read."""
    return {part.value for tree in trees_of(table).values() for part in tree.walk() if part.op == "column"}
