"""Configuration to TFMA's EvalConfig: which metrics, on which slices, with which thresholds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tensorflow_model_analysis.proto import config_pb2  # tfma.EvalConfig and the like are only there after tfx

from pipeline.config.evaluation import COUNT, Bounds, Evaluation, slice_rule
from trainer.artifact_names import LABEL, PREDICTION

if TYPE_CHECKING:
    from pipeline.config.data import Data
    from pipeline.config.decision import Decision


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


def eval_config(task: str, rules: Evaluation, weight: str | None = None) -> config_pb2.EvalConfig:
    """Say what Evaluator computes and what it judges by, in TFMA's words.

    Args:
        weight: the column that weighs rows.
    """
    models = [
        config_pb2.ModelSpec(
            name=name,
            is_baseline=is_baseline,
            signature_name="serving_default",
            preprocessing_function_names=["transform_labels"],
            label_key=LABEL,
            prediction_key=PREDICTION,
            example_weight_key=weight or "",
        )
        for name, is_baseline in (("candidate", False), ("baseline", True))
    ]
    metrics = [
        config_pb2.MetricConfig(
            class_name=class_name,
            module=_OURS.get(class_name, ""),
            config=json.dumps({"name": name}),
            per_slice_thresholds=_per_slice(name, rules),
        )
        for name, class_name in _TFMA_METRICS[task].items()
    ]
    specs = [config_pb2.MetricsSpec(metrics=metrics)]
    if weight is not None:  # else TFMA's count of rows would be a sum of weights
        specs.append(config_pb2.MetricsSpec(example_weights=config_pb2.ExampleWeightOptions(unweighted=True)))
    specs[-1].metrics.add(class_name="ExampleCount", config=json.dumps({"name": COUNT}))
    slices = [
        config_pb2.SlicingSpec(),
        *(config_pb2.SlicingSpec(feature_keys=list(columns)) for columns in rules.slices),
    ]
    return config_pb2.EvalConfig(model_specs=models, slicing_specs=slices, metrics_specs=specs)


def check(found: config_pb2.EvalConfig, task: str, rules: Evaluation, weight: str | None = None) -> None:
    """Check that an EvalConfig asks for what Evaluator computes and judges by.

    Raises:
        NotImplementedError: it names other metrics, slices, thresholds, models or options.
    """
    expected = eval_config(task, rules, weight)
    fields = [field.name for field in found.DESCRIPTOR.fields]
    if odd := [name for name in fields if getattr(found, name) != getattr(expected, name)]:
        raise NotImplementedError(
            f"{', '.join(odd)} of the EvalConfig: Evaluator computes and judges only what {__name__} makes of"
            " its settings"
        )


def settings(
    evaluation: Evaluation,
    data: Data,
    decision: Decision,
    features: dict[str, Any],
    own_metrics: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, object]:
    """List what Evaluator needs beside the EvalConfig, as plain data for an execution property.

    Args:
        features: the FeatureTable as plain data.
        own_metrics: functions of the user's as plain data, see trainer.user_code.
    """
    # A setting that came later stands there only when somebody gave it: without it the step stays cached.
    rules = evaluation.model_dump(mode="json", exclude=None if evaluation.metrics else {"metrics"})
    return {
        "task": data.task,
        "classes": data.label_classes,
        "evaluation": rules,
        **({"ordered": True} if data.ordered else {}),
        **({} if decision.is_even else {"decision": decision.model_dump(mode="json")}),
        **({} if data.weight is None else {"weight": data.weight}),
        **({"own_metrics": dict(own_metrics)} if own_metrics else {}),
        "features": features,
    }


def slicing_spec(text: str, rules: Evaluation) -> config_pb2.SlicingSpec:
    """Find the slices that a rule is about by the configuration's text; all rows where it is empty."""
    if not text:
        return config_pb2.SlicingSpec()
    found = slice_rule(text, rules.slices)
    assert found is not None, f"{text!r} passed the check of the configuration"
    columns, values = found
    if values is None:
        return config_pb2.SlicingSpec(feature_keys=list(columns))
    return config_pb2.SlicingSpec(feature_values=dict(zip(columns, values, strict=True)))


def threshold_of(metric: str, text: str, rules: Evaluation) -> config_pb2.MetricThreshold:
    """Find the bounds of a metric on the slices that a rule is about; over all rows where `text` is empty."""
    threshold = rules.thresholds[metric]
    return _threshold(metric in rules.lower_is_better, threshold.slices[text] if text else threshold)


def _per_slice(metric: str, rules: Evaluation) -> list[config_pb2.PerSliceMetricThreshold]:
    """Compile a metric's thresholds; one without slices would hold for every slice, however few rows it has."""
    threshold = rules.thresholds.get(metric)
    if threshold is None:
        return []
    return [
        config_pb2.PerSliceMetricThreshold(
            slicing_specs=[slicing_spec(text, rules)], threshold=threshold_of(metric, text, rules)
        )
        for text in (*([] if threshold.is_empty else [""]), *threshold.slices)
    ]


def _threshold(lower: bool, bounds: Bounds) -> config_pb2.MetricThreshold:
    threshold = config_pb2.MetricThreshold()
    if bounds.at_least is not None:
        threshold.value_threshold.lower_bound.value = bounds.at_least
    if bounds.at_most is not None:
        threshold.value_threshold.upper_bound.value = bounds.at_most
    if bounds.at_least is None and bounds.at_most is None:
        # Without a champion TFX drops `may_lose`, and where no threshold is left it blesses nothing.
        threshold.value_threshold.lower_bound.value = -math.inf
    if bounds.may_lose is not None:
        threshold.change_threshold.direction = (
            config_pb2.MetricDirection.LOWER_IS_BETTER if lower else config_pb2.MetricDirection.HIGHER_IS_BETTER
        )
        threshold.change_threshold.absolute.value = bounds.may_lose if lower else -bounds.may_lose
    return threshold
