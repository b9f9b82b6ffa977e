"""Configuration to TFMA's EvalConfig: which metrics, on which slices, with which thresholds."""

from __future__ import annotations

import json

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from pipeline.config import PipelineConfig, Threshold

LABEL = "label_xf"  # trainer.preprocessing.LABEL, which would import TensorFlow Transform here
PREDICTION = "prediction"

_TFMA_METRICS: dict[str, dict[str, str]] = {
    "binary": {
        "auc": "AUC",
        "auc_precision_recall": "AUCPrecisionRecall",
        "log_loss": "BinaryCrossEntropy",
        "accuracy": "BinaryAccuracy",
        "calibration": "Calibration",
    },
    "multiclass": {"accuracy": "SparseCategoricalAccuracy", "log_loss": "SparseCategoricalCrossentropy"},
    "regression": {
        "rmse": "RootMeanSquaredError",
        "mae": "MeanAbsoluteError",
        "squared_correlation": "SquaredPearsonCorrelation",
    },
}
"""Our name to TFMA's class, or Keras' where TFMA has none."""

LOWER_IS_BETTER = frozenset({"log_loss", "rmse", "mae"})

COUNT = "example_count"


def eval_config(config: PipelineConfig) -> tfma.EvalConfig:
    """What Evaluator computes and what it judges by."""
    models = [
        tfma.ModelSpec(
            name=name,
            is_baseline=is_baseline,
            signature_name="serving_default",
            preprocessing_function_names=["transform_labels"],
            label_key=LABEL,
            prediction_key=PREDICTION,
        )
        for name, is_baseline in (("candidate", False), ("baseline", True))
    ]
    metrics = [
        tfma.MetricConfig(
            class_name=class_name,
            config=json.dumps({"name": name}),
            per_slice_thresholds=_overall(name, config.evaluation.thresholds.get(name)),
        )
        for name, class_name in _TFMA_METRICS[config.data.task].items()
    ]
    metrics.append(tfma.MetricConfig(class_name="ExampleCount", config=json.dumps({"name": COUNT})))
    slices = [
        tfma.SlicingSpec(),
        *(tfma.SlicingSpec(feature_keys=list(columns)) for columns in config.evaluation.slices),
    ]
    return tfma.EvalConfig(model_specs=models, slicing_specs=slices, metrics_specs=[tfma.MetricsSpec(metrics=metrics)])


def _overall(metric: str, bounds: Threshold | None) -> list[config_pb2.PerSliceMetricThreshold]:
    """A threshold without slices would hold for every slice, however few rows it has."""
    if bounds is None:
        return []
    return [
        config_pb2.PerSliceMetricThreshold(slicing_specs=[tfma.SlicingSpec()], threshold=_threshold(metric, bounds))
    ]


def _threshold(metric: str, bounds: Threshold) -> tfma.MetricThreshold:
    threshold = tfma.MetricThreshold()
    if bounds.at_least is not None:
        threshold.value_threshold.lower_bound.value = bounds.at_least
    if bounds.at_most is not None:
        threshold.value_threshold.upper_bound.value = bounds.at_most
    if bounds.may_lose is not None:
        lower = metric in LOWER_IS_BETTER
        threshold.change_threshold.direction = (
            tfma.MetricDirection.LOWER_IS_BETTER if lower else tfma.MetricDirection.HIGHER_IS_BETTER
        )
        threshold.change_threshold.absolute.value = bounds.may_lose if lower else -bounds.may_lose
    return threshold
