"""Evaluator in columns, which says in plain data what it found: metrics and verdict as JSON beside TFMA's records."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any, ClassVar

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.components.evaluator import constants
from tfx.components.evaluator import executor as evaluator_executor
from tfx.components.util import examples_utils, tfxio_utils
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from pipeline.components.artifact_names import EVALUATED_ROWS_FILE, EVALUATION_FILE
from pipeline.components.columnar_metrics import RAW_RECORD, SAMPLE, TALLIES, EvaluateColumns
from pipeline.components.curves import curves
from pipeline.components.explanation import explain
from pipeline.components.model_judge import Measured, judge, why_undefined
from pipeline.components.row_sample import RowSample
from pipeline.components.tallies import Tally, fills_blocks, intervals, is_one_class
from pipeline.components.whole_model import check_whole
from pipeline.data import parquet_tfxio
from pipeline.evaluation import COUNT, LOWER_IS_BETTER
from pipeline.sections.evaluation import METRICS, Evaluation
from trainer.witness import MOST_ROWS, write_scored_rows

parquet_tfxio.install()

CURVES_FILE = "curves.json"
"""Beside EVALUATION_FILE: curves of challenger and champion, see pipeline.components.curves."""
EXPLANATION_FILE = "explanation.json"
"""Beside it: what the model looks at, see pipeline.components.explanation."""
_INTERVALS_FILE = "intervals.json"
RUN_ID = "run_id"
"""Custom property of a blessing: the run whose model it is about."""
SETTINGS, BASELINE_BLESSING = "settings", "baseline_blessing"

_BATCH_ROWS = 8_192
"""Half of what others read at once: a model's hidden layers are wide."""


class Executor(evaluator_executor.Executor):
    """Scores the examples with challenger and champion, writes what TFMA would write, and blesses.

    Artifact properties are those of stock TFX's Evaluator, so that stock resolvers and Pusher understand them. It is
    one of those, because only of those TFX's container writes the models' names on Vertex AI into the blessing.
    """

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do.

        Raises:
            WorkspaceError: a model is no longer what its training exported.
        """
        settings = json.loads(exec_properties[SETTINGS])
        models = {"candidate": input_dict[standard_component_specs.MODEL_KEY][0]}
        check_whole(models["candidate"], "to be judged", "`longhaul run --from Trainer --no-cache` trains it again")
        if champions := input_dict.get(standard_component_specs.BASELINE_MODEL_KEY):
            models["baseline"] = champions[0]
            check_whole(
                champions[0],
                f"of {_champion_name(input_dict)}",
                f"bring its files back, or move the folder {champions[0].uri} away: then the model that was blessed "
                "before it is the champion",
            )
        eval_config = tfma.EvalConfig()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.EVAL_CONFIG_KEY], eval_config)
        eval_config = tfma.utils.update_eval_config_with_defaults(
            eval_config, has_baseline=len(models) > 1, rubber_stamp=True
        )
        tfma.utils.verify_eval_config(eval_config)
        uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.EVALUATION_KEY])
        splits = json_utils.loads(exec_properties["example_splits"])
        self._evaluate(input_dict, splits, eval_config, models, uri, settings)

        summary = summarize(uri, settings, _champion_name(input_dict) if len(models) > 1 else None)
        io_utils.write_string_file(f"{uri}/{EVALUATION_FILE}", json.dumps(summary, indent=1))
        blessing = artifact_utils.get_single_instance(output_dict[standard_component_specs.BLESSING_KEY])
        if run_id := getattr(self._context, "pipeline_run_id", None):
            blessing.set_string_custom_property(RUN_ID, run_id)
        _bless(blessing, summary["blessed"], models)

    def _evaluate(
        self,
        input_dict: Any,
        splits: list[str],
        eval_config: tfma.EvalConfig,
        models: dict[str, Any],
        uri: str,
        settings: dict[str, Any],
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
        rules = Evaluation.model_validate(settings["evaluation"])
        with self._make_beam_pipeline() as pipeline:
            evaluation = (
                pipeline
                | "ReadExamples" >> source.BeamSource(_BATCH_ROWS)
                | "Evaluate" >> EvaluateColumns(eval_config, paths, settings["task"], rules)
            )
            tallies, sample = evaluation.pop(TALLIES), evaluation.pop(SAMPLE)
            _ = evaluation | "WriteResults" >> tfma.WriteResults(
                tfma.default_writers(
                    output_path=uri,
                    eval_shared_model=shared_models[0] if len(models) == 1 else shared_models,
                    eval_config=eval_config,
                )
            )
            _ = sample | "WriteFigures" >> beam.Map(_write_figures, beam.pvalue.AsList(tallies), settings, paths, uri)


def _write_figures(
    sample: RowSample | None,
    tallies: list[tuple[Any, dict[str, Tally]]],
    settings: dict[str, Any],
    paths: dict[str, str],
    uri: str,
) -> None:
    """What a report shows besides TFMA's metrics, as JSON: it then needs neither TensorFlow nor the model."""
    rules = Evaluation.model_validate(settings["evaluation"])
    by_slice = {key: list(by_model.values()) for key, by_model in tallies}  # the challenger's first
    documents = {
        _INTERVALS_FILE: [
            {
                "slice": [[column, str(value)] for column, value in key],
                "one_class": is_one_class(settings["task"], own),
                "method": "jackknife" if fills_blocks(own) else "wilson",
            }
            | dict(
                zip(
                    ("metrics", "differences"),
                    intervals(settings["task"], own, others[0] if others else None, rules.confidence),
                    strict=True,
                )
            )
            for key, (own, *others) in by_slice.items()
        ],
        CURVES_FILE: curves(settings["task"], settings["classes"], by_slice.get((), []), sample, rules.confidence),
        EXPLANATION_FILE: explain(next(iter(paths.values())), sample, settings, rules),
    }
    if sample is not None:
        few = sample.even(MOST_ROWS)
        write_scored_rows(f"{uri}/{EVALUATED_ROWS_FILE}", list(few.records), few.predictions)
    for name, document in documents.items():
        io_utils.write_string_file(f"{uri}/{name}", json.dumps(document, indent=1))


