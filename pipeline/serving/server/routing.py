"""Which rows of a request the candidate of a rollout answers, and what it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.serving.rollout import CANARY, Rollout
from pipeline.serving.server.model import TENSORS, LoadedModel
from pipeline.serving.server.tensors import Array, Arrays, Columns


class Routing:
    """A rollout, with its candidate loaded.

    Args:
        stable, candidate: the versions.
    """

    def __init__(self, rollout: Rollout, stable: LoadedModel, candidate: LoadedModel) -> None:
        self.rollout, self.stable, self.candidate = rollout, stable, candidate

    def chosen(self, signature: str, columns: Columns, rows: int, request_id: str) -> Array:
        """Return which rows the candidate answers: by their key, or all by the request's id."""
        if self.rollout.mode != CANARY:
            return np.zeros(rows, bool)
        keys = self._keys(signature, columns, rows)
        if keys is None:
            return np.full(rows, self.rollout.meets(request_id))
        return np.fromiter(map(self.rollout.meets, keys), bool, rows)

    def _keys(self, signature: str, columns: Columns, rows: int) -> Sequence[Any] | None:
        if not (key := self.rollout.key):
            return None
        name = next((one.input for one in self.stable.layout(signature).columns if one.name == key), key)
        values: Any = columns.get(name)
        if values is None and len(columns) == 1:
            values = _of_examples(next(iter(columns.values())), key)
        return values if values is not None and np.ndim(values) == 1 and len(values) == rows else None

    def asked(self, signature: str, columns: Columns, rows: int) -> Columns | None:
        """Return what the candidate is asked: columns that it does not know are left out, and new ones that may be
        missing are; None if it cannot be asked."""
        if signature not in self.candidate.signatures:
            return None
        mine, its = self.stable.signatures[signature], self.candidate.signatures[signature]
        if mine.outputs.keys() != its.outputs.keys():
            return None
        found: dict[str, Any] = {}
        for name, kind in self.candidate.inputs(signature).items():
            rule = self.candidate.rules.get(name) if signature == TENSORS else None
            if name in columns and self.stable.inputs(signature)[name] == kind:
                found[name] = columns[name]
            elif name not in columns and rule and rule.optional:
                found[name] = [rule.missing] * rows
            else:
                return None
        return found


def _of_examples(values: Any, key: str) -> list[Any] | None:
    """Return the key of each serialized tf.Example; None if these are none, or one has none."""
    from tensorflow.core.example import example_pb2

    found = []
    for value in np.ravel(np.array(values, object)):
        try:
            features = example_pb2.Example.FromString(value).features.feature
        except Exception:  # what protobuf raises has no name of its own
            return None
        kind = features[key].WhichOneof("kind") if key in features else None
        of_key = getattr(features[key], kind).value if kind else ()
        if not of_key:
            return None
        found.append(of_key[0])
    return found


def some(columns: Columns, places: Array) -> Columns:
    """Return some of the rows."""
    return {
        name: [values[place] for place in places] if type(values) is list else np.asarray(values)[places]
        for name, values in columns.items()
    }


def together(parts: Sequence[tuple[Array, Arrays]], rows: int) -> Arrays | None:
    """Return answers to parts of the rows as one; None where they are not one row each."""
    found: Arrays = {}
    for name, first in parts[0][1].items():
        arrays = [(places, outputs[name]) for places, outputs in parts]
        if any(array.ndim == 0 or len(array) != len(places) or array.shape[1:] != first.shape[1:]
               for places, array in arrays):  # fmt: skip
            return None
        found[name] = np.empty((rows, *first.shape[1:]), first.dtype)
        for places, array in arrays:
            found[name][places] = array
    return found
