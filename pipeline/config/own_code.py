"""Settings that name code of the user's: functions, by file or by dotted path."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from pipeline.config.code_path import CodePath
from trainer.settings.base import Section
from trainer.settings.fitting import OF_ITS_NETWORK
from trainer.settings.trainer import TrainerSettings

_NETWORK_ONLY = ("balance", "warm_start", "distribute", "quantize", "litert")


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
    build_model: CodePath | None = None
    """A function `build_model(features)` that returns a Keras model, which takes the place of Longhaul's network and is
    fitted, explained and served as that is. See docs/extend/own-network.md."""
    train_steps: Annotated[int, Field(ge=1)] | None = None
    """`fn_args.train_steps` of `run_fn`."""
    eval_steps: Annotated[int, Field(ge=1)] | None = None
    """`fn_args.eval_steps` of `run_fn`."""

    @property
    def model_of(self) -> str:
        """The setting whose function makes the model; "" for Longhaul's own network."""
        return "run_fn" if self.run_fn else "build_model" if self.build_model else ""

    @model_validator(mode="after")
    def _of_one_model(self) -> TrainerSection:
        if not self.run_fn and (self.train_steps or self.eval_steps):
            raise ValueError("train_steps and eval_steps are told to run_fn, and there is none")
        if self.run_fn and self.build_model:
            raise ValueError("run_fn and build_model are two models: take one out")
        defaults = TrainerSettings()
        for name in (*_NETWORK_ONLY, *(OF_ITS_NETWORK if self.build_model else ())):
            if self.model_of and getattr(self, name) != getattr(defaults, name):
                raise ValueError(
                    f"{name} is for Longhaul's network; {self.model_of} makes a model of its own: take it out"
                )
        return self


OWN_CODE_FIELDS = frozenset(TrainerSection.model_fields.keys() - TrainerSettings.model_fields.keys())
"""Settings that the training of Longhaul's network is not told."""
