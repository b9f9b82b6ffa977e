"""Expected calibration error as a metric of TFMA, which has none: stock TFMA computes and judges it too.

Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, equation 3: rows are put into 15
bins of equal width by the predicted probability; the error is the mean over all rows of the distance between a
bin's mean probability and the share of it that came true. With several classes the probability is that of the
likeliest class, and what may come true is that it is the right one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.metrics import metric_types, metric_util

Array = npt.NDArray[Any]

BINS = 15


def confidences(labels: Array, predictions: Array) -> tuple[Array, Array]:
    """What was predicted, and whether it came true, both (rows,).

    Args:
        labels: (rows,), 0 and 1 or the number of the class.
        predictions: (rows, outputs), probabilities of the second of two classes or of each of several.
    """
    if predictions.shape[1] == 1:
        return predictions[:, 0].astype(np.float64), labels.astype(np.float64)
    return predictions.max(axis=1).astype(np.float64), (predictions.argmax(axis=1) == labels).astype(np.float64)


def bin_sums(labels: Array, predictions: Array, bins: int = BINS) -> Array:
    """Rows, sum of probabilities and number that came true by bin: (3, bins)."""
    probabilities, came_true = confidences(labels, predictions)
    place = np.clip((probabilities * bins).astype(np.int64), 0, bins - 1)
    return np.stack([np.bincount(place, of, bins) for of in (np.ones(len(place)), probabilities, came_true)])


def error_of(sums: Array) -> float:
    """The expected calibration error of `bin_sums` (…, 3, bins); NaN without a row."""
    rows = sums[..., 0, :].sum(axis=-1)
    distance = np.abs(sums[..., 1, :] - sums[..., 2, :]).sum(axis=-1)
    with np.errstate(invalid="ignore"):
        result: float = distance / rows
        return result


class ExpectedCalibrationError(metric_types.Metric):
    """See the module."""

    def __init__(self, name: str = "expected_calibration_error") -> None:
        super().__init__(metric_util.merge_per_key_computations(_computations), name=name)


metric_types.register_metric(ExpectedCalibrationError)


def _computations(
    name: str, eval_config: Any = None, model_name: str = "", output_name: str = "", **_: Any
) -> metric_types.MetricComputations:
    """One leaf; weights and single classes are not known."""
    key = metric_types.MetricKey(name=name, model_name=model_name, output_name=output_name)
    combiner = CalibrationErrorCombiner(key, eval_config)
    return [metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=combiner)]


class CalibrationErrorCombiner(beam.CombineFn):
    """Adds `bin_sums`: row by row when stock TFMA calls it, a slice at once in metric_accumulators.py."""

    def __init__(self, key: metric_types.MetricKey, eval_config: Any) -> None:
        self._key = key
        self._eval_config = eval_config

    def create_accumulator(self) -> Array:
        """Start with empty bins."""
        return np.zeros((3, BINS))

    def add_input(self, accumulator: Array, element: metric_types.StandardMetricInputs) -> Array:
        """Add one row to its bin."""
        for label, prediction, _ in metric_util.to_label_prediction_example_weight(
            element,
            eval_config=self._eval_config,
            model_name=self._key.model_name,
            output_name=self._key.output_name,
            flatten=False,
        ):
            accumulator = accumulator + bin_sums(np.ravel(label), np.reshape(prediction, (1, -1)))
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Array]) -> Array:
        """Add up bins."""
        return sum(accumulators, self.create_accumulator())

    def extract_output(self, accumulator: Array) -> dict[metric_types.MetricKey, float]:
        """Compute the error from the bins."""
        return {self._key: float(error_of(accumulator))}
