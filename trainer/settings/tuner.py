"""Defines the section `tuner`, a search over fields of `trainer`, and what Tuner is told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from trainer.settings.base import Section
from trainer.settings.fitting import FittingRequest, FittingSettings

_NOT_TUNED = ("teacher", "balance", "patience", "validation_share", "refit", "seed")
"""Fields that decide how a trial is judged."""
TUNABLE = tuple(name for name in FittingSettings.model_fields if name not in _NOT_TUNED)
"""The fields of `trainer` that a search may vary."""


class Range(Section):
    """A number between two bounds, both inclusive."""

    from_: float = Field(alias="from")
    """The lower bound."""
    to: float
    """The upper bound."""
    scale: Literal["linear", "log"] = "linear"
    """`log` for a number that is better doubled than added to, such as a learning rate."""


Choices = tuple[Any, ...]
"""Values of one field, to be tried."""


class TunerSettings(Section):
    """A search for better settings of `trainer`. See docs/tuning.md."""

    mode: Literal["none", "search", "reuse"] = "none"
    """`search` tries settings, then trains with the best. `reuse` trains with those that the last search found."""
    algorithm: Literal["random", "bayesian", "hyperband"] = "bayesian"
    """How the next settings are chosen. `hyperband` stops poor ones early and chooses the epochs itself, up to
    `trainer.epochs`."""
    trials: Annotated[int, Field(ge=1, le=10_000)] = 20
    """How many settings are tried, at most."""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """Minutes after the step began, after which no trial begins. No limit when absent."""
    space: Annotated[dict[str, Range | Choices], Field(min_length=1)] = {
        "hidden_units": ((128, 64), (256, 64), (256, 128), (512, 128)),
        "members": (4, 8, 16),
        "dropout": Range.model_validate({"from": 0.0, "to": 0.5}),
        "learning_rate": Range.model_validate({"from": 5e-4, "to": 5e-3, "scale": "log"}),
        "weight_decay": Range.model_validate({"from": 1e-4, "to": 1e-1, "scale": "log"}),
        "batch_size": (512, 1024, 2048),
        "epochs": Range.model_validate({"from": 2, "to": 12}),
    }
    """What is tried, by field of `trainer`: a list of values, or a range of numbers `{from, to, scale}`, where
    `scale` is `linear` or `log`. See docs/tuning.md#the-space."""

    @field_validator("space", mode="before")
    @classmethod
    def _fits_trainer(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: _dimension(str(name), tried) for name, tried in value.items()}

    @model_validator(mode="before")
    @classmethod
    def _no_epochs_by_default(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("algorithm") != "hyperband" or "space" in value:
            return value
        space = cls.model_fields["space"].default
        return value | {"space": {name: tried for name, tried in space.items() if name != "epochs"}}

    @model_validator(mode="after")
    def _epochs_are_tried_once(self) -> TunerSettings:
        if self.algorithm == "hyperband" and "epochs" in self.space:
            raise ValueError("space: hyperband chooses the epochs itself, up to trainer.epochs; take `epochs` out")
        return self


def _dimension(name: str, tried: Any) -> Range | Choices:
    """Check what is tried of one field of `trainer` against that field's own rule."""
    if name not in TUNABLE:
        raise ValueError(f"{name!r} cannot be tuned; {', '.join(TUNABLE)} can")
    if isinstance(tried, list | tuple):
        if len(tried) < 2:
            raise ValueError(f"{name}: list two values or more")
        return tuple(_trainer_value(name, choice) for choice in tried)
    try:
        bounds = Range.model_validate(tried)
    except ValidationError as exc:
        raise ValueError(f"{name}: give a list of values, or {{from: …, to: …, scale: linear|log}}") from exc
    default = FittingSettings.model_fields[name].default
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise ValueError(f"{name} is no number; list the values to try")
    for bound in (bounds.from_, bounds.to):
        _trainer_value(name, bound)
    if bounds.from_ >= bounds.to:
        raise ValueError(f"{name}: from ({bounds.from_:g}) must be less than to ({bounds.to:g})")
    if bounds.scale == "log" and bounds.from_ <= 0:
        raise ValueError(f"{name}: a log scale begins above 0, not at {bounds.from_:g}")
    return bounds


def _trainer_value(name: str, value: Any) -> Any:
    """Give the value as `trainer` takes it."""
    try:
        return getattr(FittingSettings.model_validate({name: value}), name)
    except ValidationError as exc:
        raise ValueError(f"{name}: {value!r} is refused ({exc.errors()[0]['msg']})") from exc


class TunerRequest(FittingRequest):
    """What Tuner is told: `custom_config` of trainer.tune.tuner_fn.

    Attributes:
        folder: where the folders of trials lie; see pipeline/components/tuner.py.
    """

    trainer: FittingSettings
    tuner: TunerSettings
    folder: str
