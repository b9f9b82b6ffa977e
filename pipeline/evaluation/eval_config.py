"""Configuration to TFMA's EvalConfig: which metrics, on which slices, with which thresholds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tensorflow_model_analysis.proto import config_pb2  # tfma.EvalConfig and the like are only there after tfx

from pipeline.config.evaluation import COUNT, LOWER_IS_BETTER, Bounds, Evaluation, slice_rule
from trainer.artifact_names import LABEL, PREDICTION

if TYPE_CHECKING:
    from pipeline.config.pipeline import PipelineConfig


_TFMA_METRICS: dict[str, dict[str, str]] = {
    "binary": {
        "auc": "AUC",
        "auc_precision_recall": "AUCPrecisionRecall",
        "log_loss": "BinaryCrossEntropy",
        "accuracy": "BinaryAccuracy",
        "calibration": "Calibration",
        "expected_calibration_error": "ExpectedCalibrationError",
    },
    "multiclass": {
        "accuracy": "SparseCategoricalAccuracy",
        "log_loss": "SparseCategoricalCrossentropy",
        "expected_calibration_error": "ExpectedCalibrationError",
    },
    "regression": {
        "rmse": "RootMeanSquaredError",
        "mae": "MeanAbsoluteError",
        "squared_correlation": "SquaredPearsonCorrelation",
    },
}
"""Our name to TFMA's class, or Keras' where TFMA has none, or ours."""
_OURS = {"ExpectedCalibrationError": "pipeline.evaluation.calibration_error"}
"""Metrics that TFMA finds in a module of ours."""

NEEDS_BOTH_CLASSES = frozenset({"auc", "auc_precision_recall"})


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
            module=_OURS.get(class_name, ""),
            config=json.dumps({"name": name}),
            per_slice_thresholds=_per_slice(name, config.evaluation),
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


def settings(config: PipelineConfig, features: dict[str, Any]) -> dict[str, object]:
    """What Evaluator needs beside the EvalConfig, as plain data for an execution property.

    Args:
        features: the FeatureTable as plain data.
    """
    return {
        "task": config.data.task,
        "classes": config.data.label_classes,
        "evaluation": config.evaluation.model_dump(mode="json"),
        "features": features,
    }


def without_slices_that_cannot_be_judged(
    eval_config: config_pb2.EvalConfig, key: tuple[tuple[str, Any], ...], metrics: Mapping[Any, Any], rules: Evaluation
) -> config_pb2.EvalConfig:
    """Leaves out the thresholds of a slice that has too few rows for them, and those of what is not defined on it.

    Args:
        key: the slice; of all rows, which are always judged, it is empty.
        metrics: {metric key of TFMA: value} on the slice.
    """
    if not key:
        return eval_config
    rows = max(value for metric, value in metrics.items() if metric.name == COUNT)
    undefined = {metric.name for metric, value in metrics.items() if isinstance(value, float) and math.isnan(value)}
    judging = config_pb2.EvalConfig()
    judging.CopyFrom(eval_config)
    for metric in judging.metrics_specs[0].metrics:
        name = json.loads(metric.config)["name"]
        kept = [
            threshold
            for threshold in metric.per_slice_thresholds
            if name not in undefined and rows >= _min_rows(name, threshold.slicing_specs[0], rules)
        ]
        del metric.per_slice_thresholds[:]
        metric.per_slice_thresholds.extend(kept)
    return judging


def _min_rows(metric: str, spec: config_pb2.SlicingSpec, rules: Evaluation) -> int:
    for text, bounds in rules.thresholds[metric].slices.items():
        if _slicing_spec(text, rules) == spec:
            return rules.min_rows if bounds.min_rows is None else bounds.min_rows
    return 0


def _slicing_spec(text: str, rules: Evaluation) -> config_pb2.SlicingSpec:
    found = slice_rule(text, rules.slices)
    assert found is not None, f"{text!r} passed the check of the configuration"
    columns, values = found
    if values is None:
        return config_pb2.SlicingSpec(feature_keys=list(columns))
    return config_pb2.SlicingSpec(feature_values=dict(zip(columns, values, strict=True)))


def _per_slice(metric: str, rules: Evaluation) -> list[config_pb2.PerSliceMetricThreshold]:
    """A threshold without slices would hold for every slice, however few rows it has."""
    threshold = rules.thresholds.get(metric)
    if threshold is None:
        return []
    found = [(config_pb2.SlicingSpec(), _threshold(metric, threshold))] if not threshold.is_empty else []
    found += [(_slicing_spec(text, rules), _threshold(metric, bounds)) for text, bounds in threshold.slices.items()]
    return [config_pb2.PerSliceMetricThreshold(slicing_specs=[spec], threshold=threshold) for spec, threshold in found]


def _threshold(metric: str, bounds: Bounds) -> config_pb2.MetricThreshold:
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
