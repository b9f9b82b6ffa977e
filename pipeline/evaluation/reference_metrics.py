"""Metrics of models that only set a bound, on the challenger's rows: no curves, no intervals, no verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma

from pipeline.config.evaluation import Evaluation
from pipeline.evaluation.columnar_metrics import EvaluateColumns

SliceMetrics = dict[tuple[tuple[str, Any], ...], dict[str, float]]
"""By slice ((column, value), …), the metrics that are defined there."""


def evaluate_references(
    record_batches: beam.PCollection,
    eval_config: tfma.EvalConfig,
    paths: Mapping[int, str],
    task: str,
    rules: Evaluation,
    uri: str,
) -> None:
    """Adds to a Beam pipeline what measures these models, each into a folder of its own.

    Args:
        record_batches: as for EvaluateColumns.
        eval_config: that of challenger and champion.
        paths: SavedModel by the id of its Model artifact.
        uri: of the ModelEvaluation.
    """
    alone = tfma.EvalConfig()
    alone.CopyFrom(eval_config)
    del alone.model_specs[1:]
    alone.model_specs[0].name = ""  # TFMA leaves a lone model without a name
    for spec in alone.metrics_specs:
        del spec.model_names[:]
        for metric in spec.metrics:
            del metric.per_slice_thresholds[:]
    for number, path in paths.items():
        found = record_batches | f"Evaluate Model {number}" >> EvaluateColumns(alone, {"": path}, task, rules)
        metrics = {key: found[key] for key in (tfma.METRICS_KEY, tfma.VALIDATIONS_KEY)}
        _ = metrics | f"WriteResults of Model {number}" >> tfma.WriteResults(
            tfma.default_writers(
                output_path=_folder(uri, number),
                eval_shared_model=tfma.default_eval_shared_model(path, eval_config=alone),
                eval_config=alone,
            )
        )


def reference_metrics(uri: str, names: Mapping[int, str]) -> dict[str, SliceMetrics]:
    """Reads what `evaluate_references` wrote, by the models' names."""
    return {name: metrics_by_slice(_folder(uri, number), None) for number, name in names.items()}


def metrics_by_slice(uri: str, model_name: str | None) -> SliceMetrics:
    """Reads TFMA's metrics of one model. What is undefined (NaN, in JSON a text) is left out."""
    result = tfma.load_eval_result(uri, model_name=model_name)
    return {
        tuple(key): {
            name: number
            for name, value in metrics[""][""].items()
            # Both sides of a difference are there to be read.
            if not name.endswith("_diff") and math.isfinite(number := float(value.get("doubleValue", "nan")))
        }
        for key, metrics in result.slicing_metrics
    }


def _folder(uri: str, number: int) -> str:
    return f"{uri}/reference-{number}"


def names_of(models: list[Any], blessings: list[Any]) -> dict[int, str]:
    """How to name Model artifacts, by id: by the run that a blessing, or the model itself, names."""
    runs = {
        blessing.get_int_custom_property("current_model_id"): blessing.get_string_custom_property("run_id")
        for blessing in blessings
    }
    named = {model.id: runs.get(model.id) or model.get_string_custom_property("run_id") for model in models}
    return {number: f"the model of run {run}" if run else f"Model {number}" for number, run in named.items()}
