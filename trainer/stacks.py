"""Raw columns as one matrix for each storage: what the transform graph takes, wherever rows come from.

    floats     (batch, f)  float32  not finite where missing
    ints       (batch, i)  int64    anything where missing
    has_int    (batch, i)  uint8    1 where there is a value
    texts      (batch, t)  string   anything where missing
    has_text   (batch, t)  uint8    1 where there is a value
    label      (batch, 1)           as it is stored; 0 or "" where missing
    folds      (batch, 1)  int64    of a row to learn from; -1 of any other, see trainer.folds

A graph costs by its nodes, in TFT several times over. So its inputs are few, and no column is made sparse or looked at
by itself. A storage that no feature has is left out; the label comes only with rows to learn from; folds are there
only if a derived feature learns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from trainer import folds
from trainer.features import FeatureTable, Storage

if TYPE_CHECKING:
    import tensorflow as tf

FLOATS, INTS, HAS_INT, TEXTS, HAS_TEXT, RAW_LABEL = "floats", "ints", "has_int", "texts", "has_text", "label"
FOLDS = "folds"

OF_AN_EARLIER_LONGHAUL = (
    "this transform graph was written by an earlier Longhaul, which fed it column by column; "
    "write it anew: longhaul run --from Transform"
)

_VALUES = {Storage.FLOAT: FLOATS, Storage.INT: INTS, Storage.BYTES: TEXTS}
_PRESENCE = {Storage.INT: HAS_INT, Storage.BYTES: HAS_TEXT}
_ARROW = {Storage.FLOAT: pa.float32(), Storage.INT: pa.int64(), Storage.BYTES: pa.large_binary()}
_MISSING: dict[Storage, Any] = {Storage.FLOAT: float("nan"), Storage.INT: 0, Storage.BYTES: b""}
_NO_LABEL: dict[Storage, Any] = _MISSING | {Storage.FLOAT: 0.0}


def names_by_storage(table: FeatureTable) -> dict[Storage, list[str]]:
    """Return the features of each storage in the order of the matrix's columns."""
    found: dict[Storage, list[str]] = {}
    for storage in Storage:
        if names := [feature.name for feature in table.features if feature.storage is storage]:
            found[storage] = names
    return found


def widths(table: FeatureTable) -> dict[str, tuple[int, pa.DataType]]:
    """Return columns and type of each matrix, the label's included."""
    found: dict[str, tuple[int, pa.DataType]] = {}
    for storage, names in names_by_storage(table).items():
        found[_VALUES[storage]] = len(names), _ARROW[storage]
        if storage in _PRESENCE:
            found[_PRESENCE[storage]] = len(names), pa.uint8()
    if table.learns:
        found[FOLDS] = 1, pa.int64()
    return found | {RAW_LABEL: (1, _ARROW[table.label.storage])}


def of_arrow(columns: Mapping[str, pa.Array], table: FeatureTable, *, to_learn: bool = False) -> dict[str, pa.Array]:
    """Return the matrices of flat columns, row after row; a feature that has no column is missing in every row.

    Args:
        to_learn: the rows belong to the training split, and so to folds.
    """
    found: dict[str, pa.Array] = {}
    rows = len(next(iter(columns.values())))
    for storage, names in names_by_storage(table).items():
        given = [columns[name] if name in columns else pa.nulls(rows) for name in names]
        found[_VALUES[storage]] = _interleaved(given, storage, _MISSING)
        if storage in _PRESENCE:
            valid = [column.is_valid().to_numpy(zero_copy_only=False) for column in given]
            found[_PRESENCE[storage]] = pa.array(np.stack(valid, axis=1).astype(np.uint8).ravel())
    if table.learns:
        found[FOLDS] = pa.array(folds.of_matrices(found, rows) if to_learn else np.full(rows, folds.NO_FOLD))
    if table.label.name in columns:
        found[RAW_LABEL] = _interleaved([columns[table.label.name]], table.label.storage, _NO_LABEL)
    return found


def of_batch(batch: pa.RecordBatch, table: FeatureTable, *, to_learn: bool = False) -> dict[str, npt.NDArray[Any]]:
    """Return the matrices of a record batch of flat columns; see `of_arrow`."""
    columns, of = dict(zip(batch.schema.names, batch.columns, strict=True)), widths(table)
    return {
        name: flat.to_numpy(zero_copy_only=False).reshape(-1, of[name][0])
        for name, flat in of_arrow(columns, table, to_learn=to_learn).items()
    }


def _interleaved(columns: Sequence[pa.Array], storage: Storage, missing: Mapping[Storage, Any]) -> pa.Array:
    filled = [column.cast(_ARROW[storage], safe=False).fill_null(missing[storage]) for column in columns]
    if storage is not Storage.BYTES:
        return pa.array(np.stack([column.to_numpy(zero_copy_only=False) for column in filled], axis=1).ravel())
    if len(filled) == 1:
        return filled[0]
    order = np.arange(sum(map(len, filled))).reshape(len(filled), -1).T.ravel()
    return pa.concat_arrays(filled).take(pa.array(order))


