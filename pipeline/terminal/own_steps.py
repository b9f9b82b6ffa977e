"""What a person reads of what their own steps made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run

VALUE = "value"
"""TFX's name of the file that holds what a component returns as a plain value."""
_MOST = 200


def print_own_steps(console: Console, run: Run, steps: Iterable[str]) -> None:
    """Print a line for each of these steps that made something: values, and properties that it set."""
    made = {name: ", ".join(sorted(map(_told, run.artifacts.get(name, [])))) for name in steps}
    for place, (name, told) in enumerate((name, told) for name, told in made.items() if told):
        console.print(f"{'' if place else 'Own steps':<10}{escape(f'{name}: {told}')}", soft_wrap=True)


def _told(artifact: Artifact) -> str:
    """Return one output by its name."""
    place = Path(artifact.uri)
    if place.name != VALUE:
        own = [f"{key} {value}" for key, value in artifact.properties.items() if key != "contents"]
        return " ".join([place.parts[-2], *(f"({one})" for one in own)])[:_MOST]
    try:
        return f"{place.parts[-3]} {artifact.folder.read_text()}"[:_MOST]
    except (OSError, ValueError):  # it is gone, or bytes
        return place.parts[-3]
