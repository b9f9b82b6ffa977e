"""Answers what differs between a run on this machine and a job on Vertex AI Pipelines, and nothing else does.

Vertex resolves artifacts by two queries of its own and knows none of our strategies, hence its own LatestBlessedModel
instead of Champion, and no SeenSpans. It finds no file of this machine, and is told two places when a job is submitted.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.experimental.conditionals.conditional import Cond
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.dsl.placeholder.placeholder import logical_and
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import channel, standard_artifacts
from tfx.types.channel import ChannelWrappedPlaceholder

from pipeline.components.analyzer_cache import AnalyzerCacheStrategy
from pipeline.components.champion import ChampionStrategy
from pipeline.components.curated_schema import CuratedSchema
from pipeline.components.data_gate import BLESSED
from pipeline.config.evaluation import Evaluation
from pipeline.contract.run_inputs import RunInputs

DATA_ROOT, PUSH_TO = "data_root", "push_to"
"""Runtime parameters of a job on Vertex AI: where the table lies, and where models are pushed to."""


class Placement(Protocol):
    """Where the steps run, and below which folder they write."""

    @property
    def root(self) -> str:
        """The folder to write to: a path, or an address in Cloud Storage."""

    def data_root(self) -> RuntimeParameter | None:
        """Say where the table lies; None for the place in the configuration."""

    def base_directory(self, serving: str) -> str | RuntimeParameter:
        """Say where models are pushed to; `serving` is the default."""

    def curated_schema(self, file: Path, inputs: RunInputs) -> CuratedSchema:
        """Make the step that takes the schema in."""

    def seen_spans(self, examples: channel.Channel) -> Resolver | None:
        """Find what Transform learned of spans that were seen before; None where nobody can."""

    def champion(self, challenger: channel.Channel, rules: Evaluation, serving: str) -> Resolver:
        """Find the model to beat."""

    def evidence(self, champion: Resolver) -> dict[str, channel.Channel]:
        """Give Evaluator what the search for a champion found beside the model."""

    def shipping(self, *blessings: channel.Channel) -> AbstractContextManager[Any]:
        """Give the condition under which the push stands."""


@dataclass(frozen=True)
class Local:
    """On this machine.

    Attributes:
        root: the workspace.
    """

    root: str

    def data_root(self) -> None:
        """See Placement."""
        return

    def base_directory(self, serving: str) -> str:
        """See Placement."""
        return serving

    def curated_schema(self, file: Path, inputs: RunInputs) -> CuratedSchema:
        """Copy the file, or write what `data.drop` leaves of it."""
        text = inputs.guarding_text
        return CuratedSchema(text, file if text == inputs.schema_text else None)

    def seen_spans(self, examples: channel.Channel) -> Resolver:
        """See Placement."""
        return Resolver(
            strategy_class=AnalyzerCacheStrategy,
            examples=examples,
            analyzer_cache=channel.Channel(type=standard_artifacts.TransformCache),
        ).with_id("SeenSpans")

    def champion(self, challenger: channel.Channel, rules: Evaluation, serving: str) -> Resolver:
        """See Placement."""
        return Resolver(
            strategy_class=ChampionStrategy,
            config={"serving": serving, "against": rules.against, "last": rules.last or 0},
            model=channel.Channel(type=standard_artifacts.Model),
            model_blessing=channel.Channel(type=standard_artifacts.ModelBlessing),
            infra_blessing=channel.Channel(type=standard_artifacts.InfraBlessing),
            examples=channel.Channel(type=standard_artifacts.Examples),
            challenger=challenger,
            reference=channel.Channel(type=standard_artifacts.Model),
            reference_blessing=channel.Channel(type=standard_artifacts.ModelBlessing),
        ).with_id("Champion")

    def evidence(self, champion: Resolver) -> dict[str, channel.Channel]:
        """Give the champion's run and rows, and the other models that set a bound."""
        return {
            "baseline_blessing": champion.outputs["model_blessing"],
            "baseline_examples": champion.outputs["examples"],
            "reference_models": champion.outputs["reference"],
            "reference_blessings": champion.outputs["reference_blessing"],
        }

    def shipping(self, *blessings: channel.Channel) -> AbstractContextManager[Any]:
        """Set none: Pusher itself puts on record why nothing was pushed."""
        del blessings
        return nullcontext()


@dataclass(frozen=True)
class OnVertex:
    """In containers of Vertex AI Pipelines.

    Attributes:
        root: a `gs://` folder.
    """

    root: str

    def data_root(self) -> RuntimeParameter:
        """See Placement."""
        return RuntimeParameter(DATA_ROOT, str)

    def base_directory(self, serving: str) -> RuntimeParameter:
        """See Placement."""
        del serving
        return RuntimeParameter(PUSH_TO, str)

    def curated_schema(self, file: Path, inputs: RunInputs) -> CuratedSchema:
        """Send the text with the job."""
        del file
        return CuratedSchema(inputs.guarding_text)

    def seen_spans(self, examples: channel.Channel) -> None:
        """Find nothing: the latest cache, all that Vertex could find, would be a new input whenever Transform has run,
        and no unchanged job would be cached."""
        del examples

    def champion(self, challenger: channel.Channel, rules: Evaluation, serving: str) -> Resolver:
        """Find the model that was blessed last."""
        del challenger, rules, serving
        return Resolver(
            strategy_class=LatestBlessedModelStrategy,
            model=channel.Channel(type=standard_artifacts.Model),
            model_blessing=channel.Channel(type=standard_artifacts.ModelBlessing),
        ).with_id("Champion")

    def evidence(self, champion: Resolver) -> dict[str, channel.Channel]:
        """Give nothing: a blessing only names the champion's run, and the newest is a new one in every job."""
        del champion
        return {}

    def shipping(self, *blessings: channel.Channel) -> AbstractContextManager[Any]:
        """Ask for every blessing: Vertex shows a step whose condition does not hold as not triggered."""
        # `outputs[…].future()` would name an input that no step has which reads the same output by another name
        # (OutputChannel.future in https://github.com/tensorflow/tfx/blob/master/tfx/types/channel.py).
        conditions = (ChannelWrappedPlaceholder(made)[0].custom_property(BLESSED) == 1 for made in blessings)
        return Cond(logical_and(*conditions))