def _champion_name(input_dict: dict[str, list[Any]]) -> str:
    for blessing in input_dict.get(BASELINE_BLESSING) or []:
        if run_id := blessing.get_string_custom_property(RUN_ID):
            return f"champion run {run_id}"
    return "the champion"


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


def summarize(uri: str, settings: dict[str, Any], champion: str | None) -> dict[str, Any]:
    """Reads TFMA's output and judges it.

    Args:
        champion: how to name it; None without one.

    Returns:
        `blessed`; `metrics`: {metric: value} over all rows; `champion`: the same of the champion, or None;
        `champion_name`; `confidence`; `intervals` and `differences`: {metric: [low, high]} over all rows, those of the
        metrics and of what they differ from the champion's; `undefined`: {metric: why it cannot be computed};
        `slices`: [{slice: {column: value}, metrics, champion, intervals, differences, undefined, failed}];
        `failures`: one sentence per broken rule; `rules`: every rule that was judged, see model_judge.Rule;
        `notes`: what was not judged, and why; `interval_method`: jackknife, or wilson of too few rows for it.
    """
    rules = Evaluation.model_validate(settings["evaluation"])
    candidate = _by_slice(uri, "candidate" if champion else None)
    baseline = _by_slice(uri, "baseline") if champion else {}
    spreads = {
        tuple((column, value) for column, value in entry["slice"]): entry
        for entry in json.loads(io_utils.read_string_file(f"{uri}/{_INTERVALS_FILE}"))
    }
    entries: list[dict[str, Any]] = []
    for key, metrics in sorted(candidate.items(), key=lambda item: (len(item[0]) > 0, str(item[0]))):
        spread = spreads[tuple((column, str(value)) for column, value in key)]
        entries.append(
            {
                "slice": dict(key),
                "metrics": metrics,
                "champion": baseline.get(key),
                "intervals": {name: spread["metrics"][name] for name in metrics if name in spread["metrics"]},
                "differences": {name: spread["differences"][name] for name in metrics if name in spread["differences"]},
                "undefined": {
                    name: why_undefined(name, spread["one_class"])
                    for name in METRICS[settings["task"]]
                    if name not in metrics
                },
            }
        )
    measured = [
        Measured(
            {column: str(value) for column, value in entry["slice"].items()},
            int(entry["metrics"][COUNT]),
            entry["metrics"],
            entry["champion"] or {},
            entry["undefined"],
        )
        for entry in entries
    ]
    verdict = judge(measured, rules, LOWER_IS_BETTER, champion)
    for entry, one in zip(entries, measured, strict=True):
        entry["failed"] = sorted({metric for name, metric in verdict.failed_slices if name == one.name})
    failures = list(verdict.failures)
    validation = tfma.load_validation_result(uri)
    if not validation.validation_ok and not failures:
        failures.append("TFMA's own validation says no; longhaul's judgement does not say why, which is a bug of ours")
    overall, *slices = entries
    return {
        "blessed": not failures,
        "champion_name": champion,
        "confidence": rules.confidence,
        "interval_method": spreads[()]["method"],
        **{key: overall[key] for key in ("metrics", "champion", "intervals", "differences", "undefined")},
        "slices": slices,
        "failures": failures,
        "rules": [asdict(rule) for rule in verdict.rules],
        "notes": verdict.notes,
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


class EvaluatorSpec(types.ComponentSpec):
    """That of stock Evaluator, as far as it is used here, with our settings and the champion's blessing."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        **{
            key: standard_component_specs.EvaluatorSpec.PARAMETERS[key]
            for key in (standard_component_specs.EVAL_CONFIG_KEY, standard_component_specs.EXAMPLE_SPLITS_KEY)
        },
        SETTINGS: component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        **standard_component_specs.EvaluatorSpec.INPUTS,
        BASELINE_BLESSING: component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = standard_component_specs.EvaluatorSpec.OUTPUTS
    TYPE_ANNOTATION = standard_component_specs.EvaluatorSpec.TYPE_ANNOTATION


class Evaluator(base_beam_component.BaseBeamComponent):
    """Component: `evaluation` and `blessing`."""

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: Any,
        model: Any,
        schema: Any,
        eval_config: tfma.EvalConfig,
        example_splits: list[str],
        settings: dict[str, Any],
        baseline_model: Any = None,
        baseline_blessing: Any = None,
    ) -> None:
        """`settings` are those of pipeline.evaluation.settings; the other arguments stock Evaluator's."""
        super().__init__(
            EvaluatorSpec(
                examples=examples,
                model=model,
                schema=schema,
                baseline_model=baseline_model,
                baseline_blessing=baseline_blessing,
                eval_config=eval_config,
                example_splits=json_utils.dumps(example_splits),
                settings=json.dumps(settings),
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
