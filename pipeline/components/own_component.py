"""Components of the user's: made of what the configuration names, and run from the wheel in which their code travels.

A component stays what it is, with its own type, inputs and outputs; its executor is called by one of ours, which finds
the code in every process and tells an error by the user's own lines.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import Any

from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_driver import BaseDriver
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec, ExecutorClassSpec

from pipeline.errors import CodeError, ConfigError
from trainer.user_code import UserCodeError, blamed, load

OWN_CODE = "longhaul_own_code"
"""Execution property: the component as plain data (trainer.user_code), and the dotted path of its `executor`."""


class Executor(BaseExecutor):
    """Calls the executor of a component of the user's."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> Any:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do.

        Raises:
            CodeError: the user's code failed.
        """
        code = json.loads(exec_properties[OWN_CODE])
        own = {key: value for key, value in exec_properties.items() if key != OWN_CODE}
        module, _, name = code["executor"].rpartition(".")
        try:
            load(code)
            with blamed(code):
                executor = getattr(importlib.import_module(module), name)(self._context)
                return executor.Do(input_dict, output_dict, own)
        except UserCodeError as exc:
            raise CodeError(exc.what, exc.remedy) from exc


class BeamExecutor(Executor, BaseBeamExecutor):
    """The same of an executor that works by Beam: TFX tells it the runner."""


def own_component(
    name: str, code: Mapping[str, str], inputs: Mapping[str, Any], parameters: Mapping[str, Any]
) -> BaseComponent:
    """Make a component of the user's.

    Args:
        name: of the step.
        code: the component, a function with `@component` or a class; see trainer.user_code.
        inputs: channels by the component's own names.

    Raises:
        CodeError: its module cannot be imported.
        ConfigError: it is no component that runs in a process of ours, or takes other inputs or parameters.
    """
    try:
        made: Any = load(code)
    except UserCodeError as exc:
        raise CodeError(exc.what, exc.remedy) from exc
    if BaseComponent not in getattr(made, "__mro__", ()) or not issubclass(type(made.SPEC_CLASS), type):
        remedy = "put `@component` of tfx.dsl.component.experimental.decorators above the function, or name a class"
        raise ConfigError(f"steps.{name}.component: {code['said']} is no component of TFX", remedy)
    takes = made.SPEC_CLASS
    for key, channel in inputs.items():
        if key in takes.INPUTS and (asked := takes.INPUTS[key].type) is not channel.type:
            raise ConfigError(
                f"steps.{name}.inputs.{key}: {code['said']} takes {asked.TYPE_NAME} there, and this is"
                f" {channel.type.TYPE_NAME}",
                "name another output of a step; `longhaul show` tells what each makes",
            )
    try:
        step = made(**inputs, **parameters)
    except Exception as exc:  # by their own `__init__`, or by TFX's check of types
        arguments = {"inputs": takes.INPUTS, "parameters": takes.PARAMETERS}
        told = "; ".join(f"{kind} {', '.join(names)}" for kind, names in arguments.items() if names)
        raise ConfigError(
            f"steps.{name}: {code['said']} cannot be made of these inputs and parameters: {exc}",
            f"it takes {told or 'neither inputs nor parameters'}",
        ) from exc
    spec = step.executor_spec
    if not isinstance(spec, ExecutorClassSpec) or step.driver_class is not BaseDriver:
        what = "a driver of its own" if isinstance(spec, ExecutorClassSpec) else "a container"
        raise ConfigError(
            f"steps.{name}.component: {code['said']} is run by {what}, which Longhaul does not start",
            "name a component that has an executor in Python and TFX's own driver",
        )
    by_beam = issubclass(spec.executor_class, BaseBeamExecutor)
    step.executor_spec = BeamExecutorSpec(BeamExecutor) if by_beam else ExecutorClassSpec(Executor)
    path = f"{spec.executor_class.__module__}.{spec.executor_class.__name__}"
    step.spec.exec_properties[OWN_CODE] = json.dumps({**code, "executor": path}, sort_keys=True)
    return step.with_id(name)
