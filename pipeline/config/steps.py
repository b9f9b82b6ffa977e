"""Settings of `steps`: components of the user's own, and where they stand."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pipeline.config.code_path import CodePath
from trainer.settings.base import Section

StepName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
ChannelName = Annotated[str, Field(pattern=r"^[A-Za-z]\w*\.[A-Za-z]\w*$")]


class OwnStep(Section):
    """A component of your own. See docs/extend/own-component.md."""

    component: CodePath
    """A TFX component, a function with `@component` or a class: `my_steps.py:measure`, relative to this file, or a
    dotted path."""
    inputs: dict[str, ChannelName] = {}
    """What it reads, by its own names: `model: Trainer.model` is what Trainer makes under the name `model`."""
    parameters: dict[str, Any] = {}
    """Its other arguments, by name."""
    after: tuple[StepName, ...] = ()
    """Steps that it waits for besides those that it reads from."""
    before: tuple[StepName, ...] = ()
    """Steps that wait for it. If it fails they do not run: `[Pusher]` has no model pushed without it."""
