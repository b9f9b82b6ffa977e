"""Evaluator in columns, which says in plain data what it found: metrics and verdict as JSON beside TFMA's records."""

from __future__ import annotations

import json
import math
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.evaluator import component, constants
from tfx.components.util import examples_utils, tfxio_utils
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from pipeline.components.columnar_metrics import RAW_RECORD, EvaluateColumns
from pipeline.data import parquet_tfxio

parquet_tfxio.install()

VERDICT_FILE = "verdict.json"
"""In the ModelEvaluation artifact; see `summarize`."""


_BATCH_ROWS = 8_192
"""Half of what others read at once: a model's hidden layers are wide."""


class Executor(base_beam_executor.BaseBeamExecutor):
    """Scores the examples with challenger and champion, writes what TFMA would write, and blesses.

    Inputs, outputs and artifact properties are those of stock TFX's Evaluator.
    """

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do."""
        models = {"candidate": input_dict[standard_component_specs.MODEL_KEY][0]}
        if champions := input_dict.get(standard_component_specs.BASELINE_MODEL_KEY):
            models["baseline"] = champions[0]
        eval_config = tfma.EvalConfig()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.EVAL_CONFIG_KEY], eval_config)
        eval_config = tfma.utils.update_eval_config_with_defaults(
            eval_config, has_baseline=len(models) > 1, rubber_stamp=True
        )
        tfma.utils.verify_eval_config(eval_config)
        uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.EVALUATION_KEY])
        self._evaluate(input_dict, json_utils.loads(exec_properties["example_splits"]), eval_config, models, uri)

        summary = summarize(uri, has_champion=len(models) > 1)
        io_utils.write_string_file(f"{uri}/{VERDICT_FILE}", json.dumps(summary, indent=1))
        blessing = artifact_utils.get_single_instance(output_dict[standard_component_specs.BLESSING_KEY])
        _bless(blessing, summary["blessed"], models)

    def _evaluate(
        self,
        input_dict: Any,
        splits: list[str],
        eval_config: tfma.EvalConfig,
        models: dict[str, Any],
        uri: str,
    ) -> None:
        paths = {name: path_utils.serving_model_path(model.uri) for name, model in models.items()}
        if len(models) == 1:  # TFMA leaves a lone model without a name
            paths = {"": paths["candidate"]}
        sliced = {key for spec in eval_config.slicing_specs for key in spec.feature_keys}
        schema_uri = artifact_utils.get_single_uri(input_dict[standard_component_specs.SCHEMA_KEY])
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri))
        only_sliced = schema_pb2.Schema(feature=[feature for feature in schema.feature if feature.name in sliced])
        split_uris = [
            split_uri
            for split in splits
            for split_uri in artifact_utils.get_split_uris(input_dict[standard_component_specs.EXAMPLES_KEY], split)
        ]
        source = tfxio_utils.make_tfxio(
            [io_utils.all_files_pattern(split_uri) for split_uri in split_uris],
            telemetry_descriptors=["Evaluator"],
            payload_format=examples_utils.get_payload_format(input_dict[standard_component_specs.EXAMPLES_KEY][0]),
            schema=only_sliced,
            raw_record_column_name=RAW_RECORD,
        )
        shared_models = [
            tfma.default_eval_shared_model(path, eval_config=eval_config, model_name=name)
            for name, path in paths.items()
        ]
        with self._make_beam_pipeline() as pipeline:
            evaluation = (
                pipeline
                | "ReadExamples" >> source.BeamSource(_BATCH_ROWS)
                | "Evaluate" >> EvaluateColumns(eval_config, paths)
            )
            _ = evaluation | "WriteResults" >> tfma.WriteResults(
                tfma.default_writers(
                    output_path=uri,
                    eval_shared_model=shared_models[0] if len(models) == 1 else shared_models,
                    eval_config=eval_config,
                )
            )


def _bless(blessing: Any, blessed: bool, models: dict[str, Any]) -> None:
    """Marks the blessing as stock Evaluator does, so that stock resolvers and Pusher understand it."""
    for role, uri_key, id_key in (
        (
            "candidate",
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY,
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY,
        ),
        (
            "baseline",
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY,
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY,
        ),
    ):
        if role in models:
            blessing.set_string_custom_property(uri_key, models[role].uri)
            blessing.set_int_custom_property(id_key, models[role].id)
    file = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(f"{blessing.uri}/{file}", "")
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY, constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE
    )


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
        tuple(key): {
            name: number
            for name, value in metrics[""][""].items()
            # Both sides of a difference are there to be read. What is undefined (NaN, in JSON a text) is left out.
            if not name.endswith("_diff") and math.isfinite(number := float(value.get("doubleValue", "nan")))
        }
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
