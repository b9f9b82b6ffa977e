"""What a person reads of what their own steps made."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich.console import Console
from rich.markup import escape

from pipeline.lineage.own_outputs import Output, own_outputs
from pipeline.lineage.runs import Run

_MOST = 200


def print_own_steps(console: Console, run: Run, steps: Iterable[str]) -> None:
    """Print a line for each of these steps that made something: values, and properties that it set."""
    for place, (name, made) in enumerate(groupby(own_outputs(run, steps), lambda one: one.step)):
        told = f"{name}: {', '.join(map(_told, made))}"
        console.print(f"{'' if place else 'Own steps':<10}{escape(told)}", soft_wrap=True)


def _told(one: Output) -> str:
    properties = [f"({key} {value})" for key, value in one.properties.items()]
    return " ".join([one.name, *([one.value] if one.value else []), *properties])[:_MOST]
