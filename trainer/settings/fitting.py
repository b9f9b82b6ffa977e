"""Defines the settings that a network is fitted with. Trainer and every trial of the Tuner read them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainer.features import FeatureTable
from trainer.settings.base import Section, Share


class FittingSettings(Section):
    """The network and how it is fitted."""

    teacher: Literal["trees", "none"] = "trees"
    """What the network learns from: the predictions of boosted trees that LightGBM grows, or with `none` the labels
    themselves. See docs/model.md."""
    balance: Literal["none", "classes"] = "none"
    """Of a classification, whether rare classes count as much as others in training. Probabilities stay honest: what
    the weights did to them is taken back. See docs/model.md#rare-classes."""
    hidden_units: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Field(min_length=1)] = (256, 64)
    """Units of each hidden layer. All members share the first layer."""
    members: Annotated[int, Field(ge=1, le=256)] = 4
    """Networks in one, whose predictions are averaged. They share all large weights."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the units that are switched off at random in each training step. A network that learns from trees hardly
    needs any. One that learns from labels wants about 0.5."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    """The highest learning rate of AdamW. The rate rises to it in the first tenth of the steps, then falls to 0 over
    all `epochs`."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Weight decay of AdamW."""
    batch_size: Annotated[int, Field(ge=1, le=1_048_576)] = 512
    """Rows in each training step."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 6
    """Passes over the training rows: with `teacher: trees` and `refit` as many, else at most."""
    patience: Annotated[int, Field(ge=1)] = 2
    """Epochs without a better validation loss after which training stops. The best weights are kept. With
    `teacher: trees` and `refit` nothing stops the network."""
    validation_share: Share = 0.1
    """Share of the training split that decides how many trees to grow, or when training stops. Under a time split these
    are the latest rows, under a group split whole groups, else random rows."""
    refit: bool = True
    """Fit the network on all rows of the training split. One that trees teach is fitted once. One that labels teach is
    fitted a second time, for the number of epochs that was best. Without, the rows set aside only stop the training."""
    seed: Annotated[int, Field(ge=0, le=2_147_483_647)] = 13
    """Seed of all random choices. The same seed gives the same model."""


OF_ITS_NETWORK = ("hidden_units", "members", "dropout", "balance")
"""What only Longhaul's own network has."""


class FittingRequest(Section):
    """What Trainer and Tuner are told alike, in TFX's `custom_config`.

    Attributes:
        features: the columns that the network is shown.
        order_by: the column of a time split, else None.
        group_by: the column of a group split, else None.
        weight: the column that weighs rows, else None.
    """

    features: FeatureTable
    order_by: str | None
    group_by: str | None
    weight: str | None = None
