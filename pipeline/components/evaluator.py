"""Evaluator in columns, which says in plain data what it found: metrics and verdict as JSON beside TFMA's records."""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import Any, ClassVar

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.components.evaluator import constants
from tfx.components.evaluator import executor as evaluator_executor
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from pipeline.components.blessing import bless
from pipeline.components.seen_rows import Ingested, count_seen
from pipeline.components.span_rows import ReadBySpan
from pipeline.components.whole_model import check_whole, digest_on_disk
from pipeline.config.decision import Decision
from pipeline.config.evaluation import Evaluation
from pipeline.evaluation.baselines import compare
from pipeline.evaluation.booleans import boolean_columns
from pipeline.evaluation.columnar_metrics import BASELINES, PERIODS, RAW_RECORD, SAMPLE, TALLIES, ScoreAndAddUp
from pipeline.evaluation.decision import choose_for_each
from pipeline.evaluation.eval_config import check as check_eval_config
from pipeline.evaluation.figures import write_figures, write_verdict
from pipeline.evaluation.mismatch import mismatch
from pipeline.evaluation.model_contract import Contract
from pipeline.evaluation.over_time import joined
from pipeline.evaluation.own_metrics import check_own, user_code_blamed
from pipeline.evaluation.periods import time_column
from pipeline.evaluation.slice_metrics import measure
from pipeline.evaluation.summary import Names, summarize
from pipeline.evaluation.tfma_records import write_records, write_reference
from pipeline.lineage.artifact_names import CONTRACT, JUDGED_AGAINST, MODEL_DIGEST, VERDICT_FILE
from pipeline.patches.row_groups import make_tfxio
from trainer.features import FeatureTable

