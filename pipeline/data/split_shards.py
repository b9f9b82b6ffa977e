"""What a Beam worker does of ingestion: a fragment of the table becomes one shard per split.

Apart from the component, because a worker on a cluster imports what it runs, and TFX and TensorFlow take seconds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.io.filesystems import FileSystems

from pipeline.config.data import Data
from pipeline.config.split import Split
from pipeline.data.columns import ColumnType
from pipeline.data.decided_labels import ApplyDecisions
from pipeline.data.labels import LabelTally
from pipeline.data.patterns import has_spans
from pipeline.data.row_weights import check_weights
from pipeline.data.set_aside import Aside
from pipeline.data.shards import ROW_GROUP_ROWS, ParquetShard, Shard, TFExampleShard, digest_of, shard_name
from pipeline.data.sources import fragments, source, table_files
from pipeline.data.sources.meaning import without_misfits
from pipeline.data.split import assign
from pipeline.errors import DataError


class WriteSplitShards:
    """Reads fragments of a table and writes their rows into shards, by split."""

    def __init__(
        self,
        columns: Mapping[str, ColumnType],
        data: Data,
        split: Split,
        split_uris: Mapping[str, str],
        decisions: Mapping[str, Any] | None = None,
    ) -> None:
        self._columns = dict(columns)
        self._data = data
        self._split = split
        self._split_uris = dict(split_uris)
        self._has_spans = has_spans(data.path)
        self._decide = ApplyDecisions(decisions, data.label) if decisions else None

    def __call__(self, numbered: tuple[int, source.Fragment]) -> dict[str, Any]:
        """Tell what was written of one. A DataError comes back as data: Beam would turn it to text."""
        number, fragment = numbered
        try:
            with ExitStack() as open_files:
                outcome, shards = self._write(number, fragment, open_files)
        except DataError as problem:
            return {"problem": [problem.what, problem.remedy]}
        return outcome | {
            "span": fragment.span,
            "shards": {path: digest_of(path) for path in shards} if self._has_spans else {},
        }

    def _write(self, number: int, fragment: source.Fragment, open_files: ExitStack) -> tuple[dict[str, Any], list[str]]:
        tally = LabelTally()
        rows = dict.fromkeys(self._split_uris, 0)
        shards: dict[str, Shard] = {}
        stem = shard_name(number, fragment.span if self._has_spans else None)
        open_shard = ParquetShard if self._data.payload == "parquet" else TFExampleShard
        aside, decided, weight = Aside(), Counter[str](), self._data.weight
        weights = dict.fromkeys(self._split_uris, 0.0)
        for whole, misfits in source.read_marked(fragment, self._columns, ROW_GROUP_ROWS):
            if weight is not None:
                place = partial(fragments.place_of, fragment, aside.read)
                check_weights(whole, weight, self._data.label, misfits, place)
            aside.add(whole.num_rows, misfits)
            batch = without_misfits(whole, misfits)
            labelled = batch.filter(batch.column(self._data.label).is_valid())
            tally.unlabelled += batch.num_rows - labelled.num_rows
            which = assign(labelled, self._split, fragment.span)
            for index, (name, uri) in enumerate(self._split_uris.items()):
                part = labelled.filter(pa.array(which == index))
                if self._decide and index == 0:  # the rows that judge stay as they are: metrics can be compared
                    part = self._decide(part, decided)
                if part.num_rows:
                    if name not in shards:
                        shards[name] = open_shard(f"{uri}/{stem}", part.schema, open_files)
                    shards[name].write(part)
                    rows[name] += part.num_rows
                    if weight is not None:
                        weights[name] += float(pc.sum(part.column(weight).cast(pa.float64())).as_py())
                    tally.add(name, part.column(self._data.label), self._data.task)
        outcome: dict[str, Any] = {"rows": rows, "labels": tally.to_json(), "decided": decided}
        if weight is not None:
            outcome["weights"] = weights
        if fragment.readings.set_aside:
            outcome["aside"] = {"fragment": number, "file": table_files.file_name(fragment.path), **aside.to_json()}
        return outcome, [shard.path for shard in shards.values()]


def write_json(value: Any, path: str) -> None:
    """Write a file anew."""
    with FileSystems.create(path) as file:
        file.write(json.dumps(value, indent=1).encode())
