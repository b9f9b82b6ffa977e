"""Columnar forms of TFMA's metrics: what fills an accumulator from columns of labels and predictions at once.

A metric that pipeline/evaluation/eval_config.py names needs its form in one of the tables at the end; one without is
refused before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.contrib.aggregates import binary_confusion_matrices as aggregates
from tensorflow_model_analysis.metrics import (
    binary_confusion_matrices,
    calibration,
    calibration_histogram,
    cross_entropy_metrics,
    example_count,
    mean_regression_error,
    metric_types,
    squared_pearson_correlation,
    tf_metric_wrapper,
)

from pipeline.evaluation import calibration_error

Array = npt.NDArray[Any]

_CERTAIN = 1e-7
"""keras.config.epsilon(), by which Keras bounds probabilities."""


def check(computations: Sequence[metric_types.MetricComputation]) -> None:
    """Whether `fill` knows them all.

    Raises:
        NotImplementedError: a metric has no columnar form, or is weighted or taken of one class only.
    """
    for computation in computations:
        combiner = computation.combiner
        names = [type(combiner).__name__]
        known: set[str] = {form.__name__ for form in (*_ONE_OUTPUT, *_ANY_OUTPUTS)}
        if isinstance(combiner, tf_metric_wrapper._CompilableMetricsCombiner):
            names, known = [config["class_name"] for config in _keras_metrics(combiner)], set(_KERAS)
        if unknown := [name for name in names if name not in known]:
            raise NotImplementedError(f"{', '.join(unknown)}: no columnar form; give it one in {__name__}")
        if odd := [key for key in computation.keys if key.sub_key or key.aggregation_type or key.example_weighted]:
            raise NotImplementedError(f"{odd[0]}: {__name__} knows neither weights nor classes on their own")


def fill(computation: metric_types.MetricComputation, labels: Array, predictions: Array) -> Any:
    """The computation's accumulator with all rows in it: labels (rows,), one or more; predictions (rows, outputs)."""
    combiner = computation.combiner
    if columnar := _ANY_OUTPUTS.get(type(combiner)):
        return columnar(combiner, labels, predictions)
    return _ONE_OUTPUT[type(combiner)](combiner, labels, predictions.reshape(len(labels)))


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


def _absolute_error(combiner: Any, labels: Array, predictions: Array) -> Any:
    """See tfma.metrics.mean_regression_error, which leaves out rows of which the error is NaN."""
    errors = np.abs(labels - predictions)
    accumulator = combiner.create_accumulator()
    accumulator.total_regression_error = float(np.nansum(errors, dtype=np.float64))
    accumulator.total_example_weights = float(np.count_nonzero(~np.isnan(errors)))
    return accumulator


def _correlation(combiner: Any, labels: Array, predictions: Array) -> Any:
    """See tfma.metrics.squared_pearson_correlation."""
    labels, predictions = labels.astype(np.float64), predictions.astype(np.float64)
    accumulator = combiner.create_accumulator()
    accumulator.total_weighted_labels = _sum_in_order(labels)
    accumulator.total_weighted_predictions = _sum_in_order(predictions)
    accumulator.total_weighted_squared_labels = _sum_in_order(labels**2)
    accumulator.total_weighted_squared_predictions = _sum_in_order(predictions**2)
    accumulator.total_weighted_labels_times_predictions = _sum_in_order(labels * predictions)
    accumulator.total_weighted_examples = float(len(labels))
    return accumulator


def _sum_in_order(values: Array) -> float:
    """Sums as a loop over rows does, to the last bit.

    TFMA takes differences of such sums: where labels hardly vary, the last bits decide between a value and NaN.
    """
    return float(np.cumsum(values)[-1])


def _keras_metrics(combiner: Any) -> list[dict[str, Any]]:
    """Serialized metrics, then losses, as the accumulator numbers them; of a model with one output layer."""
    (metrics,), (losses,) = combiner._metric_configs, combiner._loss_configs
    return [*metrics, *losses]


def _keras_means(combiner: Any, labels: Array, predictions: Array) -> Any:
    """See tfma.metrics.tf_metric_wrapper; a Keras mean has the weights [sum over rows, rows].

    The sums stay float64 until they are divided. Stock's are float32, which cannot count beyond 2^24 rows.
    """
    accumulator = combiner.create_accumulator()
    for index, config in enumerate(_keras_metrics(combiner)):
        values = _KERAS[config["class_name"]](labels, predictions)
        accumulator.add_weights(0, index, np.array([values.sum(dtype=np.float64), len(values)]))
    return accumulator


def _sparse_cross_entropy(labels: Array, predictions: Array) -> Array:
    """Keras bounds probabilities and then has them add up to one."""
    bounded = np.clip(predictions, _CERTAIN, 1 - _CERTAIN)
    return np.log(bounded.sum(axis=1)) - np.log(bounded[np.arange(len(labels)), labels])


_KERAS: dict[str, Callable[[Array, Array], Array]] = {
    "SparseCategoricalAccuracy": lambda labels, predictions: predictions.argmax(axis=1) == labels,
    "SparseCategoricalCrossentropy": _sparse_cross_entropy,
    "RootMeanSquaredError": lambda labels, predictions: (predictions.reshape(len(labels)) - labels) ** 2,
}
"""Keras means: labels (rows,) and predictions (rows, outputs) to the values (rows,) of which the mean is taken."""

_ONE_OUTPUT: dict[type, Callable[[Any, Array, Array], Any]] = {
    calibration_histogram._CalibrationHistogramCombiner: _histogram,
    cross_entropy_metrics._BinaryCrossEntropyCombiner: _cross_entropy,
    calibration._WeightedLabelsPredictionsExamplesCombiner: _calibration,
    binary_confusion_matrices._BinaryConfusionMatrixCombiner: _confusion,
    mean_regression_error._MeanAbsoluteErrorCombiner: _absolute_error,
    squared_pearson_correlation._SquaredPearsonCorrelationCombiner: _correlation,
}
"""Combiner to what fills its accumulator from labels (rows,) and predictions (rows,)."""

_ANY_OUTPUTS: dict[type, Callable[[Any, Array, Array], Any]] = {
    example_count._ExampleCountCombiner: lambda combiner, labels, predictions: float(len(labels)),
    tf_metric_wrapper._CompilableMetricsCombiner: _keras_means,
    calibration_error.CalibrationErrorCombiner: lambda combiner, labels, predictions: calibration_error.bin_sums(
        labels, predictions.reshape(len(labels), -1)
    ),
}
"""The same of labels (rows,) and predictions (rows, outputs)."""
