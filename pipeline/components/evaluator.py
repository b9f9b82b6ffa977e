"""Evaluator that says in plain data what it found: metrics and verdict as JSON beside TFMA's records."""

from __future__ import annotations

import copy
import json
from typing import Any

import tensorflow_model_analysis as tfma
from tfx.components.evaluator import component
from tfx.components.evaluator import executor as evaluator_executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, proto_utils

from pipeline.data import parquet_tfxio

parquet_tfxio.install()

VERDICT_FILE = "verdict.json"
"""In the ModelEvaluation artifact; see `summarize`."""


class Executor(evaluator_executor.Executor):
    """Stock evaluation on record batches, then the summary."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do."""
        narrowed = self._narrowed_schema(input_dict[standard_component_specs.SCHEMA_KEY], exec_properties)
        super().Do(input_dict | {standard_component_specs.SCHEMA_KEY: narrowed}, output_dict, exec_properties)
        uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.EVALUATION_KEY])
        has_champion = bool(input_dict.get(standard_component_specs.BASELINE_MODEL_KEY))
        io_utils.write_string_file(f"{uri}/{VERDICT_FILE}", json.dumps(summarize(uri, has_champion), indent=1))

    def _narrowed_schema(self, schemas: list[Any], exec_properties: dict[str, Any]) -> list[Any]:
        """The schema with only the columns that slices are made of.

        TFMA takes every column of the schema apart, row by row in Python, although the model is fed from the raw
        record; that was a third of Evaluator's time on the flights.
        """
        config = tfma.EvalConfig()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.EVAL_CONFIG_KEY], config)
        sliced = {key for spec in config.slicing_specs for key in spec.feature_keys}
        uri = artifact_utils.get_single_uri(schemas)
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(uri))
        kept = [feature for feature in schema.feature if feature.name in sliced]
        narrowed = copy.deepcopy(schemas[0])
        narrowed.uri = f"{self._get_tmp_dir()}narrowed_schema"
        del schema.feature[:]
        schema.feature.extend(kept)
        io_utils.write_pbtxt_file(f"{narrowed.uri}/schema.pbtxt", schema)
        return [narrowed]


def summarize(uri: str, has_champion: bool) -> dict[str, Any]:
    """Reads TFMA's output.

    Returns:
        `blessed`; `metrics`: {metric: value} overall; `champion`: the same of the champion, or None;
        `slices`: [{slice: {column: value}, metrics}]; `failures`: one sentence per broken threshold.
    """
    candidate = _by_slice(uri, "candidate" if has_champion else None)
    champion = _by_slice(uri, "baseline") if has_champion else None
    validation = tfma.load_validation_result(uri)
    return {
        "blessed": bool(validation.validation_ok),
        "metrics": candidate[()],
        "champion": champion[()] if champion else None,
        "slices": [
            {"slice": dict(key), "metrics": metrics} for key, metrics in sorted(candidate.items(), key=str) if key
        ],
        "failures": [
            _failure(failure, dict(_slice_key(found.slice_key)))
            for found in validation.metric_validations_per_slice
            for failure in found.failures
        ],
    }


def _by_slice(uri: str, model_name: str | None) -> dict[tuple[tuple[str, Any], ...], dict[str, float]]:
    result = tfma.load_eval_result(uri, model_name=model_name)
    return {
        tuple(key): {name: value["doubleValue"] for name, value in metrics[""][""].items() if "doubleValue" in value}
        for key, metrics in result.slicing_metrics
    }


def _slice_key(slice_key: Any) -> list[tuple[str, Any]]:
    values = [(part.column, getattr(part, part.WhichOneof("kind"))) for part in slice_key.single_slice_keys]
    return [(column, value.decode() if isinstance(value, bytes) else value) for column, value in values]


def _failure(failure: Any, where: dict[str, Any]) -> str:
    """One sentence: metric, slice, value, bound."""
    name, value = failure.metric_key.name, failure.metric_value.double_value.value
    on = f" on {', '.join(f'{column}={found}' for column, found in where.items())}" if where else ""
    threshold = failure.metric_threshold
    if threshold.HasField("change_threshold") and failure.metric_key.is_diff:
        bound = threshold.change_threshold.absolute.value
        side = "below" if value < 0 else "above"
        return f"{name}{on} is {abs(value):.4f} {side} the champion's; {abs(bound):g} is allowed"
    bounds = threshold.value_threshold
    if bounds.HasField("lower_bound") and not value >= bounds.lower_bound.value:
        return f"{name}{on} is {value:.4f}, needs at least {bounds.lower_bound.value:g}"
    return f"{name}{on} is {value:.4f}, may be at most {bounds.upper_bound.value:g}"


class Evaluator(component.Evaluator):
    """Component: `evaluation` and `blessing`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
