"""What steps of the user's own made: values, and artifacts with the properties that they set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.lineage.runs import Run

VALUE = "value"
"""TFX's name of the file that holds what a component returns as a plain value."""


@dataclass(frozen=True)
class Output:
    """One output by its step and name.

    Attributes:
        value: of a plain value; "" of one that cannot be read.
        properties: that the step set.
        place: of an artifact; "" of a plain value.
    """

    step: str
    name: str
    value: str
    properties: dict[str, str]
    place: str


def own_outputs(run: Run, steps: Iterable[str]) -> list[Output]:
    """Read what these steps of a run made, by step and name."""
    found = []
    for step in steps:
        for artifact in run.artifacts.get(step, []):
            place = Path(artifact.uri)
            if place.name != VALUE:
                own = {key: str(value) for key, value in artifact.properties.items() if key != "contents"}
                found.append(Output(step, place.parts[-2], "", own, artifact.uri))
                continue
            try:
                value = artifact.folder.read_text()
            except (OSError, ValueError):  # it is gone, or bytes
                value = ""
            found.append(Output(step, place.parts[-3], value, {}, ""))
    return sorted(found, key=lambda one: (one.step, one.name))
