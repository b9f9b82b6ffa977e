"""Puts the components of the user's where the configuration says: behind what they read, before what waits for them.

One that needs nothing of what the data gate lets pass runs whatever the gate says; all others run behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pipeline.components.own_component import own_component
from pipeline.config.steps import OwnStep
from pipeline.contract.run_inputs import RunInputs
from pipeline.errors import ConfigError


class OwnPlaces:
    """The steps of the section `steps`, made one after another as what they read is there."""

    def __init__(self, steps: Mapping[str, OwnStep], inputs: RunInputs) -> None:
        self._waiting, self._steps = dict(steps), steps
        self._code = inputs.own_code
        self.nodes: list[Any] = []

    def place(self, nodes: Iterable[Any]) -> None:
        """Make those whose needs are all among these steps and the ones made here.

        Raises:
            ConfigError: a step makes no such output, or the component takes something else.
        """
        known = {node.id: node for node in [*nodes, *self.nodes]}
        while ready := [name for name, step in self._waiting.items() if _needs(step) <= known.keys()]:
            for name in ready:
                step = self._waiting.pop(name)
                channels = {key: _channel(name, key, said, known) for key, said in step.inputs.items()}
                code = self._code.plain(f"steps.{name}.component")
                assert code, "whoever looked at the configuration found it"
                own = own_component(name, code, channels, step.parameters)
                for before in step.after:
                    own.add_upstream_node(known[before])
                self.nodes.append(own)
                known[name] = own

    def join(self, nodes: list[Any], gate: Any, gated: Iterable[Any]) -> None:
        """Have the steps that stand behind those of the user's wait for them.

        Args:
            nodes: all steps but the user's.
            gate, gated: the data gate, and what runs only if it lets pass.

        Raises:
            ConfigError: a step has a name twice, is not there, or would wait for itself.
        """
        names = [node.id for node in nodes]
        if taken := sorted(self._steps.keys() & set(names)):
            raise ConfigError(f"steps.{taken[0]}: there is a step of that name already", "give yours another name")
        known = {*names, *self._steps}
        for name, step in self._steps.items():
            if unknown := sorted((_needs(step) | set(step.before)) - known):
                near = get_close_matches(unknown[0], known, n=1)
                raise ConfigError(
                    f"steps.{name}: there is no step {unknown[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
                    f"the steps are {', '.join([*names, *self._steps])}",
                )
        waits_for = {
            node.id: set[str]().union(*(channel.get_data_dependent_node_ids() for channel in node.inputs.values()))
            for node in nodes
        }
        waits_for |= {name: _needs(step) for name, step in self._steps.items()}
        for node in gated:
            waits_for[node.id].add(gate.id)
        for name, step in self._steps.items():
            for behind in step.before:
                waits_for[behind].add(name)
        try:
            TopologicalSorter(waits_for).prepare()
        except CycleError as exc:
            circle = " → ".join(exc.args[1])
            raise ConfigError(
                f"steps: each of these would wait for itself: {circle}", "take one of their `before` or `after` out"
            ) from exc
        made = {node.id: node for node in [*nodes, *self.nodes]}
        for own in self.nodes:
            for behind in self._steps[own.id].before:
                made[behind].add_upstream_node(own)


def _needs(step: OwnStep) -> set[str]:
    return {said.partition(".")[0] for said in step.inputs.values()} | set(step.after)


def _channel(name: str, key: str, said: str, known: Mapping[str, Any]) -> Any:
    step, _, output = said.partition(".")
    outputs = known[step].outputs
    if output not in outputs:
        near = get_close_matches(output, outputs, n=1)
        hint = f"; did you mean {step}.{near[0]}?" if near else ""
        raise ConfigError(
            f"steps.{name}.inputs.{key}: {step} makes no {output!r}{hint}",
            f"it makes {', '.join(outputs) or 'nothing'}",
        )
    return outputs[output]
