"""The check between the judgement and the push: what will be served is what was evaluated, and fast enough."""

from __future__ import annotations

import json
import logging
from typing import Any, ClassVar

from tfx.components.evaluator import constants
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.utils import io_utils, path_utils

from pipeline.config.infra_check import InfraCheckSettings
from pipeline.lineage.artifact_names import CHECKED, EVALUATED_ROWS_FILE, INFRA_FILE
from pipeline.lineage.skipped import NOT_BLESSED, SKIPPED_BECAUSE
from pipeline.serving.check import ScoredRows, check
from pipeline.serving.verdict import ServingVerdict
from trainer.artifact_names import EXPORTED_FILE
from trainer.features import FeatureTable
from trainer.probe_rows import SCORED_ROWS_FILE, read_scored_rows

progress = logging.getLogger("longhaul.progress")

_BLESSED_FILES = {True: "INFRA_BLESSED", False: "INFRA_NOT_BLESSED"}
"""As stock InfraValidator marks its artifact."""


class Executor(base_executor.BaseExecutor):
    """Has a blessed model served in a fresh process, and writes what came of it."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do. A model that Evaluator did not bless is not asked."""
        inputs = {key: artifact_utils.get_single_instance(value) for key, value in input_dict.items()}
        verdict = ServingVerdict(checked=False, failures=[])
        if model_utils.is_model_blessed(inputs["model_blessing"]):
            table = FeatureTable.from_dict(json.loads(exec_properties["features"]))
            testimony = inputs["model_run"].uri
            progress.info("serving the model in a fresh process")
            verdict = check(
                path_utils.serving_model_path(inputs["model"].uri),
                {
                    "what Evaluator measured": _read(f"{inputs['evaluation'].uri}/{EVALUATED_ROWS_FILE}"),
                    "what the network predicted in training": _read(f"{testimony}/{SCORED_ROWS_FILE}"),
                },
                {tensor: feature for feature, tensor in table.tensor_names.items()},
                json.loads(io_utils.read_string_file(f"{testimony}/{EXPORTED_FILE}")),
                InfraCheckSettings.model_validate_json(exec_properties["settings"]),
            )
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        io_utils.write_string_file(f"{blessing.uri}/{INFRA_FILE}", json.dumps(verdict.to_json(), indent=1))
        io_utils.write_string_file(f"{blessing.uri}/{_BLESSED_FILES[verdict.blessed]}", "")
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(verdict.blessed))
        blessing.set_int_custom_property(CHECKED, int(verdict.checked))
        if not verdict.checked:
            blessing.set_string_custom_property(SKIPPED_BECAUSE, NOT_BLESSED)
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, inputs["model"].id)


def _read(path: str) -> ScoredRows:
    return ScoredRows(*read_scored_rows(path))


class InfraCheckSpec(component_spec.ComponentSpec):
    """The features and the settings travel as JSON."""

    PARAMETERS: ClassVar = {
        "features": component_spec.ExecutionParameter(type=str),
        "settings": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "model_blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS: ClassVar = {"blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing)}


class InfraCheck(base_component.BaseComponent):
    """Component: `blessing`, an InfraBlessing that stock Pusher understands.

    Args:
        features: the FeatureTable as plain data.
    """

    SPEC_CLASS = InfraCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self, *, model: Any, model_run: Any, evaluation: Any, model_blessing: Any, features: dict[str, Any],
        settings: InfraCheckSettings,
    ) -> None:  # fmt: skip
        super().__init__(
            InfraCheckSpec(
                model=model,
                model_run=model_run,
                evaluation=evaluation,
                model_blessing=model_blessing,
                features=json.dumps(features, sort_keys=True),
                settings=settings.model_dump_json(),
                blessing=channel.Channel(type=standard_artifacts.InfraBlessing),
            )
        )
