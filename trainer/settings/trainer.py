"""Defines the section `trainer`, and what Trainer is told."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import Field

from trainer.settings.fitting import FittingRequest, FittingSettings


class TrainerSettings(FittingSettings):
    """The network, how it is fitted, and how it is exported. See docs/model.md and docs/tuning.md."""

    warm_start: bool = False
    """Start from the weights of the model that serves, if that was trained on other data. See
    docs/tuning.md#warm-start."""
    distribute: Literal["none", "mirrored", "multi_worker"] = "none"
    """Train one network on several devices of this machine (`mirrored`), or in several worker processes
    (`multi_worker`). See docs/tuning.md#several-replicas."""
    replicas: Annotated[int, Field(ge=2, le=64)] = 2
    """How many: equal parts of the processor under `mirrored`, where there is no GPU; worker processes under
    `multi_worker`."""
    quantize: Literal["none", "float16", "int8"] = "none"
    """How the exported weights are stored. Smaller ones are a little less precise. See
    docs/tuning.md#smaller-models."""
    litert: bool = False
    """Also write the network as a LiteRT (TensorFlow Lite) file, beside the SavedModel. See
    docs/tuning.md#smaller-models."""


def told(settings: TrainerSettings, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Write the settings as a step is told them: one that came later stands there only when somebody gave it, so that
    the step stays cached without it.

    Args:
        without: fields of a section that has more, or that the step does not read.
    """
    said = settings.model_dump(mode="json", exclude={*without})
    return {name: value for name, value in said.items() if name not in _LATER or value != _LATER[name]}


_LATER = {"balance": "none"}

AFTER_FITTING = frozenset(TrainerSettings.model_fields.keys() - FittingSettings.model_fields.keys())
"""Fields that a trial of the tuner has nothing to do with."""


class TrainerRequest(FittingRequest):
    """What Trainer is told: `custom_config` of trainer.train.run_fn.

    Attributes:
        build_model: the function of the user's that makes the network, see trainer.user_code; None for Longhaul's own.
    """

    trainer: TrainerSettings
    build_model: dict[str, str] | None = None
