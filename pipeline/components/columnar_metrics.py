"""TFMA's metrics, accumulated from columns.

TFMA takes a batch of predictions apart and adds its rows to every metric of every slice one by one, in
Python. Its accumulators are sums, though: here each is filled from a whole slice of a batch at once, and
TFMA's own combiners then merge them, derive, compare with the champion and validate. Definitions,
thresholds and output files stay TFMA's. A metric that has no columnar form below is fed row by row, as
TFMA would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.contrib.aggregates import binary_confusion_matrices as aggregates
from tensorflow_model_analysis.evaluators import metrics_plots_and_validations_evaluator as tfma_evaluator
from tensorflow_model_analysis.evaluators import metrics_validator
from tensorflow_model_analysis.metrics import (
    binary_confusion_matrices,
    calibration,
    calibration_histogram,
    cross_entropy_metrics,
    example_count,
    metric_specs,
    metric_types,
)
from tensorflow_model_analysis.utils import model_util

Array = npt.NDArray[Any]
SliceKey = tuple[tuple[str, Any], ...]

_CERTAIN = 1e-7
"""keras.config.epsilon(), by which the network's own loss is bounded."""

RAW_RECORD = tfma.ARROW_INPUT_COLUMN
"""The column of serialized tf.Examples that feeds the models."""


@beam.ptransform_fn
def EvaluateColumns(  # noqa: N802 (a transform)
    record_batches: beam.PCollection, eval_config: tfma.EvalConfig, model_paths: dict[str, str]
) -> dict[str, beam.PCollection]:
    """Record batches to what TFMA's writers take: metrics per slice, and validations.

    Args:
        record_batches: the columns to slice by, as lists of at most one value, and `RAW_RECORD`.
        eval_config: with its defaults filled in; no query keys, no confidence intervals.
        model_paths: SavedModel by the name of its ModelSpec.
    """
    computations = tfma_evaluator._filter_and_separate_computations(
        metric_specs.to_computations(eval_config.metrics_specs, eval_config=eval_config)
    )
    baseline = model_util.get_baseline_model_spec(eval_config)
    leaves = computations.non_derived_computations
    metrics = (
        record_batches
        | "ScoreAndAccumulate" >> beam.ParDo(_ScoreAndAccumulate(eval_config, model_paths, leaves))
        | "MergePerSlice" >> beam.CombinePerKey(_MergeAccumulators(leaves))
        | "DeriveAndCompare"
        >> tfma_evaluator._AddDerivedCrossSliceAndDiffMetrics(
            computations.derived_computations,
            computations.cross_slice_computations,
            list(eval_config.cross_slicing_specs),
            baseline.name if baseline else None,
        )
        | "RemovePrivateMetrics" >> beam.MapTuple(tfma_evaluator._remove_private_metrics)
    )
    return {
        tfma.METRICS_KEY: metrics,
        tfma.VALIDATIONS_KEY: metrics | "Validate" >> beam.Map(metrics_validator.validate_metrics, eval_config),
    }


class _ScoreAndAccumulate(beam.DoFn):
    """A record batch to (slice, one filled accumulator per computation)."""

    def __init__(
        self,
        eval_config: tfma.EvalConfig,
        model_paths: dict[str, str],
        computations: Sequence[metric_types.MetricComputation],
    ) -> None:
        self._slices = [tuple(sorted(spec.feature_keys)) for spec in eval_config.slicing_specs]
        self._specs = {spec.name: spec for spec in eval_config.model_specs}
        self._model_paths = model_paths
        self._computations = computations

    def setup(self) -> None:
        import tensorflow as tf

        self._models = {name: tf.saved_model.load(path) for name, path in self._model_paths.items()}
        for computation in self._computations:
            computation.combiner.setup()  # Keras metrics are built there

    def process(self, batch: pa.RecordBatch) -> Iterator[tuple[SliceKey, tuple[Any, ...]]]:
        import tensorflow as tf

        examples = tf.constant(pc.list_flatten(batch.column(RAW_RECORD)).to_numpy(zero_copy_only=False))
        scored = {}
        for name, model in self._models.items():
            spec = self._specs[name]
            predictions = model.signatures[spec.signature_name](examples=examples)[spec.prediction_key].numpy()
            (preprocess,) = spec.preprocessing_function_names
            labels = model.signatures[preprocess](examples=examples)[spec.label_key].numpy()
            scored[name] = (labels, predictions)
        for columns in self._slices:
            for key, rows in slices_of(batch, columns):
                yield (
                    key,
                    tuple(
                        _accumulate(computation, *(part[rows] for part in scored[_model_of(computation)]))
                        for computation in self._computations
                    ),
                )


