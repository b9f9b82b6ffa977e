"""How many of the rows that judge a champion it was trained on: its figures are then better than it is.

A split by time, or one by a hash of the same columns, sends a row to the same side whenever it is read. Then the answer
is 0, and no row is read. Else both sides are: a column more moves rows if the whole row is hashed, and other weights or
another column to split by move them, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from pipeline.config.split import Split, TimeSplit, deciding_columns, time_column, unix_seconds
from pipeline.data.artifact_files import find, open_file
from pipeline.data.columns import ColumnType
from pipeline.data.examples import read_examples
from pipeline.data.split import hash_rows
from pipeline.lineage.artifact_names import SUMMARY_FILE


@dataclass(frozen=True)
class Ingested:
    """What ingestion said of an Examples artifact that lies at `uri`.

    Attributes:
        columns: as it read them.
        split: how it split them; None if an older Longhaul did not say.
    """

    uri: str
    columns: dict[str, ColumnType]
    split: Split | None

    @property
    def when(self) -> str | None:
        """The column that puts the rows into the order of time; None without one."""
        return time_column(self.split) if self.split else None

    @classmethod
    def read(cls, uri: str) -> Ingested | None:
        """Return None where nothing lies any more."""
        if not find(uri, SUMMARY_FILE):
            return None
        with open_file(f"{uri}/{SUMMARY_FILE}") as file:
            plain = json.loads(file.read())
        columns = {name: ColumnType(kind) for name, kind in plain["columns"].items()}
        split = TypeAdapter(Split).validate_python(plain["split"]) if "split" in plain else None
        return cls(uri, columns, split)


def count_seen(today: Ingested, splits: Sequence[str], trained_on: Ingested) -> int:
    """Count the rows of some of today's splits that are in the training split of what a model was trained on.

    Rows are told by the columns that both have.
    """
    if today.uri == trained_on.uri or _never_meet(today, trained_on):
        return 0
    kinds = trained_on.columns
    shared = {name: kind for name, kind in today.columns.items() if kinds.get(name) is kind}
    if not shared:
        return 0
    learned = np.unique(np.concatenate(list(_hashes(trained_on.uri, ["train"], shared))))  # 8 bytes a row
    return sum(int(np.isin(rows, learned).sum()) for rows in _hashes(today.uri, splits, shared))


def _hashes(uri: str, splits: Sequence[str], columns: Mapping[str, ColumnType]) -> Iterator[npt.NDArray[np.uint64]]:
    for split in splits:
        for batch in read_examples(uri, split, columns):
            yield hash_rows(batch.select(list(columns)))


def _never_meet(today: Ingested, then: Ingested) -> bool:
    """Return whether no row can have been on the training side then and be on the other today."""
    if today.split is None or then.split is None:
        return False
    if isinstance(today.split, TimeSplit) or isinstance(then.split, TimeSplit):
        return (
            isinstance(today.split, TimeSplit)
            and isinstance(then.split, TimeSplit)
            and today.split.column == then.split.column
            and today.split.eval_from is not None
            and then.split.eval_from is not None
            and unix_seconds(today.split.eval_from) >= unix_seconds(then.split.eval_from)
        )
    if getattr(today.split, "bounds", None) != getattr(then.split, "bounds", None):  # other rows, other bounds
        return False
    return _hashed(today) == _hashed(then) and _training_share(today.split) >= _training_share(then.split)


def _hashed(one: Ingested) -> dict[str, Any]:
    """Return the columns that tell a row's split, with their types, on which the hash depends."""
    assert one.split
    columns = deciding_columns(one.split) or tuple(one.columns)
    return {name: one.columns[name] for name in columns}


def _training_share(split: Any) -> float:
    weights = split.weights
    return float(weights.train / (weights.train + weights.eval + weights.test))
