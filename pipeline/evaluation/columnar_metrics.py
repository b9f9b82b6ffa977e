"""TFMA's metrics, accumulated from columns.

TFMA takes a batch of predictions apart and adds its rows to every metric of every slice one by one, in
Python. Its accumulators are sums, though: here each is filled from a whole slice of a batch at once (see
metric_accumulators.py), and TFMA's own combiners then merge them, derive, compare with the champion and
validate. Definitions, thresholds and output files stay TFMA's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.evaluators import metrics_plots_and_validations_evaluator as tfma_evaluator
from tensorflow_model_analysis.evaluators import metrics_validator
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.utils import model_util

from pipeline.config.evaluation import Evaluation
from pipeline.evaluation import metric_accumulators
from pipeline.evaluation.eval_config import NEEDS_BOTH_CLASSES, without_slices_that_cannot_be_judged
from pipeline.evaluation.row_sample import KeepSample, digests, sample_of
from pipeline.evaluation.tallies import BLOCKS, Tally, rows_of

Array = npt.NDArray[Any]
SliceKey = tuple[tuple[str, Any], ...]

RAW_RECORD = tfma.ARROW_INPUT_COLUMN
"""The column of serialized tf.Examples that feeds the models."""

TALLIES, SAMPLE = "tallies", "sample"
"""Beside TFMA's keys: ((slice, {model: Tally}) of all slices, and one RowSample."""
_SAMPLE_ROWS = 2_000
"""Kept at least, of an even choice: a picture of a regression needs them."""
_WRONG_ROWS = 100


@beam.ptransform_fn
def EvaluateColumns(  # noqa: N802 (a transform)
    record_batches: beam.PCollection,
    eval_config: tfma.EvalConfig,
    model_paths: dict[str, str],
    task: str,
    settings: Evaluation,
) -> dict[str, beam.PCollection]:
    """Record batches to what TFMA's writers take (metrics per slice, and validations), and to what reports need.

    Args:
        record_batches: the columns to slice by, as lists of at most one value, and `RAW_RECORD`.
        eval_config: with its defaults filled in; no query keys, no confidence intervals.
        model_paths: SavedModel by the name of its ModelSpec; the challenger's first.

    Returns:
        By TFMA's keys, `TALLIES` and `SAMPLE`.

    Raises:
        NotImplementedError: a metric has no columnar form, or is weighted or taken of one class only.
    """
    computations = tfma_evaluator._filter_and_separate_computations(
        metric_specs.to_computations(eval_config.metrics_specs, eval_config=eval_config)
    )
    baseline = model_util.get_baseline_model_spec(eval_config)
    leaves = computations.non_derived_computations
    metric_accumulators.check(leaves)
    keep = KeepSample(task, max(_SAMPLE_ROWS, settings.explain.permutation_rows), _WRONG_ROWS)
    scored = record_batches | "ScoreAndAccumulate" >> beam.ParDo(
        _ScoreAndAccumulate(eval_config, model_paths, leaves, task, keep)
    ).with_outputs(TALLIES, SAMPLE, main="accumulators")
    metrics = (
        scored["accumulators"]
        | "MergePerSlice" >> beam.CombinePerKey(_MergeAccumulators(leaves))
        | "DeriveAndCompare"
        >> tfma_evaluator._AddDerivedCrossSliceAndDiffMetrics(
            computations.derived_computations,
            computations.cross_slice_computations,
            list(eval_config.cross_slicing_specs),
            baseline.name if baseline else None,
        )
        | "MarkUndefined" >> beam.MapTuple(_mark_undefined)
        | "RemovePrivateMetrics" >> beam.MapTuple(tfma_evaluator._remove_private_metrics)
    )
    return {
        tfma.METRICS_KEY: metrics,
        tfma.VALIDATIONS_KEY: metrics | "Validate" >> beam.Map(_validate, eval_config, settings),
        TALLIES: scored[TALLIES] | "MergeTallies" >> beam.CombinePerKey(_add_tallies),
        SAMPLE: scored[SAMPLE] | "KeepSample" >> beam.CombineGlobally(keep),
    }


@lru_cache(maxsize=2)
def load_model(path: str) -> Any:
    """A SavedModel, loaded once a process: that takes seconds."""
    import tensorflow as tf

    return tf.saved_model.load(path)


class _ScoreAndAccumulate(beam.DoFn):
    """A record batch to (slice, one filled accumulator per computation), and to tallies and rows for a sample."""

    def __init__(
        self,
        eval_config: tfma.EvalConfig,
        model_paths: dict[str, str],
        computations: Sequence[metric_types.MetricComputation],
        task: str,
        keep: KeepSample,
    ) -> None:
        self._slices = [tuple(sorted(spec.feature_keys)) for spec in eval_config.slicing_specs]
        self._specs = {spec.name: spec for spec in eval_config.model_specs}
        self._model_paths = model_paths
        self._computations = computations
        self._task = task
        self._keep = keep

    def setup(self) -> None:
        self._models = {name: load_model(path) for name, path in self._model_paths.items()}

    def process(self, batch: pa.RecordBatch) -> Iterator[Any]:
        import tensorflow as tf

        records = pc.list_flatten(batch.column(RAW_RECORD)).to_numpy(zero_copy_only=False)
        examples = tf.constant(records)
        scored = {}
        for name, model in self._models.items():
            spec = self._specs[name]
            predictions = model.signatures[spec.signature_name](examples=examples)[spec.prediction_key].numpy()
            (preprocess,) = spec.preprocessing_function_names
            labels = model.signatures[preprocess](examples=examples)[spec.label_key].numpy()
            scored[name] = (labels, predictions)
        checksums = digests(records)
        blocks = (checksums % np.uint64(BLOCKS)).astype(np.int64)
        flat = {name: (labels.ravel(), p.reshape(len(records), -1)) for name, (labels, p) in scored.items()}
        rows_by_model = {name: rows_of(self._task, *of_model, blocks) for name, of_model in flat.items()}
        sample = sample_of(self._task, checksums, *next(iter(flat.values())), records)
        yield beam.pvalue.TaggedOutput(SAMPLE, self._keep.add_input(None, sample))
        for columns in self._slices:
            for key, rows in slices_of(batch, columns):
                yield (
                    key,
                    tuple(
                        metric_accumulators.fill(computation, *(part[rows] for part in scored[_model_of(computation)]))
                        for computation in self._computations
                    ),
                )
                tallies = {name: of_model.tally(rows) for name, of_model in rows_by_model.items()}
                yield beam.pvalue.TaggedOutput(TALLIES, (key, tallies))


