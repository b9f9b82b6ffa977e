"""Counts what the rows of a table hold that a model was not made for, a whole column at a time.

The model itself says what it knows. A value of a category is unknown if the model's own transform gives it the number
that it gives to a word that nobody has; each different value is asked about once. The range of a number is what the
schema said when the model was trained, else what it was trained on (`assets.extra/signatures.json` beside it).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.number_text import bound_text
from pipeline.data.sources.meaning import Misfit
from pipeline.serving.met import EXAMPLES, Kind
from trainer.artifact_names import SIGNATURES_FILE
from trainer.features import FeatureTable, Storage
from trainer.features import Kind as FeatureKind
from trainer.preprocessing import CATEGORICAL
from trainer.rows import to_examples

Rows = npt.NDArray[np.int64]
_NOBODYS = {Storage.BYTES: "\x10nobody's word\x10", Storage.INT: -(2**62) - 20131107}
"""Values that no table holds."""
_TRANSFORM = "transform_features"
_REMEMBERED = 100_000
"""Unknown values of a column; more are asked about again."""
_MARGIN = 0.1
"""Of the range of the training split: so far beyond it a number is still in range. Without it, a third of all columns
were out of range somewhere by chance; see docs/shipping.md."""
_LOOKED_AT = 200
"""Rows that are searched for different values to show."""
_SHOWN = 60
"""Characters of a value."""


class Contract:
    """What a model knows, and what it was asked before.

    Args:
        model: the SavedModel, loaded.
        folder: of the SavedModel.
    """

    def __init__(self, model: Any, folder: str, table: FeatureTable) -> None:
        self._model = model  # which goes with its signatures when nobody holds it
        self.names = [feature.name for feature in table.features]
        self.optional = [feature.name for feature in table.features if feature.optional]
        asks = _TRANSFORM in model.signatures  # a model of the user's does not tell which values it knows
        categories = [one for one in table.features if one.shown and one.kind is FeatureKind.CATEGORICAL]
        self._categories = categories if asks else []
        self._unknown_ids: npt.NDArray[np.int64] | None = None
        empty = {one.name: pa.array([], _type(one.storage)) for one in self._categories}
        self._known, self._unknown = dict(empty), dict(empty)
        self.ranges = _ranges(Path(folder, SIGNATURES_FILE))

    def meter(self) -> Meter:
        """Return what counts the rows of one fragment."""
        return Meter(self)

    def unknown_rows(self, features: pa.RecordBatch) -> dict[str, Rows]:
        """Return the rows that hold a value that the model does not know, by column; columns without any are left
        out."""
        encoded = {one.name: features.column(one.name).dictionary_encode() for one in self._categories}
        self._ask(features, encoded)
        found = {}
        for name, column in encoded.items():
            is_unknown = pc.is_in(column.dictionary, value_set=self._unknown[name]).to_numpy(zero_copy_only=False)
            if is_unknown.any():
                indices = column.indices.fill_null(len(is_unknown)).to_numpy()
                found[name] = np.flatnonzero(np.append(is_unknown, False)[indices])
            if len(self._unknown[name]) > _REMEMBERED:
                self._unknown[name] = self._unknown[name].slice(0, 0)
        return found

    def _ask(self, features: pa.RecordBatch, encoded: Mapping[str, pa.DictionaryArray]) -> None:
        """Ask the model about the values that are new, by one row each."""
        new: dict[str, tuple[pa.Array, Rows]] = {}
        for name, column in encoded.items():
            seen = pc.or_(
                *(pc.is_in(column.dictionary, value_set=known[name]) for known in (self._known, self._unknown))
            )
            if pc.all(seen).as_py():
                continue
            places = np.flatnonzero(~seen.to_numpy(zero_copy_only=False))
            indices = column.indices.fill_null(len(seen)).to_numpy()
            first = np.full(len(seen) + 1, -1)
            first[indices[::-1]] = np.arange(len(indices) - 1, -1, -1)
            new[name] = column.dictionary.take(pa.array(places)), first[places]
        if not new:
            return
        rows = np.unique(np.concatenate([rows for _, rows in new.values()]))
        ids = self._ids(features.take(pa.array(rows)))
        if self._unknown_ids is None:
            self._unknown_ids = self._ids(self._nobodys(features.slice(0, 1)))[0]
        for number, feature in enumerate(self._categories):
            if feature.name in new:
                values, at = new[feature.name]
                is_unknown = pa.array(ids[np.searchsorted(rows, at), number] == self._unknown_ids[number])
                for known, mask in ((self._unknown, is_unknown), (self._known, pc.invert(is_unknown))):
                    known[feature.name] = pa.concat_arrays([known[feature.name], values.filter(mask)])

    def _ids(self, features: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """Return (rows, categorical features)."""
        import tensorflow as tf

        # What else is missing does not matter here, and a schema may say that it must not be.
        filled = [column.fill_null("" if pa.types.is_string(column.type) else 0) for column in features.columns]
        batch = pa.RecordBatch.from_arrays(filled, names=features.schema.names)
        ids: npt.NDArray[np.int64] = self._model.signatures[_TRANSFORM](examples=tf.constant(to_examples(batch)))[
            CATEGORICAL
        ].numpy()
        return ids

    def _nobodys(self, row: pa.RecordBatch) -> pa.RecordBatch:
        for feature in self._categories:
            value = pa.array([_NOBODYS[feature.storage]], _type(feature.storage))
            row = row.set_column(row.schema.get_field_index(feature.name), feature.name, value)
        return row


class Meter:
    """Counts what was met in the rows of one fragment."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._rows = 0
        self._met: dict[str, dict[str, tuple[int, list[tuple[str, int]]]]] = {}

    def add(self, features: pa.RecordBatch, misfits: Sequence[Misfit] = ()) -> None:
        """Count the next rows: flat columns in their stored types, and what they cannot hold, which is null there."""
        unreadable: dict[str, list[int]] = {}
        for name in dict.fromkeys(misfit.column for misfit in misfits):
            found: dict[str, int] = {}
            for misfit in (own := [misfit for misfit in misfits if misfit.column == name])[:_LOOKED_AT]:
                found.setdefault(_text(misfit.value), misfit.row)
            unreadable[name] = [misfit.row for misfit in own]
            self._note(name, Kind.UNREADABLE, len(own), found)
        for name, column in zip(features.schema.names, features.columns, strict=True):
            if column.null_count:
                missing = column.is_null().to_numpy(zero_copy_only=False).copy()
                missing[unreadable.get(name, [])] = False
                self._note(name, Kind.MISSING, int(missing.sum()), {"": int(missing.argmax())})
            if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
                rows = _outside(column, *self._contract.ranges.get(name, (-math.inf, math.inf)))
                self._note(name, Kind.OUT_OF_RANGE, len(rows), _different(column, rows))
        for name, rows in self._contract.unknown_rows(features).items():
            self._note(name, Kind.UNKNOWN, len(rows), _different(features.column(name), rows))
        self._rows += features.num_rows

    def _note(self, name: str, kind: Kind, count: int, values: Mapping[str, int]) -> None:
        """Add to the count of a column's rows, and to the values shown, whose first rows in the batch are given."""
        if count:
            kinds = self._met.setdefault(name, {})
            before, examples = kinds.get(kind.value, (0, []))
            new = [(value, self._rows + row) for value, row in values.items() if value not in dict(examples)]
            kinds[kind.value] = before + count, [*examples, *new][:EXAMPLES]

    def to_json(self) -> dict[str, Any]:
        """Return `pipeline.serving.met.Part.met`."""
        return dict(self._met)


