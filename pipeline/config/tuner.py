"""Settings of `tuner`: a search over fields of `trainer`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from pipeline.config.base import Section
from pipeline.config.trainer import NOT_TUNED, Trainer


class Range(Section):
    """A number between two bounds, both inclusive."""

    from_: float = Field(alias="from")
    to: float
    scale: Literal["linear", "log"] = "linear"
    """`log` for what is better doubled than added to."""


class Tuner(Section):
    """A search for better settings of `trainer`."""

    mode: Literal["none", "search", "reuse"] = "none"
    """`search` tries settings before it trains with the best; `reuse` trains with those that the last search found."""
    algorithm: Literal["random", "bayesian", "hyperband"] = "bayesian"
    trials: Annotated[int, Field(ge=1, le=10_000)] = 20
    minutes: Annotated[float, Field(gt=0)] | None = None
    """No trial begins later than this after the step began."""
    space: Annotated[dict[str, Range | tuple[Any, ...]], Field(min_length=1)] = {
        "hidden_units": ((128, 64), (256, 64), (256, 128), (512, 128)),
        "members": (4, 8, 16),
        "dropout": Range.model_validate({"from": 0.0, "to": 0.5}),
        "learning_rate": Range.model_validate({"from": 5e-4, "to": 5e-3, "scale": "log"}),
        "weight_decay": Range.model_validate({"from": 1e-4, "to": 1e-1, "scale": "log"}),
        "batch_size": (512, 1024, 2048),
        "epochs": Range.model_validate({"from": 2, "to": 12}),
    }
    """What is tried, by field of `trainer`: a range of numbers, or a list of values."""

    @field_validator("space", mode="before")
    @classmethod
    def _fits_trainer(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: _dimension(str(name), tried) for name, tried in value.items()}

    @model_validator(mode="after")
    def _epochs_are_tried_once(self) -> Tuner:
        if self.algorithm == "hyperband" and "space" in self.model_fields_set and "epochs" in self.space:
            raise ValueError("space: hyperband chooses the epochs itself, up to trainer.epochs; take `epochs` out")
        return self


def _dimension(name: str, tried: Any) -> Range | tuple[Any, ...]:
    """What is tried of one field of `trainer`, checked against that field's own rule."""
    if name not in Trainer.model_fields.keys() - NOT_TUNED:
        known = ", ".join(field for field in Trainer.model_fields if field not in NOT_TUNED)
        raise ValueError(f"{name!r} cannot be tuned; {known} can")
    if isinstance(tried, list | tuple):
        if len(tried) < 2:
            raise ValueError(f"{name}: list two values or more")
        return tuple(_trainer_value(name, choice) for choice in tried)
    try:
        bounds = Range.model_validate(tried)
    except ValidationError as exc:
        raise ValueError(f"{name}: give a list of values, or {{from: …, to: …, scale: linear|log}}") from exc
    default = Trainer.model_fields[name].default
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
    """The value as `trainer` takes it."""
    try:
        return getattr(Trainer.model_validate({name: value}), name)
    except ValidationError as exc:
        raise ValueError(f"{name}: {value!r} is refused ({exc.errors()[0]['msg']})") from exc
