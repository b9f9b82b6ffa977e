"""Settings of `trainer`: the network and its fitting."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.base import Section, Share


class Trainer(Section):
    """The network and its fitting; see trainer/model.py."""

    teacher: Literal["trees", "none"] = "trees"
    """Learn what boosted trees answer, see trainer/teacher.py, or from the labels."""
    hidden_units: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Field(min_length=1)] = (256, 64)
    """Of the first layer, which the members share, and of those after it."""
    members: Annotated[int, Field(ge=1, le=256)] = 4
    """Networks in one whose answers are averaged; all but their small parts is shared."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """What trees answer hardly needs any; labels want 0.5."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    """The highest; it rises to it and falls to nothing over `epochs`."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    batch_size: Annotated[int, Field(ge=1, le=1_048_576)] = 512
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 6
    patience: Annotated[int, Field(ge=1)] = 2
    """Epochs without a better validation loss before training stops; the best weights are kept."""
    validation_share: Share = 0.1
    """Share of the training split used to stop early: its latest rows under a time split, else random ones."""
    refit: bool = True
    """Train anew on the whole training split, for the number of epochs that was best without that share."""
    seed: Annotated[int, Field(ge=0)] = 13
    warm_start: bool = False
    """Start from the weights of the model that serves, if it was trained on other data."""
    distribute: Literal["none", "mirrored", "multi_worker"] = "none"
    """Train one network on several devices of this machine, or in several worker processes, through tf.distribute."""
    replicas: Annotated[int, Field(ge=2, le=64)] = 2
    """Parts of the processor that `mirrored` uses where there is no GPU; worker processes of `multi_worker`."""
    quantize: Literal["none", "float16", "int8"] = "none"
    """How the exported weights are stored."""
    litert: bool = False
    """Write the network as a LiteRT (TFLite) file, too, in the SavedModel's `assets.extra`."""


AFTER_FITTING = frozenset({"warm_start", "distribute", "replicas", "quantize", "litert"})
"""Fields of `trainer` that a trial of the tuner has nothing to do with."""
NOT_TUNED = AFTER_FITTING | {"teacher", "patience", "validation_share", "refit", "seed"}
"""Those, and the fields that decide how a trial is judged."""
