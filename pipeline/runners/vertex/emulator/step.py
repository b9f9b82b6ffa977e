"""What Vertex tells one step, and its command with that filled in. Plain JSON throughout."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

import yaml

from pipeline.errors import JobError
from pipeline.runners.vertex.emulator.store import Artifact, Outputs

_PLACEHOLDER = re.compile(
    r"\{\{\$(?:\.(inputs|outputs)\.(artifacts|parameters)\['([^']+)'\](?:\.(uri|value|metadata)(?:\['([^']+)'\])?)?)?\}\}"
)


@dataclass
class Step:
    """One task of the job on its way.

    Attributes:
        name: of the task.
        component: its interface in the compiled job.
        parameters: by name.
        inputs: artifacts by input key; an empty list where a resolver found none.
        folder: gs:// folder of its outputs.
        outputs: artifacts yet to be made, by output key.
    """

    name: str
    component: dict[str, Any]
    parameters: dict[str, Any]
    inputs: Outputs
    folder: str
    outputs: Outputs = field(default_factory=dict)

    @property
    def output_file(self) -> str:
        """Where the step tells what it made."""
        return f"{self.folder}/executor_output.json"

    def prepare_outputs(self, store: str) -> None:
        """Give every output a name and an address, as Vertex does before it starts a step.

        Args:
            store: prefix of artifacts' names, projects/…/metadataStores/default.
        """
        for key, spec in self._defined("outputDefinitions", "artifacts").items():
            name = f"{store}/artifacts/{secrets.randbits(63)}"
            self.outputs[key] = [new_artifact(name, f"{self.folder}/{key}", spec["artifactType"])]

    def executor_input(self) -> dict[str, Any]:
        """Return it as in https://www.kubeflow.org/docs/components/pipelines/reference/pipelines-api: ExecutorInput
        of schema 2.1."""
        return {
            "inputs": {"parameterValues": self.parameters, "artifacts": _listed(self.inputs)},
            "outputs": {
                "artifacts": _listed(self.outputs),
                "outputFile": self.output_file,
                "parameters": {
                    key: {"outputFile": f"{self.folder}/{key}"}
                    for key in self._defined("outputDefinitions", "parameters")
                },
            },
        }

    def filled_in(self, template: list[str]) -> list[str]:
        """Return a command with this step's values for its placeholders.

        Raises:
            JobError: one of them asks for what the step has not.
        """
        return [_PLACEHOLDER.sub(self._value_of, part) for part in template]

    def digest(self, container: dict[str, Any], pipeline: str) -> str:
        """Return a digest, equal for equal work: the same container, parameters and artifacts."""
        inputs = {key: [one.name for one in some] for key, some in self.inputs.items()}
        told = [pipeline, self.name, self.component, container, self.parameters, inputs]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def take(self, told: dict[str, Any]) -> dict[str, Any]:
        """Take what the step wrote into its output file over into the outputs; return the output parameters."""
        for key, found in told.get("artifacts", {}).items():
            for artifact, entry in zip(self.outputs.get(key, []), found.get("artifacts", []), strict=False):
                artifact.metadata |= entry.get("metadata", {})
                artifact.uri = entry.get("uri") or artifact.uri
        return dict(told.get("parameterValues", {}))

    def _defined(self, side: str, kind: str) -> dict[str, Any]:
        return dict(self.component.get(side, {}).get(kind, {}))

    def _value_of(self, match: re.Match[str]) -> str:
        side, kind, key, part, property_ = match.groups()
        if side is None:
            return json.dumps(self.executor_input())
        try:
            if kind == "parameters":
                return _text(self.parameters[key])
            (artifact,) = (self.inputs if side == "inputs" else self.outputs)[key]
        except (KeyError, ValueError) as exc:
            raise JobError(
                f"{self.name}: its command asks for {match[0]}, which the step has not", "correct the component"
            ) from exc
        if part == "metadata":
            return _text(artifact.metadata[property_])
        return artifact.uri


def new_artifact(name: str, uri: str, type_: dict[str, Any]) -> Artifact:
    """Return an artifact of a type as the compiled job says it."""
    title = type_.get("schemaTitle") or yaml.safe_load(type_["instanceSchema"]).get("title", "")
    return Artifact(name, uri, title, type_)


def _listed(artifacts: Outputs) -> dict[str, Any]:
    return {key: {"artifacts": [one.to_json() for one in some]} for key, some in artifacts.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
