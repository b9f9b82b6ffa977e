"""Writes metrics and verdicts as TFMA does: tools of TFMA and TFX read them as if it had computed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2
from tensorflow_model_analysis.slicer import slicer_lib

from pipeline.config.evaluation import COUNT, Evaluation
from pipeline.evaluation.columnar_metrics import SliceKey
from pipeline.evaluation.eval_config import slicing_spec, threshold_of
from pipeline.evaluation.model_judge import ModelVerdict, Rule
from pipeline.evaluation.slice_metrics import CHAMPION, SliceMetrics


def write_records(
    slices: beam.PCollection,
    validations: beam.PCollection,
    eval_config: tfma.EvalConfig,
    paths: Mapping[str, str],
    uri: str,
    label: str = "",
) -> None:
    """Add the writing of metrics and validations to a Beam pipeline.

    Args:
        slices: SliceMetrics.
        validations: ValidationResult of TFMA.
        eval_config: with its defaults filled in.
        paths: SavedModel by the name of its ModelSpec.
        uri: of the folder.
        label: of the steps, where there are several such.
    """
    typed = tfma.EvalConfig()
    typed.CopyFrom(eval_config)
    for spec in typed.model_specs:  # else TFMA loads each model, only to find out whether Keras has saved it
        spec.model_type = spec.model_type or tfma.TF_GENERIC
    models = [tfma.default_eval_shared_model(path, eval_config=typed, model_name=name) for name, path in paths.items()]
    writers = tfma.default_writers(
        output_path=uri, eval_shared_model=models[0] if len(models) == 1 else models, eval_config=eval_config
    )
    metrics = slices | f"NameMetrics{label}" >> beam.Map(metrics_of, list(paths))
    found = {tfma.METRICS_KEY: metrics, tfma.VALIDATIONS_KEY: validations}
    _ = found | f"WriteResults{label}" >> tfma.WriteResults(writers)


def write_reference(slices: beam.PCollection, eval_config: tfma.EvalConfig, name: str, path: str, uri: str) -> None:
    """Add the writing of the metrics of a model that only sets a bound, into a folder of its own."""
    alone = tfma.EvalConfig()
    alone.CopyFrom(eval_config)
    del alone.model_specs[1:]
    alone.model_specs[0].name = ""  # TFMA leaves a lone model without a name
    for spec in alone.metrics_specs:
        del spec.model_names[:]
        for metric in spec.metrics:
            del metric.per_slice_thresholds[:]
    lone = slices | f"Only {name}" >> beam.Map(lambda found: replace(found, by_model={"": found.by_model[name]}))
    unjudged = slices.pipeline | f"No Verdict on {name}" >> beam.Create([validation_result_pb2.ValidationResult()])
    write_records(lone, unjudged, alone, {"": path}, f"{uri}/{name}", f" of {name}")


def metrics_of(found: SliceMetrics, models: Sequence[str]) -> tuple[SliceKey, dict[Any, float]]:
    """{metric key of TFMA: value} of some models on a slice, and the challenger's differences to the champion."""
    metrics = {
        _metric_key(name, model, found): value for model in models for name, value in found.by_model[model].items()
    }
    if CHAMPION in models:
        for name, before in found.by_model[CHAMPION].items():
            key = _metric_key(name, found.challenger, found)
            metrics[key.make_diff_key()] = metrics[key] - before
    return found.key, metrics


def _metric_key(name: str, model: str, found: SliceMetrics) -> Any:
    """Name a metric as TFMA does: of rows with weights all are weighted but their count."""
    is_weighted = found.effective_rows is not None and name != COUNT
    return tfma.metrics.MetricKey(name, model_name=model, example_weighted=is_weighted)


def validation_of(
    verdict: ModelVerdict, slices: Sequence[SliceMetrics], rules: Evaluation
) -> validation_result_pb2.ValidationResult:
    """Thresholds that were broken, and on how many slices each was judged.

    TFMA fails a threshold whose slice has no rows; ours says so in words, and does not stop the push.

    Args:
        verdict: without models that set a bound besides the champion: TFMA knows none.
    """
    result = validation_result_pb2.ValidationResult(validation_ok=True)
    for text, judged in verdict.judged.items():
        result.validation_details.slicing_details.add(
            slicing_spec=slicing_spec(text, rules), num_matching_slices=len(judged)
        )
    for found in slices:
        broken = [rule for rule in verdict.rules if not rule.held and rule.kind != "gap" and rule.on == found.name]
        if broken:
            result.validation_ok = False
            result.metric_validations_per_slice.add(
                slice_key=slicer_lib.serialize_slice_key(found.key), failures=_failures(broken, found, rules)
            )
    return result


def _failures(
    broken: Sequence[Rule], found: SliceMetrics, rules: Evaluation
) -> list[validation_result_pb2.ValidationFailure]:
    """Values first, then differences to the champion; two rules with the same bounds give one."""
    failures: list[validation_result_pb2.ValidationFailure] = []
    _, metrics = metrics_of(found, list(found.by_model))
    for is_change in (False, True):
        for rule in broken:
            # What cannot be computed breaks every bound.
            if (rule.kind == "may_lose") is not is_change and (is_change or rule.value is not None):
                continue
            key = _metric_key(rule.metric, found.challenger, found)
            key = key.make_diff_key() if is_change else key
            if key not in metrics:
                continue
            bounds = threshold_of(rule.metric, rule.of, rules)
            failure = validation_result_pb2.ValidationFailure(metric_key=key.to_proto())
            failure.metric_value.double_value.value = metrics[key]
            if is_change:
                failure.metric_threshold.change_threshold.CopyFrom(bounds.change_threshold)
            else:
                failure.metric_threshold.value_threshold.CopyFrom(bounds.value_threshold)
            if failure not in failures:
                failures.append(failure)
    return failures
