"""Finds single rows of a run in the files that they came from, by a hash of their values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.config.data import Data
from pipeline.data.columns import ColumnType
from pipeline.data.decided_labels import row_hashes
from pipeline.data.values.readings import readings_of
from pipeline.errors import DataError
from pipeline.guard.rows import Source, numbered


def source_of(data: Data, pattern: str, ingestion: Mapping[str, Any] | None) -> Source | None:
    """Return where a run's rows came from; None where they cannot be read again from here.

    Args:
        ingestion: what ExampleGen told of the run's rows.
    """
    if "://" in pattern or not ingestion:
        return None
    columns = {name: ColumnType(kind) for name, kind in ingestion["columns"].items()}
    spans = set(ingestion["spans"])
    return Source(pattern, columns, spans, form=data.format, readings=readings_of(data))


def find_rows(
    where: Source | None, keys: Sequence[str], label: str, wanted: Collection[int]
) -> dict[int, tuple[str, int]]:
    """Return file and row, from 1, by hash; nothing where the source has changed or cannot be read from here.

    Args:
        keys: columns that tell rows apart; none for all but the label.
        wanted: hashes of decided_labels.row_hashes.
    """
    found: dict[int, tuple[str, int]] = {}
    if where is None or not wanted:
        return found
    array = np.array(sorted(wanted), np.uint64)
    with suppress(DataError, OSError, pa.ArrowException):
        for fragment, numbers, batch in numbered(where, where.columns):
            hashes = row_hashes(batch, label, keys)
            for row in np.flatnonzero(np.isin(hashes, array)):
                found.setdefault(int(hashes[row]), (fragment.path, int(numbers[row])))
            if len(found) == len(array):
                break
    return found
