"""Configuration to EvalConfig: which metrics, slices and thresholds; and that the thresholds judge as they read."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.evaluators import metrics_validator
from tensorflow_model_analysis.proto import config_pb2

from pipeline.config.evaluation import LOWER_IS_BETTER, METRICS, slice_rule
from pipeline.config.pipeline import PipelineConfig
from pipeline.evaluation.eval_config import (
    check,
    eval_config,
)
from trainer.artifact_names import LABEL, PREDICTION

CLASSES = {"binary": [], "multiclass": ["a", "b", "c"], "regression": []}


def config(task: str, thresholds: dict[str, Any], slices: list[list[str]] | None = None) -> PipelineConfig:
    return PipelineConfig.model_validate(
        {
            "name": "cats",
            "data": {"path": "cats.csv", "label": "purrs", "task": task, "classes": CLASSES[task]},
            "split": {"by": "hash"},
            "schema": {"file": "cats.pbtxt"},
            "evaluation": {"thresholds": thresholds, "slices": slices or []},
        }
    )


def asked(*args: Any) -> config_pb2.EvalConfig:
    """What `config` of these arguments makes Evaluator compute."""
    made = config(*args)
    return eval_config(made.data.task, made.evaluation)


def metrics(found: config_pb2.EvalConfig) -> dict[str, Any]:
    return {json.loads(metric.config)["name"]: metric for spec in found.metrics_specs for metric in spec.metrics}


def threshold(metric: str, task: str = "binary", **bounds: float) -> config_pb2.MetricThreshold:
    (per_slice,) = metrics(asked(task, {metric: bounds}))[metric].per_slice_thresholds
    assert list(per_slice.slicing_specs) == [config_pb2.SlicingSpec()]  # overall only
    return per_slice.threshold


def is_blessed(metric: str, value: float, champion: float | None = None, task: str = "binary", **bounds: float) -> bool:
    """What TFMA's own validator makes of the configuration overall; a slice never stands in the way."""
    found = tfma.utils.update_eval_config_with_defaults(  # as Evaluator does
        asked(task, {metric: bounds}, [["paw"]]),
        has_baseline=champion is not None,
        rubber_stamp=True,
    )
    key = tfma.metrics.MetricKey(metric, model_name="" if champion is None else "candidate")
    values = {key: value}
    if champion is not None:
        baseline = tfma.metrics.MetricKey(metric, model_name="baseline")
        values |= {baseline: champion, key.make_diff_key(): value - champion}
    small_slice = ((("paw", "left"),), dict.fromkeys(values, math.nan))
    assert metrics_validator.validate_metrics(small_slice, found).validation_ok
    return bool(metrics_validator.validate_metrics(((), values), found).validation_ok)


@pytest.mark.parametrize("task", list(METRICS))
def test_every_metric_that_a_threshold_may_name_is_computed(task: str) -> None:
    first = METRICS[task][0]
    found = metrics(asked(task, {first: {"at_least": 0.5}}))
    assert set(found) == {*METRICS[task], "example_count"}
    assert [name for name, metric in found.items() if metric.per_slice_thresholds] == [first]
    for metric in found.values():
        assert not metric.HasField("threshold")  # would hold on every slice, however small


def test_both_models_are_asked_in_the_same_words() -> None:
    candidate, baseline = asked("binary", {"auc": {"at_least": 0.5}}).model_specs
    assert (candidate.name, candidate.is_baseline) == ("candidate", False)
    assert (baseline.name, baseline.is_baseline) == ("baseline", True)
    for model in (candidate, baseline):
        assert (model.signature_name, model.label_key, model.prediction_key) == (
            "serving_default", LABEL, PREDICTION,
        )  # fmt: skip
        assert list(model.preprocessing_function_names) == ["transform_labels"]
    assert (LABEL, PREDICTION) == ("label_xf", "prediction")


def test_overall_is_always_there_before_the_slices() -> None:
    found = asked("binary", {"auc": {"at_least": 0.5}}, [["paw"], ["paw", "fur"]])
    assert [list(spec.feature_keys) for spec in found.slicing_specs] == [[], ["paw"], ["paw", "fur"]]


def test_bounds_are_handed_on() -> None:
    found = threshold("calibration", at_least=0.9, at_most=1.1).value_threshold
    assert (found.lower_bound.value, found.upper_bound.value) == (0.9, 1.1)
    assert not threshold("auc", at_least=0.6).value_threshold.HasField("upper_bound")
    assert not threshold("auc", at_least=0.6).HasField("change_threshold")


@pytest.mark.parametrize(
    ("task", "metric", "lower_is_better"),
    [
        (task, metric, metric in ("log_loss", "rmse", "mae", "expected_calibration_error"))
        for task in METRICS
        for metric in METRICS[task]
    ],
)
def test_what_a_metric_may_lose_has_its_direction_and_sign(task: str, metric: str, lower_is_better: bool) -> None:
    assert (metric in LOWER_IS_BETTER) is lower_is_better
    change = threshold(metric, task, may_lose=0.02).change_threshold
    direction = (
        config_pb2.MetricDirection.LOWER_IS_BETTER if lower_is_better else config_pb2.MetricDirection.HIGHER_IS_BETTER
    )
    assert change.direction == direction
    assert change.absolute.value == (0.02 if lower_is_better else -0.02)


