"""Expected calibration error as a metric of TFMA, which has none: so stock TFMA computes it from our EvalConfig.

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

from pipeline.evaluation.tallies import BINS, bins_of, calibration_error, confidences

Array = npt.NDArray[Any]


class ExpectedCalibrationError(metric_types.Metric):
    """See the module."""

    def __init__(self, name: str = "expected_calibration_error") -> None:
        super().__init__(metric_util.merge_per_key_computations(_computations), name=name)


metric_types.register_metric(ExpectedCalibrationError)


def _computations(
    name: str,
    eval_config: Any = None,
    model_name: str = "",
    output_name: str = "",
    example_weighted: bool = False,
    **_: Any,
) -> metric_types.MetricComputations:
    """One leaf; single classes are not known."""
    key = metric_types.MetricKey(
        name=name, model_name=model_name, output_name=output_name, example_weighted=example_weighted
    )
    return [metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=_Combiner(key, eval_config))]


class _Combiner(beam.CombineFn):
    """Adds rows, as stock TFMA hands them over, to sums by bin (3, BINS)."""

    def __init__(self, key: metric_types.MetricKey, eval_config: Any) -> None:
        self._key = key
        self._eval_config = eval_config

    def create_accumulator(self) -> Array:
        """Start with empty bins."""
        return np.zeros((3, BINS))

    def add_input(self, accumulator: Array, element: metric_types.StandardMetricInputs) -> Array:
        """Add one row to its bin."""
        for label, prediction, weight in metric_util.to_label_prediction_example_weight(
            element,
            eval_config=self._eval_config,
            model_name=self._key.model_name,
            output_name=self._key.output_name,
            example_weighted=bool(self._key.example_weighted),
            flatten=False,
        ):
            probability, came_true = confidences(np.ravel(label), np.reshape(prediction, (1, -1)))
            accumulator[:, bins_of(probability)] += np.ravel(weight) * np.stack([np.ones(1), probability, came_true])
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Array]) -> Array:
        """Add up bins."""
        return sum(accumulators, self.create_accumulator())

    def extract_output(self, accumulator: Array) -> dict[metric_types.MetricKey, float]:
        """Compute the error from the bins."""
        return {self._key: float(calibration_error(accumulator))}
