"""Trainer that tells ML Metadata what the model is made of: hyperparameters, examples that it saw, files."""

from __future__ import annotations

import json
from typing import Any

from tfx.components.trainer import component
from tfx.components.trainer import executor as trainer_executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils

from pipeline.errors import CodeError
from pipeline.evaluation.model_contract import Contract
from pipeline.lineage.artifact_names import CONTRACT, HYPERPARAMETER, MODEL_DIGEST, TRAINED_ON
from trainer.artifact_names import EXPORTED_FILE, HYPERPARAMETERS_FILE
from trainer.digests import model_digest
from trainer.features import FeatureTable
from trainer.user_code import UserCodeError


class Executor(trainer_executor.GenericExecutor):
    """Trains as stock TFX does, and marks the model."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do.

        Raises:
            CodeError: the user's `build_model` failed.
        """
        try:
            super().Do(input_dict, output_dict, exec_properties)
        except UserCodeError as exc:
            raise CodeError(exc.what, exc.remedy) from exc
        request = json.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        mark(input_dict, output_dict, FeatureTable.from_dict(request["features"]))


def mark(input_dict: Any, output_dict: Any, table: FeatureTable) -> None:
    """Tell ML Metadata what the model is made of, and what it takes and predicts."""
    model = artifact_utils.get_single_instance(output_dict[standard_component_specs.MODEL_KEY])
    examples = artifact_utils.get_single_instance(input_dict[standard_component_specs.EXAMPLES_KEY])
    model.set_int_custom_property(TRAINED_ON, examples.id)
    model_run = artifact_utils.get_single_uri(output_dict[standard_component_specs.MODEL_RUN_KEY])
    exported = json.loads(io_utils.read_string_file(f"{model_run}/{EXPORTED_FILE}"))
    model.set_string_custom_property(MODEL_DIGEST, model_digest(exported))
    model.set_string_custom_property(CONTRACT, Contract.of_table(table).to_json())
    used = json.loads(io_utils.read_string_file(f"{model_run}/{HYPERPARAMETERS_FILE}"))
    for name, value in used.items():
        # As JSON text: ML Metadata keeps six decimals of a number.
        model.set_string_custom_property(f"{HYPERPARAMETER}{name}", json.dumps(value))


class Trainer(component.Trainer):
    """Component: `model` and `model_run`."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
