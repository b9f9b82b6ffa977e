"""Record batches to what metrics follow from: rows scored by every model, and added up by slice.

TFMA takes a batch of predictions apart and adds its rows to every metric of every slice one by one, in Python. Here a
whole slice of a batch is added up at once (see tallies.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow_model_analysis as tfma

from pipeline.config.evaluation import Explain
from pipeline.evaluation.baselines import NETWORK
from pipeline.evaluation.booleans import in_words
from pipeline.evaluation.model_inputs import network_inputs
from pipeline.evaluation.own_metrics import ScoredRows
from pipeline.evaluation.periods import Key, periods_of, span_of_batch
from pipeline.evaluation.row_sample import KeepSample, digests, sample_of
from pipeline.evaluation.tallies import BLOCKS, Rows, Tally, add, rows_of

Array = npt.NDArray[Any]
SliceKey = tuple[tuple[str, Any], ...]
"""((column, value), …), the columns in alphabetical order; empty for all rows."""

RAW_RECORD = tfma.ARROW_INPUT_COLUMN
"""The column of serialized tf.Examples that feeds the models."""

TALLIES, SAMPLE, BASELINES, PERIODS = "tallies", "sample", "baselines", "periods"
_SAMPLE_ROWS = 2_000
"""Kept at least, of an even choice: a picture of a regression needs them."""
_WRONG_ROWS = 100


@beam.ptransform_fn
def ScoreAndAddUp(  # noqa: N802 (a transform)
    record_batches: beam.PCollection,
    eval_config: tfma.EvalConfig,
    model_paths: dict[str, str],
    task: str,
    explaining: Explain,
    when: str | None = None,
    keep_rows: bool = False,
    booleans: Collection[str] = (),
) -> dict[str, beam.PCollection]:
    """Score record batches by all models at once.

    Args:
        record_batches: the columns to slice by, as lists of at most one value, and `RAW_RECORD`.
        eval_config: says by which columns to slice, and how to ask a model; one that it does not name as its first.
        model_paths: SavedModel by name; the challenger's first.
        when: the column of times, as the columns to slice by; without one the batches may tell their span, see
            `periods.with_span`.
        keep_rows: the tallies hold the rows, which metrics of the user's are called with.
        booleans: columns to slice by that are stored as 0 and 1.

    Returns:
        `TALLIES`: (slice, {model: Tally}) of all slices; `SAMPLE`: one RowSample of the challenger's predictions;
        `BASELINES`: one {name: Tally} over all rows, of the challenger and what it is measured against, see
        baselines.py; empty where nothing lies beside its model; `PERIODS`: (period, {challenger: Tally}), see
        periods.py.
    """
    keep = KeepSample(task, max(_SAMPLE_ROWS, explaining.permutation_rows), _WRONG_ROWS)
    score = _ScoreAndAddUp(eval_config, model_paths, task, keep, when, keep_rows, booleans)
    outputs = beam.ParDo(score).with_outputs(SAMPLE, BASELINES, PERIODS, main=TALLIES)
    scored = record_batches | "Score" >> outputs
    return {
        TALLIES: scored[TALLIES] | "AddUp" >> beam.CombinePerKey(_AddUp()),
        BASELINES: scored[BASELINES] | "AddUpBaselines" >> beam.CombineGlobally(_AddUp()),
        PERIODS: scored[PERIODS] | "AddUpPeriods" >> beam.CombinePerKey(_AddUp()),
        SAMPLE: scored[SAMPLE] | "KeepSample" >> beam.CombineGlobally(keep),
    }


@lru_cache(maxsize=2)
def load_model(path: str) -> Any:
    """Load a SavedModel, once a process: that takes seconds."""
    import tensorflow as tf

    return tf.saved_model.load(path)


class _ScoreAndAddUp(beam.DoFn):
    """A record batch to (slice, {model: Tally}), and to rows for a sample."""

    def __init__(
        self,
        eval_config: tfma.EvalConfig,
        model_paths: dict[str, str],
        task: str,
        keep: KeepSample,
        when: str | None,
        keep_rows: bool,
        booleans: Collection[str],
    ) -> None:
        self._slices = [tuple(sorted(spec.feature_keys)) for spec in eval_config.slicing_specs]
        self._specs = {spec.name: spec for spec in eval_config.model_specs}
        self._first = eval_config.model_specs[0]
        self._model_paths = model_paths
        self._task = task
        self._keep = keep
        self._when = when
        self._keep_rows = keep_rows
        self._booleans = booleans
        self._weight = self._first.example_weight_key

    def setup(self) -> None:
        from trainer.baselines import load_baselines

        self._baselines = load_baselines(next(iter(self._model_paths.values())))
        self._models = {name: load_model(path) for name, path in self._model_paths.items()}

    def process(self, batch: pa.RecordBatch) -> Iterator[Any]:
        import tensorflow as tf

        records = pc.list_flatten(batch.column(RAW_RECORD)).to_numpy(zero_copy_only=False)
        examples = tf.constant(records)
        checksums = digests(records)
        blocks = (checksums % np.uint64(BLOCKS)).astype(np.int64)
        weights = weights_of(pc.list_flatten(batch.column(self._weight))) if self._weight else None
        rows_by_model, scored = {}, {}
        for name, model in self._models.items():
            labels, predictions = _score(model, self._specs.get(name, self._first), examples)
            rows_by_model[name] = rows_of(self._task, labels, predictions, blocks, weights)
            if self._keep_rows:
                scored[name] = ScoredRows.of(labels, predictions, blocks, weights)
            if len(rows_by_model) == 1:
                sample = sample_of(self._task, checksums, labels, predictions, records, weights)
                yield beam.pvalue.TaggedOutput(SAMPLE, self._keep.add_input(None, sample))
                if self._baselines and len(labels):
                    others = self._baselines.predict(len(labels), partial(network_inputs, model, records))
                    network = rows_by_model[name], scored.get(name)
                    beside = {NETWORK: network} | self._prepared(others, labels, blocks, weights)
                    every = np.arange(len(labels))
                    tallies = {who: tally_of(of, every, kept) for who, (of, kept) in beside.items()}
                    yield beam.pvalue.TaggedOutput(BASELINES, tallies)
        name, of_first = next(iter(rows_by_model.items()))
        for period, rows in self._periods(batch):
            yield beam.pvalue.TaggedOutput(PERIODS, (period, {name: tally_of(of_first, rows, scored.get(name))}))
        for columns in self._slices:
            for key, rows in slices_of(batch, columns, self._booleans):
                yield key, {name: tally_of(of, rows, scored.get(name)) for name, of in rows_by_model.items()}

    def _periods(self, batch: pa.RecordBatch) -> Iterator[tuple[Key, Array]]:
        """Yield the rows by time; by the span of their file where no column tells the time."""
        if self._when in batch.schema.names:
            yield from periods_of(batch.column(self._when))
        elif span := span_of_batch(batch):
            yield span, np.arange(batch.num_rows)

    def _prepared(
        self, answers: dict[str, Array], labels: Array, blocks: Array, weights: Array | None
    ) -> dict[str, tuple[Rows, ScoredRows | None]]:
        """Prepare what models say of the same rows for `tally_of`."""
        return {
            name: (
                rows_of(self._task, labels, said, blocks, weights),
                ScoredRows.of(labels, said, blocks, weights) if self._keep_rows else None,
            )
            for name, said in answers.items()
        }


def tally_of(prepared: Rows, rows: Array, scored: ScoredRows | None) -> Tally:
    """Count the rows with the given numbers, and keep those of `scored`, where there is one."""
    found = prepared.tally(rows)
    return found if scored is None else replace(found, scored=scored.take(rows))


def weights_of(column: pa.Array) -> Array:
    """Return weights, one a row, that were found to be numbers of 0 or more when they were read."""
    weights: Array = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return weights


def _score(model: Any, spec: tfma.ModelSpec, examples: Any) -> tuple[Array, Array]:
    """Labels (rows,) and predictions (rows, outputs)."""
    (preprocess,) = spec.preprocessing_function_names
    predictions = model.signatures[spec.signature_name](examples=examples)[spec.prediction_key].numpy()
    labels = model.signatures[preprocess](examples=examples)[spec.label_key].numpy()
    return labels.ravel(), predictions.reshape(len(predictions), -1)


class _AddUp(beam.CombineFn):
    """Adds tallies by model, many at once: each addition goes through all cells."""

    def create_accumulator(self) -> list[dict[str, Tally]]:
        return []

    def add_input(self, waiting: list[dict[str, Tally]], found: dict[str, Tally]) -> list[dict[str, Tally]]:
        waiting.append(found)
        return waiting if len(waiting) < _MOST_WAITING else [_sum(waiting)]

    def merge_accumulators(self, accumulators: Iterable[list[dict[str, Tally]]]) -> list[dict[str, Tally]]:
        parts = [part for accumulator in accumulators for part in accumulator]
        return [_sum(parts)] if parts else []

    def compact(self, waiting: list[dict[str, Tally]]) -> list[dict[str, Tally]]:
        return [_sum(waiting)] if waiting else []

    def extract_output(self, waiting: list[dict[str, Tally]]) -> dict[str, Tally]:
        return _sum(waiting) if waiting else {}


_MOST_WAITING = 8


def _sum(parts: list[dict[str, Tally]]) -> dict[str, Tally]:
    return {name: add(part[name] for part in parts) for name in parts[0]}


def slices_of(
    batch: pa.RecordBatch, columns: tuple[str, ...], booleans: Collection[str] = ()
) -> Iterator[tuple[SliceKey, Array]]:
    """Each combination of values of `columns` that the batch holds, with its row numbers.

    Rows in which one of the columns is missing are in no slice, as in TFMA. No columns: all rows. The values of
    `booleans` are 'false' and 'true'.
    """
    if not columns:
        yield (), np.arange(batch.num_rows)
        return
    values_of = {column: pc.list_element(batch.column(column), 0) for column in columns}
    encoded = [
        (in_words(values) if column in booleans else values).dictionary_encode() for column, values in values_of.items()
    ]
    codes = np.stack([column.indices.fill_null(-1).to_numpy(zero_copy_only=False) for column in encoded], axis=1)
    present = np.flatnonzero((codes >= 0).all(axis=1))
    combinations, member, counts = np.unique(codes[present], axis=0, return_inverse=True, return_counts=True)
    members = np.split(present[np.argsort(member.ravel(), kind="stable")], np.cumsum(counts)[:-1])
    for combination, rows in zip(combinations, members, strict=False):  # no row, no combination, but one empty part
        values = [column.dictionary[int(code)].as_py() for column, code in zip(encoded, combination, strict=True)]
        texts = [value.decode() if isinstance(value, bytes) else value for value in values]
        yield tuple(zip(columns, texts, strict=True)), rows