def of_plain(tensors: Mapping[str, tf.Tensor], table: FeatureTable) -> dict[str, tf.Tensor]:
    """Return the matrices of a plain tensor a feature, (batch,), by its name: NaN or "" stands for a missing value."""
    import tensorflow as tf

    found = {}
    for storage, names in names_by_storage(table).items():
        values = tf.stack([tensors[name] for name in names], axis=1)
        if storage is Storage.FLOAT:
            found[FLOATS] = tf.cast(values, tf.float32)
            continue
        present = tf.strings.length(values) > 0 if storage is Storage.BYTES else ~tf.math.is_nan(values)
        found[_PRESENCE[storage]] = tf.cast(present, tf.uint8)
        found[_VALUES[storage]] = values if storage is Storage.BYTES else tf.cast(values, tf.int64)
    return found | _no_folds(found, table)


def _no_folds(found: Mapping[str, tf.Tensor], table: FeatureTable) -> dict[str, tf.Tensor]:
    import tensorflow as tf

    if not table.learns:
        return {}
    rows = tf.shape(next(iter(found.values())))[0]
    return {FOLDS: tf.fill([rows, 1], tf.constant(folds.NO_FOLD, tf.int64))}


def parse_spec(feature_spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return how to parse tf.Examples for `of_parsed`: as TFT's specification says, ragged where that says sparse."""
    import tensorflow as tf

    return {
        name: tf.io.RaggedFeature(spec.dtype, row_splits_dtype=tf.int64)
        if isinstance(spec, tf.io.VarLenFeature)
        else spec
        for name, spec in feature_spec.items()
    }


def of_parsed(parsed: Mapping[str, Any], table: FeatureTable) -> dict[str, tf.Tensor]:
    """Return the matrices of a tensor a column: ragged or sparse of at most one value a row, or full."""
    import tensorflow as tf

    found = {}
    for storage, names in names_by_storage(table).items():
        found[_VALUES[storage]], present = _stacked([parsed[name] for name in names], _MISSING[storage])
        if storage in _PRESENCE:
            found[_PRESENCE[storage]] = tf.cast(present, tf.uint8)
    if table.label.name in parsed:
        found[RAW_LABEL], _ = _stacked([parsed[table.label.name]], _NO_LABEL[table.label.storage])
    return found | _no_folds(found, table)


def _stacked(columns: Sequence[Any], missing: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Return (value, present), both (batch, columns)."""
    import tensorflow as tf

    columns = [tf.RaggedTensor.from_sparse(one) if isinstance(one, tf.SparseTensor) else one for one in columns]
    ragged = [place for place, column in enumerate(columns) if isinstance(column, tf.RaggedTensor)]
    full = [place for place, column in enumerate(columns) if not isinstance(column, tf.RaggedTensor)]
    values, presence = [], []
    if ragged:
        value, present = _joined([columns[place] for place in ragged], missing)
        values.append(value)
        presence.append(present)
    if full:  # the schema gives them a shape: every row has a value
        value = tf.stack([tf.reshape(columns[place], [-1]) for place in full], axis=1)
        values.append(value)
        presence.append(tf.ones_like(value, dtype=tf.bool))
    if len(values) == 1:
        return values[0], presence[0]
    order = np.argsort([*ragged, *full])
    return tf.gather(tf.concat(values, 1), order, axis=1), tf.gather(tf.concat(presence, 1), order, axis=1)


def _joined(columns: Sequence[tf.RaggedTensor], missing: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Return (value, present), both (batch, columns)."""
    import tensorflow as tf

    splits = tf.stack([column.row_splits for column in columns], axis=1)  # (batch + 1, columns)
    lengths = splits[1:] - splits[:-1]
    too_many = tf.debugging.assert_less_equal(
        lengths, tf.constant(1, tf.int64), "a row has more than one value of a feature"
    )
    with tf.control_dependencies([too_many]):
        present = lengths > 0
    values = tf.concat([*(column.values for column in columns), [missing]], axis=0)
    first = tf.cumsum(splits[-1], exclusive=True)  # where each column's values begin
    place = tf.where(present, splits[:-1] + first, tf.size(values, tf.int64) - 1)
    return tf.ensure_shape(tf.gather(values, place), [None, len(columns)]), present


def is_stacked(inputs: Mapping[str, Any], table: FeatureTable) -> bool:
    """Tell whether TFT hands over matrices, as Longhaul's own Transform has it, or columns, as TFX's does."""
    return set(inputs) == set(widths(table))