RUN_ID = "run_id"
"""Custom property of a blessing: the run whose model it is about."""
REFERENCES, REFERENCE_BLESSINGS = "reference_models", "reference_blessings"
SETTINGS, BASELINE_BLESSING, BASELINE_EXAMPLES = "settings", "baseline_blessing", "baseline_examples"

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
            CodeError: a metric of the user's failed.
        """
        if SETTINGS not in exec_properties:
            logging.getLogger(__name__).info("Evaluator takes TFX's own executor: its settings are not Longhaul's")
            super().Do(input_dict, output_dict, exec_properties)
            return
        logging.getLogger(__name__).info("Evaluator scores and adds up in columns: its settings are Longhaul's")
        settings = json.loads(exec_properties[SETTINGS])
        with user_code_blamed():
            check_own(settings.get("own_metrics", {}))
        models = {"candidate": input_dict[standard_component_specs.MODEL_KEY][0]}
        check_whole(models["candidate"], "to be judged", "`longhaul run --from Trainer --no-cache` trains it again")
        champion = next(iter(input_dict.get(standard_component_specs.BASELINE_MODEL_KEY) or []), None)
        examples = artifact_utils.get_single_uri(input_dict[standard_component_specs.EXAMPLES_KEY])
        set_aside = _why_set_aside(champion, settings, examples) if champion else ""
        if champion and not set_aside:
            models["baseline"] = champion
            check_whole(
                champion,
                f"of {_champion_name(input_dict)}",
                f"bring its files back, or move the folder {champion.uri} away: then the copy that serves takes its "
                "place, or, where none serves, the model that was blessed before it",
            )
        rules = Evaluation.model_validate(settings["evaluation"])
        eval_config = tfma.EvalConfig()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.EVAL_CONFIG_KEY], eval_config)
        check_eval_config(eval_config, settings["task"], rules, settings.get("weight"))
        eval_config = tfma.utils.update_eval_config_with_defaults(
            eval_config, has_baseline=len(models) > 1, rubber_stamp=True
        )
        tfma.utils.verify_eval_config(eval_config)
        uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.EVALUATION_KEY])
        splits = json_utils.loads(exec_properties["example_splits"])
        bounding = {
            model.id: model for model in input_dict.get(REFERENCES) or [] if _is_comparable(model, settings, examples)
        }
        name = _champion_name(input_dict)
        texts = _reference_names(list(bounding.values()), input_dict.get(REFERENCE_BLESSINGS) or [])
        names = Names(
            name if "baseline" in models else None, {f"reference-{number}": of for number, of in texts.items()}
        )
        models |= {f"reference-{number}": model for number, model in bounding.items()}
        more = {
            "set_aside": {"name": name, "why": set_aside} if set_aside else None,
            "seen": _seen(input_dict, splits) if names.champion else None,
        }
        with user_code_blamed():
            self._evaluate(input_dict, splits, eval_config, models, uri, settings, names, more)
        summary = json.loads(io_utils.read_string_file(f"{uri}/{VERDICT_FILE}"))
        blessing = artifact_utils.get_single_instance(output_dict[standard_component_specs.BLESSING_KEY])
        if run_id := getattr(self._context, "pipeline_run_id", None):
            blessing.set_string_custom_property(RUN_ID, run_id)
        if champion:
            blessing.set_string_custom_property(JUDGED_AGAINST, champion.get_string_custom_property(MODEL_DIGEST))
        bless(blessing, summary["blessed"], models["candidate"], champion)

    def _evaluate(
        self,
        input_dict: Any,
        splits: list[str],
        eval_config: tfma.EvalConfig,
        models: dict[str, Any],
        uri: str,
        settings: dict[str, Any],
        names: Names,
        more: dict[str, Any],
    ) -> None:
        paths = {name: path_utils.serving_model_path(model.uri) for name, model in models.items()}
        if not names.champion:  # TFMA leaves a lone model without a name
            paths = {"": paths.pop("candidate")} | paths
        weight = settings.get("weight")
        ingested = Ingested.read(artifact_utils.get_single_uri(input_dict[standard_component_specs.EXAMPLES_KEY]))
        when = time_column(ingested.when if ingested else None, FeatureTable.from_dict(settings["features"]))
        needed = {when, weight, *(key for spec in eval_config.slicing_specs for key in spec.feature_keys)}
        schema_uri = artifact_utils.get_single_uri(input_dict[standard_component_specs.SCHEMA_KEY])
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri))
        only_needed = schema_pb2.Schema(feature=[feature for feature in schema.feature if feature.name in needed])
        split_uris = [
            split_uri
            for split in splits
            for split_uri in artifact_utils.get_split_uris(input_dict[standard_component_specs.EXAMPLES_KEY], split)
        ]
        make = partial(
            make_tfxio,
            telemetry_descriptors=["Evaluator"],
            payload_format=examples_utils.get_payload_format(input_dict[standard_component_specs.EXAMPLES_KEY][0]),
            schema=only_needed,
            raw_record_column_name=RAW_RECORD,
        )
        task, rules = settings["task"], Evaluation.model_validate(settings["evaluation"])
        own_metrics = settings.get("own_metrics", {})
        with self._make_beam_pipeline() as pipeline:
            rows = pipeline | "ReadExamples" >> ReadBySpan(split_uris, make, _BATCH_ROWS)
            found = rows | "Evaluate" >> ScoreAndAddUp(
                *(eval_config, paths, task, rules.explain, when),
                keep_rows=bool(own_metrics),
                booleans=boolean_columns(only_needed),
            )
            overall = found[TALLIES] | "AllRows" >> beam.Filter(lambda entry: not entry[0]) | beam.Values()
            decision = Decision.model_validate(settings.get("decision", {})) if task == "binary" else None
            chosen = overall | "Decide" >> beam.Map(choose_for_each, decision)
            at = beam.pvalue.AsSingleton(chosen, default_value={})
            slices = found[TALLIES] | "Measure" >> beam.Map(
                measure, task, rules.confidence, at, own_metrics, rules.decided
            )
            gathered = slices | "Gather" >> beam.combiners.ToList()
            judged = gathered | "Judge" >> beam.Map(summarize, rules, names, decision, at, weight)
            beside = found[BASELINES] | "Compare" >> beam.Map(
                lambda tallies: compare(task, tallies, rules.confidence, own_metrics)
            )
            periods = found[PERIODS] | "GatherPeriods" >> beam.combiners.ToList()
            in_time = periods | "OverTime" >> beam.Map(joined, task, rules.confidence, when, own_metrics)
            besides = {"baselines": beam.pvalue.AsSingleton(beside), "over_time": beam.pvalue.AsSingleton(in_time)}
            _ = judged | "WriteVerdict" >> beam.Map(write_verdict, uri, more, **besides)
            validations = judged | "ForTFMA" >> beam.MapTuple(lambda _, validation: validation)
            judged_models = {name: path for name, path in paths.items() if name not in names.references}
            write_records(slices, validations, eval_config, judged_models, uri)
            for name in names.references:
                write_reference(slices, eval_config, name, paths[name], uri)
            whole = beam.pvalue.AsList(overall)
            told = settings | {"columns": list(ingested.columns) if ingested else [], "when": when}
            _ = found[SAMPLE] | "WriteFigures" >> beam.Map(write_figures, whole, told, next(iter(paths.values())), uri)


def _champion_name(input_dict: dict[str, list[Any]]) -> str:
    for blessing in input_dict.get(BASELINE_BLESSING) or []:
        if run_id := blessing.get_string_custom_property(RUN_ID):
            return f"champion run {run_id}"
    for model in input_dict.get(standard_component_specs.BASELINE_MODEL_KEY) or []:
        if run_id := model.get_string_custom_property(RUN_ID):  # see pipeline.runners.local.served_model
            return f"champion run {run_id}"
    return "the champion"


def _reference_names(models: list[Any], blessings: list[Any]) -> dict[int, str]:
    """How to name Model artifacts, by id: by the run that a blessing, or the model itself, names."""
    runs = {
        blessing.get_int_custom_property(
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
        ): blessing.get_string_custom_property(RUN_ID)
        for blessing in blessings
    }
    named = {model.id: runs.get(model.id) or model.get_string_custom_property(RUN_ID) for model in models}
    return {number: f"the model of run {run}" if run else f"Model {number}" for number, run in named.items()}


def _seen(input_dict: dict[str, list[Any]], splits: list[str]) -> dict[str, Any]:
    """How many of the rows that judge the champion it was trained on: `seen`, None where that cannot be told."""
    today = Ingested.read(artifact_utils.get_single_uri(input_dict[standard_component_specs.EXAMPLES_KEY]))
    of_champion = input_dict.get(BASELINE_EXAMPLES)
    then = Ingested.read(of_champion[0].uri) if of_champion else None
    return {"seen": count_seen(today, splits, then) if today and then else None}


def _why_set_aside(champion: Any, settings: dict[str, Any], examples: str) -> str:
    """Why the champion cannot be measured on these rows beside this challenger; empty if it can."""
    text, today = champion.get_string_custom_property(CONTRACT), Ingested.read(examples)
    challenger = Contract.of_table(FeatureTable.from_dict(settings["features"]))
    return mismatch(Contract.from_json(text), challenger, today.columns) if text and today else ""


def _is_comparable(model: Any, settings: dict[str, Any], examples: str) -> bool:
    """Whether a model can set a bound: it fits these rows, and its files are those that its training exported."""
    return digest_on_disk(model) == model.get_string_custom_property(MODEL_DIGEST) and not _why_set_aside(
        model, settings, examples
    )


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
        BASELINE_EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples, optional=True),
        REFERENCES: component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
        REFERENCE_BLESSINGS: component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing, optional=True),
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
        baseline_examples: Any = None,
        reference_models: Any = None,
        reference_blessings: Any = None,
    ) -> None:
        """Take `settings` of pipeline.evaluation.eval_config.settings; the other arguments are stock Evaluator's."""
        super().__init__(
            EvaluatorSpec(
                examples=examples,
                model=model,
                schema=schema,
                baseline_model=baseline_model,
                baseline_blessing=baseline_blessing,
                baseline_examples=baseline_examples,
                reference_models=reference_models,
                reference_blessings=reference_blessings,
                eval_config=eval_config,
                example_splits=json_utils.dumps(example_splits),
                settings=json.dumps(settings),
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
