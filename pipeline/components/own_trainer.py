"""Trainer for a model of the user's: their `run_fn`, told what stock TFX's Trainer tells it, and nothing more."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from tfx.components.trainer import executor as trainer_executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.dsl.io import fileio
from tfx.proto import trainer_pb2
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts, standard_component_specs
from tfx.types.system_executions import Train
from tfx.utils import io_utils, json_utils

from pipeline.components.trainer import mark
from pipeline.errors import CodeError
from pipeline.patches import row_groups
from trainer import own_model
from trainer.settings.own_model import OwnModelRequest
from trainer.user_code import UserCodeError

TRANSFORMED = "transformed_examples"


class Executor(trainer_executor.GenericExecutor):
    """Has the user's function train on transformed rows, or on the raw ones where nothing transforms them."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do.

        Raises:
            CodeError: the user's code failed.
        """
        row_groups.install()  # the function may read Parquet by `fn_args.data_accessor`
        told = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        request = OwnModelRequest.model_validate(told)
        raw = artifact_utils.get_split_uris(input_dict[standard_component_specs.EXAMPLES_KEY], "train")
        seen = {key: value for key, value in input_dict.items() if key != TRANSFORMED}
        if input_dict.get(TRANSFORMED):
            seen[standard_component_specs.EXAMPLES_KEY] = input_dict[TRANSFORMED]
        fn_args = self._GetFnArgs(seen, output_dict, exec_properties)
        fileio.makedirs(fn_args.model_run_dir)
        try:
            own_model.train(fn_args, request, [io_utils.all_files_pattern(uri) for uri in raw])
        except UserCodeError as exc:
            raise CodeError(exc.what, exc.remedy) from exc
        mark(input_dict, output_dict, request.table)


class OwnTrainerSpec(component_spec.ComponentSpec):
    """Stock Trainer's, as far as it is used here, with the transformed rows beside the raw ones."""

    PARAMETERS: ClassVar = {
        key: standard_component_specs.TrainerSpec.PARAMETERS[key]
        for key in (
            standard_component_specs.TRAIN_ARGS_KEY,
            standard_component_specs.EVAL_ARGS_KEY,
            standard_component_specs.CUSTOM_CONFIG_KEY,
        )
    }
    INPUTS: ClassVar = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
        TRANSFORMED: component_spec.ChannelParameter(type=standard_artifacts.Examples, optional=True),
        "transform_graph": component_spec.ChannelParameter(type=standard_artifacts.TransformGraph, optional=True),
    }
    OUTPUTS: ClassVar = standard_component_specs.TrainerSpec.OUTPUTS
    TYPE_ANNOTATION = Train


class OwnTrainer(base_component.BaseComponent):
    """Component: `model` and `model_run`, as Trainer.

    Args:
        request: an OwnModelRequest as plain data.
        train_steps, eval_steps: what `fn_args` tells of them; None for nothing.
        transformed_examples, transform_graph: of Transform; None where the function reads the raw rows.
    """

    SPEC_CLASS = OwnTrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self, *, request: dict[str, Any], train_steps: int | None, eval_steps: int | None, examples: Any, schema: Any,
        transformed_examples: Any = None, transform_graph: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            OwnTrainerSpec(
                examples=examples,
                schema=schema,
                transformed_examples=transformed_examples,
                transform_graph=transform_graph,
                train_args=trainer_pb2.TrainArgs(splits=["train"], num_steps=train_steps or 0),
                eval_args=trainer_pb2.EvalArgs(splits=["eval"], num_steps=eval_steps or 0),
                custom_config=json.dumps(request, sort_keys=True),
                model=channel.Channel(type=standard_artifacts.Model),
                model_run=channel.Channel(type=standard_artifacts.ModelRun),
            )
        )
