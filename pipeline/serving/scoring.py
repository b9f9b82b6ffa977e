"""A table through a served model, by Beam, on record batches.

Each fragment of the table becomes one shard of the output: its rows in their order, with the predictions beside them.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.data.columns import ColumnType
from pipeline.data.csv_text import csv_lines
from pipeline.data.shards import ROW_GROUP_ROWS, ParquetShard
from pipeline.data.sources import source
from pipeline.data.sources.meaning import Misfit
from pipeline.errors import DataError
from pipeline.files import flush_file, incoming
from pipeline.serving.checkpoint import OUTCOME
from pipeline.serving.meter import Contract, Meter
from pipeline.serving.predicted_columns import predicted_columns, predicted_names
from pipeline.serving.probe import EXACT_INT
from trainer.features import FeatureTable
from trainer.rows import to_examples, to_plain

_BATCH_ROWS = 4096
"""What the model is given at once: beyond some thousands more rows make nothing faster."""
_BATCH_CELLS = 1 << 21
"""The same in rows times features: of a wide table few rows are much work."""
_MAX_CELLS = 1 << 23
"""What is read at once, in rows times columns: a bound on memory for wide tables."""


@dataclass(frozen=True)
class Scoring:
    """What every worker needs to know.

    Attributes:
        model: folder of the SavedModel.
        tensor_names: by feature, the name of its plain tensor in this model.
        columns: those to pass on, in order, with their types.
        features: those to give the model, with theirs.
        verbatim: whether columns are passed on as the files hold them; else as their types say.
        as_csv: whether shards are CSV (without a header) or Parquet.
        version: name and value of the column that says which model predicted.
        threshold: of a binary task, the probability from which on a row is called positive.
    """

    model: str
    table: FeatureTable
    tensor_names: Mapping[str, str]
    columns: Mapping[str, ColumnType]
    features: Mapping[str, ColumnType]
    verbatim: bool
    as_csv: bool
    version: tuple[str, str]
    threshold: float = 0.5

    @property
    def added(self) -> list[str]:
        """Names of the columns beside those that are passed on."""
        return [*predicted_names(self.table.label), self.version[0]]


@dataclass(frozen=True)
class Outcome:
    """What was written of a fragment: its rows, and of the predictions either `classes` (rows of each) or `values`
    (least, greatest, sum).

    Attributes:
        shard: path of the file.
        is_new: whether it was written now; else it was there from an interrupted prediction.
        met: what the model was not made for; see `pipeline.serving.met.Part`.
    """

    fragment: int
    shard: str
    rows: int
    is_new: bool
    classes: dict[str, int] = field(default_factory=dict)
    values: tuple[float, float, float] = (math.inf, -math.inf, 0.0)
    met: dict[str, Any] = field(default_factory=dict)


def score(
    fragments: Sequence[source.Fragment], scoring: Scoring, folder: Path, beam_arguments: Sequence[str]
) -> list[Outcome]:
    """Write one shard per fragment that has rows into `folder`; a fragment whose shard is finished is left alone.

    Returns:
        In the order of the fragments, those that have rows.

    Raises:
        DataError: what a fragment holds cannot be scored.
    """
    waiting = [number for number in range(len(fragments)) if not _outcome_file(folder, number).exists()]
    if waiting:
        with beam.Pipeline(options=PipelineOptions(list(beam_arguments))) as pipeline:
            _ = (
                pipeline
                | "ListFragments" >> beam.Create([(number, fragments[number]) for number in waiting])
                | "SpreadFragments" >> beam.Reshuffle()
                | "ScoreFragment" >> beam.ParDo(_ScoreFragment(scoring, folder))
            )
    outcomes = [json.loads(_outcome_file(folder, number).read_text()) for number in range(len(fragments))]
    for outcome in outcomes:
        if "problem" in outcome:
            raise DataError(*outcome["problem"])
    return [Outcome(is_new=outcome["fragment"] in waiting, **outcome) for outcome in outcomes if outcome["rows"]]


def _outcome_file(folder: Path, number: int) -> Path:
    """Return what became of a fragment; it is there when all else of it is."""
    return folder / f"{number:06d}{OUTCOME}"


class _ScoreFragment(beam.DoFn):
    """(number, fragment) -> nothing; what was written of it, or a DataError, stands in its outcome file.

    Beam would turn the error to text.
    """

    def __init__(self, scoring: Scoring, folder: Path) -> None:
        self._scoring = scoring
        self._folder = folder

    def setup(self) -> None:
        import tensorflow as tf

        self._model = tf.saved_model.load(self._scoring.model)
        self._contract = Contract(self._model, self._scoring.model, self._scoring.table)

    def process(self, numbered: tuple[int, source.Fragment]) -> None:
        number, fragment = numbered
        try:
            outcome = self._write(f"{self._folder}/{number:06d}", fragment)
        except DataError as problem:
            outcome = {"problem": [problem.what, problem.remedy]}
        with incoming(_outcome_file(self._folder, number)) as hidden:
            hidden.write_text(json.dumps({"fragment": number, **outcome}))

    def _write(self, stem: str, fragment: source.Fragment) -> dict[str, Any]:
        label = self._scoring.table.label
        path = f"{stem}.{'csv' if self._scoring.as_csv else 'parquet'}"
        at_once = max(1, min(_BATCH_ROWS, _BATCH_CELLS // len(self._scoring.features)))
        tally, meter = _Tally(label.task == "regression"), Meter(self._contract)
        shard: _CsvShard | ParquetShard | None = None
        with ExitStack() as open_files:
            for passed, features, misfits in _rows(fragment, self._scoring):
                scores = np.concatenate(
                    [self._predict(features.slice(at, at_once)) for at in range(0, features.num_rows, at_once)]
                )
                predicted = predicted_columns(label, scores, self._scoring.threshold)
                batch = pa.RecordBatch.from_arrays(
                    [*passed.columns, *predicted, pa.repeat(self._scoring.version[1], passed.num_rows)],
                    names=[*passed.schema.names, *self._scoring.added],
                )
                if shard is None:
                    shard = (
                        _CsvShard(path, open_files)
                        if self._scoring.as_csv
                        else ParquetShard(stem, batch.schema, open_files)
                    )
                shard.write(batch)
                tally.add(predicted[0])
                meter.add(features, misfits)
        if shard is not None:
            flush_file(Path(path))
        return {"shard": path, **tally.to_json(), "met": meter.to_json()}

    def _predict(self, features: pa.RecordBatch) -> npt.NDArray[Any]:
        """Return (rows, outputs), by plain tensors; where those cannot tell all values apart, by tf.Examples, which
        take more than twice the time."""
        import tensorflow as tf

        signatures = self._model.signatures
        if all(map(_is_plain, features.columns)):
            names = self._scoring.tensor_names
            tensors = {
                names[feature.name]: tf.constant(to_plain(features.column(feature.name), feature.storage))
                for feature in self._scoring.table.features
            }
            answer = signatures["serving_tensors"](**tensors)
        else:
            answer = signatures["serving_default"](examples=tf.constant(to_examples(features)))
        scores: npt.NDArray[Any] = answer["prediction"].numpy()
        if "predicted_class" in answer:
            self._check_order(scores, answer["predicted_class"].numpy())
        return scores

    def _check_order(self, scores: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> None:
        """Refuse another order than the model knows its classes in; the configuration may have changed since."""
        classes = self._scoring.table.label.classes
        expected = np.array([name.encode() for name in classes], object)[scores.argmax(axis=1)]
        if (expected != predicted).any():
            raise DataError(
                f"the model {self._scoring.model} was taught other classes than {list(classes)}, or in another order",
                "give data.classes as they were when it was trained",
            )


def _rows(fragment: source.Fragment, scoring: Scoring) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch, list[Misfit]]]:
    """Yield batches of the columns to pass on, of the same rows' features in their stored types, and what does not fit
    those: every row is scored, a value that does not fit is missing."""
    both = {**scoring.columns, **scoring.features}
    rows = max(1, min(ROW_GROUP_ROWS, _MAX_CELLS // len(both)))
    if scoring.verbatim:
        passed = source.read_verbatim(fragment, list(scoring.columns), rows)
        for row, (features, misfits) in zip(passed, source.read_marked(fragment, scoring.features, rows), strict=True):
            yield row, features, misfits
    else:
        for batch, misfits in source.read_marked(fragment, both, rows):
            readable = _readable(batch.select(list(scoring.columns)), scoring.columns)
            yield readable, batch.select(list(scoring.features)), misfits


def _readable(batch: pa.RecordBatch, columns: Mapping[str, ColumnType]) -> pa.RecordBatch:
    """Return stored types as a person would have them: booleans and times are marked as such."""
    types = {ColumnType.BOOL: pa.bool_(), ColumnType.TIMESTAMP: pa.timestamp("s", "UTC")}
    arrays = [batch.column(name).cast(types.get(kind, kind.stored)) for name, kind in columns.items()]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _is_plain(column: pa.Array) -> bool:
    """Return whether `serving_tensors` sees what `serving_default` would: to it "" is missing, and numbers are
    float64."""
    if pa.types.is_string(column.type):
        return not pc.any(pc.equal(column, "")).as_py()
    if pa.types.is_integer(column.type) and column.null_count < len(column):
        bounds = pc.min_max(column).as_py()
        return bounds["min"] >= -EXACT_INT and bounds["max"] <= EXACT_INT
    return True


class _CsvShard:
    """Lines without a header: shards are put together as they are."""

    def __init__(self, path: str, open_files: ExitStack) -> None:
        self._file = open_files.enter_context(FileSystems.create(path))

    def write(self, rows: pa.RecordBatch) -> None:
        self._file.write(csv_lines(rows.columns))


class _Tally:
    """Counts rows, and what was predicted: rows per class, or least, greatest and sum of the values."""

    def __init__(self, is_regression: bool) -> None:
        self._is_regression = is_regression
        self._rows = 0
        self._classes: Counter[str] = Counter()
        self._values = (math.inf, -math.inf, 0.0)

    def add(self, predicted: pa.Array) -> None:
        """Count some rows; `predicted` is their class or value."""
        self._rows += len(predicted)
        if self._is_regression:
            least, greatest, total = self._values
            bounds = pc.min_max(predicted).as_py()
            sum_ = pc.sum(predicted.cast(pa.float64())).as_py()
            self._values = (min(least, bounds["min"]), max(greatest, bounds["max"]), total + sum_)
        else:
            for entry in pc.value_counts(predicted).to_pylist():
                self._classes[str(entry["values"])] += entry["counts"]

    def to_json(self) -> dict[str, Any]:
        predicted = {"values": self._values} if self._is_regression else {"classes": self._classes}
        return {"rows": self._rows, **predicted}