@pytest.mark.parametrize(
    ("metric", "bounds", "value", "champion", "blessed"),
    [
        ("auc", {"at_least": 0.6}, 0.6, None, True),
        ("auc", {"at_least": 0.6}, 0.59, None, False),
        ("log_loss", {"at_most": 0.5}, 0.5, None, True),
        ("log_loss", {"at_most": 0.5}, 0.51, None, False),
        ("auc", {"may_lose": 0.01}, 0.3, None, True),  # there is nothing to lose to
        ("auc", {"may_lose": 0.01}, 0.695, 0.7, True),
        ("auc", {"may_lose": 0.01}, 0.68, 0.7, False),
        ("auc", {"may_lose": 0.01}, 0.9, 0.7, True),
        ("log_loss", {"may_lose": 0.01}, 0.505, 0.5, True),
        ("log_loss", {"may_lose": 0.01}, 0.52, 0.5, False),
        ("log_loss", {"may_lose": 0.01}, 0.1, 0.5, True),
        ("auc", {"at_least": 0.6, "may_lose": 0.5}, 0.5, 0.7, False),
        ("auc", {"at_least": 0.6, "may_lose": 0.05}, 0.64, 0.7, False),
    ],
)
def test_tfma_judges_as_the_threshold_reads(
    metric: str, bounds: dict[str, float], value: float, champion: float | None, blessed: bool
) -> None:
    assert is_blessed(metric, value, champion, **bounds) is blessed


# Slices


SLICES = [["paw"], ["fur", "paw"]]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("paw", (("paw",), None)),
        ("paw=left", (("paw",), ("left",))),
        ("paw=a=b, c", (("paw",), ("a=b, c",))),
        ("fur, paw", (("fur", "paw"), None)),
        ("paw, fur", (("fur", "paw"), None)),
        ("paw=left, fur=red", (("fur", "paw"), ("red", "left"))),
        ("fur", None),
        ("fur=red", None),
        ("paw=left, fur", (("paw",), ("left, fur",))),
        ("paw, fur=red", None),
        ("", None),
    ],
)
def test_what_a_slice_rule_is_about(text: str, rule: Any) -> None:
    assert slice_rule(text, SLICES) == rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a=b", (("a=b",), None)),  # the column, not a value of `a`
        ("a=b=c", (("a=b",), ("c",))),
        ("a=c", (("a",), ("c",))),
        ("x, y", (("x, y",), None)),
        ("y, x, y", (("x, y", "y"), None)),
        ("x, y=1, y=2", (("x, y", "y"), ("1", "2"))),
        ("line\nbreak=x\ny", (("line\nbreak",), ("x\ny",))),
    ],
)
def test_columns_of_any_name_have_slice_rules(text: str, rule: Any) -> None:
    assert slice_rule(text, [["a"], ["a=b"], ["x, y"], ["x, y", "y"], ["line\nbreak"]]) == rule


def test_thresholds_of_slices_are_handed_on() -> None:
    bounds = {"at_least": 0.6, "slices": {"paw": {"at_least": 0.5}, "paw=left, fur=red": {"may_lose": 0.1}}}
    found = metrics(asked("binary", {"auc": bounds}, SLICES))["auc"].per_slice_thresholds
    assert [threshold.slicing_specs[0] for threshold in found] == [
        config_pb2.SlicingSpec(),
        config_pb2.SlicingSpec(feature_keys=["paw"]),
        config_pb2.SlicingSpec(feature_values={"fur": "red", "paw": "left"}),
    ]
    assert found[1].threshold.value_threshold.lower_bound.value == 0.5
    assert found[2].threshold.change_threshold.absolute.value == -0.1


def _of_one_class(found: config_pb2.EvalConfig) -> None:
    found.metrics_specs[0].binarize.class_ids.values.append(0)


def _of_weighted_rows(found: config_pb2.EvalConfig) -> None:
    found.metrics_specs[0].example_weights.weighted = True


def _another_metric(found: config_pb2.EvalConfig) -> None:
    found.metrics_specs[0].metrics.add(class_name="MeanSquaredError")


def _another_threshold(found: config_pb2.EvalConfig) -> None:
    found.metrics_specs[0].metrics[0].threshold.value_threshold.lower_bound.value = 0.9


def _intervals(found: config_pb2.EvalConfig) -> None:
    found.options.compute_confidence_intervals.value = True


def _a_slice(found: config_pb2.EvalConfig) -> None:
    found.slicing_specs.add(feature_keys=["tail"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_another_metric, "metrics_specs"),
        (_of_one_class, "metrics_specs"),
        (_of_weighted_rows, "metrics_specs"),
        (_another_threshold, "metrics_specs"),
        (_intervals, "options"),
        (_a_slice, "slicing_specs"),
    ],
)
def test_what_evaluator_does_not_compute_is_refused(change: Any, field: str) -> None:
    made = config("binary", {"auc": {"at_least": 0.6, "may_lose": 0.1}}, SLICES)
    found = eval_config("binary", made.evaluation)
    check(found, "binary", made.evaluation)
    change(found)
    with pytest.raises(NotImplementedError, match=f"^{field} of the EvalConfig"):
        check(found, "binary", made.evaluation)