class _MergeAccumulators(beam.CombineFn):
    """Sums accumulators by TFMA's combiners, and extracts their outputs."""

    def __init__(self, computations: Sequence[metric_types.MetricComputation]) -> None:
        self._combiners = [computation.combiner for computation in computations]

    def setup(self) -> None:
        for combiner in self._combiners:
            combiner.setup()

    def create_accumulator(self) -> tuple[Any, ...] | None:
        return None

    def add_input(self, accumulator: tuple[Any, ...] | None, element: tuple[Any, ...]) -> tuple[Any, ...]:
        if accumulator is None:
            return element
        # TFMA's cross entropy counts the first accumulator twice when it is given a list instead of an iterator.
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


def _accumulate(computation: metric_types.MetricComputation, labels: Array, predictions: Array) -> Any:
    """A filled accumulator for rows with labels (rows,) and predictions (rows, outputs)."""
    combiner = computation.combiner
    columnar = _COLUMNAR.get(type(combiner))
    if columnar is None or predictions.shape[1] != 1:
        return _accumulate_rows(combiner, _model_of(computation), labels, predictions)
    return columnar(combiner, labels, predictions[:, 0])


def _accumulate_rows(combiner: Any, model: str, labels: Array, predictions: Array) -> Any:
    accumulator = combiner.create_accumulator()
    for label, prediction in zip(labels, predictions, strict=True):
        # Of several models each has its predictions under its name.
        row = {tfma.LABELS_KEY: np.array([label]), tfma.PREDICTIONS_KEY: {model: prediction} if model else prediction}
        accumulator = combiner.add_input(accumulator, metric_types.StandardMetricInputs(row))
    return accumulator


def _histogram(combiner: Any, labels: Array, predictions: Array) -> dict[int, Any]:
    """See tfma.metrics.calibration_histogram: {bucket: sums of labels, predictions and rows}."""
    buckets = combiner._num_buckets
    position = (predictions.astype(np.float64) - combiner._left) / combiner._range * buckets + 1
    bucket = np.clip(position, 0, buckets + 1).astype(np.int64)
    found, member = np.unique(bucket, return_inverse=True)
    sums = [np.bincount(member, weights) for weights in (labels, predictions, np.ones_like(labels))]
    return {
        int(number): calibration_histogram.Bucket(int(number), *(float(total[index]) for total in sums))
        for index, number in enumerate(found)
    }


def _cross_entropy(combiner: Any, labels: Array, predictions: Array) -> Any:
    """See tfma.metrics.cross_entropy_metrics; the precision of the predictions is kept, as there.

    Bounded as Keras does: TFMA would make NaN (0 * log 0) of a prediction that is sure and right.
    """
    predictions = np.clip(predictions, _CERTAIN, 1 - _CERTAIN)
    entropy = -np.multiply(labels, np.log(predictions)) - np.multiply(1 - labels, np.log(1 - predictions))
    return cross_entropy_metrics._CrossEntropyAccumulator(float(entropy.sum(dtype=np.float64)), float(len(labels)))


def _calibration(combiner: Any, labels: Array, predictions: Array) -> Any:
    accumulator = combiner.create_accumulator()
    accumulator.total_weighted_labels = float(labels.sum())
    accumulator.total_weighted_predictions = float(predictions.sum(dtype=np.float64))
    accumulator.total_weighted_examples = float(len(labels))
    return accumulator


def _confusion(combiner: Any, labels: Array, predictions: Array) -> Any:
    """See tfma.contrib.aggregates.binary_confusion_matrices: {threshold: matrix}."""
    positive = labels == 1
    accumulator = combiner.create_accumulator()
    for threshold in combiner._binary_confusion_matrices._thresholds:
        above = predictions.astype(np.float64) > threshold
        tp, fp = float((above & positive).sum()), float((above & ~positive).sum())
        fn, tn = float(positive.sum()) - tp, float((~positive).sum()) - fp
        accumulator[threshold] = aggregates._ThresholdEntry(
            aggregates.Matrix(tp=tp, tn=tn, fp=fp, fn=fn), [], [], [], []
        )
    return accumulator


_COLUMNAR: dict[type, Callable[[Any, Array, Array], Any]] = {
    calibration_histogram._CalibrationHistogramCombiner: _histogram,
    cross_entropy_metrics._BinaryCrossEntropyCombiner: _cross_entropy,
    calibration._WeightedLabelsPredictionsExamplesCombiner: _calibration,
    binary_confusion_matrices._BinaryConfusionMatrixCombiner: _confusion,
    example_count._ExampleCountCombiner: lambda combiner, labels, predictions: float(len(labels)),
}
"""Combiners of unweighted rows with one output."""