def _add_tallies(tallies: Iterable[dict[str, Tally]]) -> dict[str, Tally]:
    total: dict[str, Tally] = {}
    for by_model in tallies:
        total = {name: total[name] + found if name in total else found for name, found in by_model.items()}
    return total


def _mark_undefined(key: SliceKey, metrics: dict[Any, Any]) -> tuple[SliceKey, dict[Any, Any]]:
    """Makes NaN of what TFMA gives as a number though it is not defined: areas under curves of rows of one class."""
    one_class = {
        metric.model_name
        for metric, value in metrics.items()
        if hasattr(value, "total_weighted_labels") and value.total_weighted_labels in (0, value.total_weighted_examples)
    }
    return key, {
        metric: float("nan")
        if getattr(metric, "name", "") in NEEDS_BOTH_CLASSES and metric.model_name in one_class
        else value
        for metric, value in metrics.items()
    }


def _validate(sliced_metrics: tuple[SliceKey, dict[Any, Any]], eval_config: tfma.EvalConfig, rules: Evaluation) -> Any:
    """TFMA's verdict on a slice, without the rules that do not judge it: of few rows, or of what is not defined."""
    key, metrics = sliced_metrics
    result = metrics_validator.validate_metrics(
        sliced_metrics, without_slices_that_cannot_be_judged(eval_config, key, metrics, rules)
    )
    if not key:
        # TFMA fails a threshold whose slice has no rows; ours says so in words, and does not stop the push.
        for spec in {
            threshold.slicing_specs[0].SerializeToString(): threshold.slicing_specs[0]
            for metrics_spec in eval_config.metrics_specs
            for metric in metrics_spec.metrics
            for threshold in metric.per_slice_thresholds
        }.values():
            details = result.validation_details.slicing_details.add()
            details.slicing_spec.CopyFrom(spec)
    return result


class _MergeAccumulators(beam.CombineFn):
    """Sums accumulators by TFMA's combiners, and extracts their outputs."""

    def __init__(self, computations: Sequence[metric_types.MetricComputation]) -> None:
        self._combiners = [computation.combiner for computation in computations]

    def setup(self) -> None:
        for combiner in self._combiners:
            combiner.setup()  # Keras metrics are built there

    def create_accumulator(self) -> tuple[Any, ...] | None:
        return None

    def add_input(self, accumulator: tuple[Any, ...] | None, element: tuple[Any, ...]) -> tuple[Any, ...]:
        if accumulator is None:
            return element
        # TFMA's log_loss and mae count the first accumulator twice when given a list instead of an iterator.
        return tuple(
            combiner.merge_accumulators(iter(pair))
            for combiner, *pair in zip(self._combiners, accumulator, element, strict=True)
        )

    def merge_accumulators(self, accumulators: Iterable[tuple[Any, ...] | None]) -> tuple[Any, ...] | None:
        total = None
        for accumulator in accumulators:
            total = total if accumulator is None else self.add_input(total, accumulator)
        return total

    def extract_output(self, accumulator: tuple[Any, ...]) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for combiner, part in zip(self._combiners, accumulator, strict=True):
            result.update(combiner.extract_output(part))
        return result


def slices_of(batch: pa.RecordBatch, columns: tuple[str, ...]) -> Iterator[tuple[SliceKey, Array]]:
    """Each combination of values of `columns` that the batch holds, with its row numbers.

    Rows in which one of the columns is missing are in no slice, as in TFMA. No columns: all rows.
    """
    if not columns:
        yield (), np.arange(batch.num_rows)
        return
    encoded = [pc.list_element(batch.column(column), 0).dictionary_encode() for column in columns]
    codes = np.stack([column.indices.fill_null(-1).to_numpy(zero_copy_only=False) for column in encoded], axis=1)
    present = np.flatnonzero((codes >= 0).all(axis=1))
    combinations, member = np.unique(codes[present], axis=0, return_inverse=True)
    for index, combination in enumerate(combinations):
        values = [column.dictionary[int(code)].as_py() for column, code in zip(encoded, combination, strict=True)]
        texts = [value.decode() if isinstance(value, bytes) else value for value in values]
        yield tuple(zip(columns, texts, strict=True)), present[member.ravel() == index]


def _model_of(computation: metric_types.MetricComputation) -> str:
    return str(computation.keys[0].model_name)
