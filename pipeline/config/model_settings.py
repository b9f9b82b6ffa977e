"""What decides which model comes of a table, and which of them serves.

To be handed on like a `Place` (pipeline/config/place.py), which it is as well: `PipelineConfig` is both as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pipeline.config.data import Data
from pipeline.config.decision import Decision
from pipeline.config.evaluation import Evaluation
from pipeline.config.infra_check import InfraCheckSettings
from pipeline.config.place import Place
from pipeline.config.push import Push
from pipeline.config.serving import ServingSettings
from pipeline.config.split import Split
from pipeline.config.steps import OwnStep
from trainer.settings.features import FeaturesSettings


class ModelSettings(Place, Protocol):
    """A place, and the sections about a table and its model: the columns, the rows, the judgement, and what serves.

    How a model is trained, watched, renewed and reported is none of it.
    """

    @property
    def data(self) -> Data:
        """The table."""

    @property
    def split(self) -> Split:
        """Which rows train, and which judge."""

    @property
    def features(self) -> FeaturesSettings:
        """What the model is shown."""

    @property
    def evaluation(self) -> Evaluation:
        """What it is judged by."""

    @property
    def decision(self) -> Decision:
        """From which probability on it says yes."""

    @property
    def push(self) -> Push:
        """Who decides that it serves, and where it goes."""

    @property
    def serving(self) -> ServingSettings:
        """How it is served."""

    @property
    def infra_check(self) -> InfraCheckSettings:
        """What it must prove before it serves."""

    @property
    def steps(self) -> Mapping[str, OwnStep]:
        """The user's own steps."""

    @property
    def takes_raw_rows(self) -> bool:
        """Whether a function of the user's shapes the rows."""

    @property
    def never_asked(self) -> tuple[str, ...]:
        """The columns that rows to score need not have."""

    @property
    def own_functions(self) -> Mapping[str, str]:
        """The functions of the user's, by the setting that names them."""

    @property
    def serving_pattern(self) -> str | None:
        """Where the rows to score are."""

    @property
    def policy_file(self) -> Path | None:
        """What the gate lets pass."""

    @property
    def label_decisions_file(self) -> Path | None:
        """What people decided about labels."""
