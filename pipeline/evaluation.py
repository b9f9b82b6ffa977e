"""Configuration to TFMA's EvalConfig: which metrics, on which slices, with which thresholds."""

from __future__ import annotations

import json
import math

from tensorflow_model_analysis.proto import config_pb2  # tfma.EvalConfig and the like are only there after tfx

from pipeline.config import PipelineConfig
from pipeline.sections import Threshold

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


def eval_config(config: PipelineConfig) -> config_pb2.EvalConfig:
    """What Evaluator computes and what it judges by."""
    models = [
        config_pb2.ModelSpec(
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
        config_pb2.MetricConfig(
            class_name=class_name,
            config=json.dumps({"name": name}),
            per_slice_thresholds=_overall(name, config.evaluation.thresholds.get(name)),
        )
        for name, class_name in _TFMA_METRICS[config.data.task].items()
    ]
    metrics.append(config_pb2.MetricConfig(class_name="ExampleCount", config=json.dumps({"name": COUNT})))
    slices = [
        config_pb2.SlicingSpec(),
        *(config_pb2.SlicingSpec(feature_keys=list(columns)) for columns in config.evaluation.slices),
    ]
    return config_pb2.EvalConfig(
        model_specs=models, slicing_specs=slices, metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)]
    )


def _overall(metric: str, bounds: Threshold | None) -> list[config_pb2.PerSliceMetricThreshold]:
    """A threshold without slices would hold for every slice, however few rows it has."""
    if bounds is None:
        return []
    return [
        config_pb2.PerSliceMetricThreshold(
            slicing_specs=[config_pb2.SlicingSpec()], threshold=_threshold(metric, bounds)
        )
    ]


def _threshold(metric: str, bounds: Threshold) -> config_pb2.MetricThreshold:
    threshold = config_pb2.MetricThreshold()
    if bounds.at_least is not None:
        threshold.value_threshold.lower_bound.value = bounds.at_least
    if bounds.at_most is not None:
        threshold.value_threshold.upper_bound.value = bounds.at_most
    if bounds.at_least is None and bounds.at_most is None:
        # Without a champion TFX drops `may_lose`, and where no threshold is left it blesses nothing.
        threshold.value_threshold.lower_bound.value = -math.inf
    if bounds.may_lose is not None:
        lower = metric in LOWER_IS_BETTER
        threshold.change_threshold.direction = (
            config_pb2.MetricDirection.LOWER_IS_BETTER if lower else config_pb2.MetricDirection.HIGHER_IS_BETTER
        )
        threshold.change_threshold.absolute.value = bounds.may_lose if lower else -bounds.may_lose
    return threshold