def _outside(column: pa.Array, least: float, greatest: float) -> Rows:
    """Return the rows with a number beyond the bounds, or an infinite one."""
    low, high = pc.min_max(column).as_py().values()
    if low is None:
        return np.empty(0, np.int64)
    is_float = pa.types.is_floating(column.type)
    if is_float:  # as the numbers are, else 0.1 were beyond 0.1
        with np.errstate(over="ignore"):
            least, greatest = float(np.float32(least)), float(np.float32(greatest))
    if least <= low and high <= greatest and math.isfinite(low) and math.isfinite(high):
        return np.empty(0, np.int64)
    if not is_float:  # Arrow compares with no float what no float can be
        least, greatest = max(math.ceil(max(least, -(2.0**63))), low), min(math.floor(min(greatest, 2.0**63)), high)
    outside = pc.or_(pc.less(column, pa.scalar(least)), pc.greater(column, pa.scalar(greatest)))
    if is_float:
        outside = pc.or_(outside, pc.is_inf(column))
    return np.flatnonzero(outside.fill_null(False).to_numpy(zero_copy_only=False))


def _different(column: pa.Array, rows: Rows) -> dict[str, int]:
    """Return a few different values that stand in these rows, with the first row of each."""
    found: dict[str, int] = {}
    for row in map(int, rows[:_LOOKED_AT]):
        if len(found) == EXAMPLES:
            break
        found.setdefault(_text(column[row].as_py()), row)
    return found


def _type(storage: Storage) -> pa.DataType:
    return pa.string() if storage is Storage.BYTES else pa.int64()


def _text(value: object) -> str:
    text = bound_text(value) if isinstance(value, float) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _ranges(file: Path) -> dict[str, tuple[float, float]]:
    """Return least and greatest value of numbers by column, where anything tells one; none of a model that an older
    Longhaul exported."""
    try:
        tensors = json.loads(file.read_text())["signatures"]["serving_tensors"]["inputs"].values()
    except (OSError, ValueError, KeyError):
        return {}
    return {
        told["feature"]: (told.get("min", least), told.get("max", greatest))
        for told in tensors
        if "feature" in told
        for least, greatest in [_widened(*told.get("trained_on", (-math.inf, math.inf)))]
    }


def _widened(least: float, greatest: float) -> tuple[float, float]:
    """Return the range of the training split, widened as far as new rows of the same kind are beyond it by chance.

    Where no training row was below zero, or above it, none is expected there.
    """
    if math.isinf(least):
        return least, greatest
    margin = _MARGIN * (greatest - least)
    low, high = least - margin, greatest + margin
    return max(low, 0.0) if least >= 0 else low, min(high, 0.0) if greatest <= 0 else high
