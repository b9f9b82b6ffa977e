"""Defines what Trainer is told of a model of the user's."""

from __future__ import annotations

from typing import Any

from trainer.features import FeatureTable
from trainer.settings.base import Section
from trainer.settings.fitting import FittingSettings


class OwnModelRequest(Section):
    """What Trainer is told in TFX's `custom_config`.

    Attributes:
        features: the FeatureTable of the raw columns as plain data, without bins.
        code: the user's `run_fn` as plain data, see trainer.user_code; or their `build_model`, with `fitting`.
        weight: the column that weighs rows; None without one.
        fitting: how the network of `build_model` is fitted to what the user's `preprocessing_fn` gives.
    """

    features: dict[str, Any]
    code: dict[str, str]
    weight: str | None = None
    fitting: FittingSettings | None = None

    @property
    def table(self) -> FeatureTable:
        """The raw columns, and the label."""
        return FeatureTable.from_dict(self.features)
