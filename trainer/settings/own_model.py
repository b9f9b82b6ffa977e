"""Defines what Trainer is told of a model of the user's."""

from __future__ import annotations

from typing import Any

from trainer.features import FeatureTable
from trainer.settings.base import Section


class OwnModelRequest(Section):
    """What Trainer is told in TFX's `custom_config`.

    Attributes:
        features: the FeatureTable of the raw columns as plain data, without bins.
        code: the user's `run_fn` as plain data, see trainer.user_code.
    """

    features: dict[str, Any]
    code: dict[str, str]

    @property
    def table(self) -> FeatureTable:
        """The raw columns, and the label."""
        return FeatureTable.from_dict(self.features)
