"""Settings that name code of the user's: functions, by file or by dotted path."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from trainer.settings.base import Section
from trainer.settings.trainer import TrainerSettings

CodePath = Annotated[
    str, Field(pattern=r"^([^:\s][^:]*\.py:[A-Za-z_]\w*|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*[.:][A-Za-z_]\w*)$")
]
"""`my_features.py:function`, relative to the YAML file, or the dotted path of what is installed."""

_NETWORK_ONLY = ("warm_start", "distribute", "quantize", "litert")


class TransformSettings(Section):
    """How raw columns become what a model reads, where that is code of your own. See docs/extend/preprocessing.md."""

    preprocessing_fn: CodePath | None = None
    """A function `preprocessing_fn(inputs)` as in stock TFX: `my_features.py:preprocessing_fn`, relative to this file,
    or a dotted path. Its outputs are what `trainer.run_fn` reads."""


class TrainerSection(TrainerSettings):
    """The network, how it is fitted, and how it is exported; or a model of your own. See docs/model.md,
    docs/tuning.md and docs/extend/own-model.md."""

    run_fn: CodePath | None = None
    """A function `run_fn(fn_args)` as in stock TFX, which trains any model and exports a SavedModel whose
    `serving_default` takes tf.Examples. See docs/extend/own-model.md."""
    train_steps: Annotated[int, Field(ge=1)] | None = None
    """`fn_args.train_steps` of `run_fn`."""
    eval_steps: Annotated[int, Field(ge=1)] | None = None
    """`fn_args.eval_steps` of `run_fn`."""

    @model_validator(mode="after")
    def _of_one_model(self) -> TrainerSection:
        if not self.run_fn and (self.train_steps or self.eval_steps):
            raise ValueError("train_steps and eval_steps are told to run_fn, and there is none")
        if self.run_fn:
            defaults = TrainerSettings()
            for name in _NETWORK_ONLY:
                if getattr(self, name) != getattr(defaults, name):
                    raise ValueError(f"{name} is for Longhaul's network; run_fn trains a model of its own: take it out")
        return self


OWN_CODE_FIELDS = frozenset(TrainerSection.model_fields.keys() - TrainerSettings.model_fields.keys())
"""Settings that the training of Longhaul's network is not told."""
