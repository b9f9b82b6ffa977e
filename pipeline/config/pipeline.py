"""Puts the sections together: the whole configuration of one pipeline.

Paths that are read (`data.path`, `schema.file`) are relative to the YAML file; the workspace, where
everything is written, is relative to the current directory. `{workspace}` may stand in `data.path`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, model_validator

from pipeline.config.beam import BeamSettings
from pipeline.config.card import Card
from pipeline.config.continuous import Continuous
from pipeline.config.data import Data
from pipeline.config.decision import Decision
from pipeline.config.evaluation import DECIDED, METRICS, Evaluation
from pipeline.config.infra_check import InfraCheckSettings
from pipeline.config.keep import Keep
from pipeline.config.metadata import Metadata
from pipeline.config.notify import Notify
from pipeline.config.observe import Observe
from pipeline.config.own_code import TrainerSection, TransformSettings
from pipeline.config.predict import PredictSettings
from pipeline.config.push import Push
from pipeline.config.run import RunSettings
from pipeline.config.schema import Schema
from pipeline.config.serving import ServingSettings
from pipeline.config.split import Split, has_test_split
from pipeline.config.steps import OwnStep, StepName
from pipeline.config.value_types import LocalPath
from pipeline.config.vertex import Vertex
from pipeline.config.watch import Watch
from pipeline.files import one_spelling
from trainer.parsing import in_order, names_in
from trainer.settings.base import Section
from trainer.settings.features import FeaturesSettings
from trainer.settings.tuner import TunerSettings

_LONGEST_RECORD_NAME = 63
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,127}$")]  # what Vertex AI accepts as a pipeline name


class PipelineConfig(Section):
    """The whole of one pipeline."""

    name: Name
    """Name of the pipeline: small letters, digits and hyphens. The served models lie in a folder of this name."""
    workspace: LocalPath = "workspace"
    """Folder for all that is written: metadata, artifacts, served models, reports and logs. The option `--workspace`
    wins over it."""
    data: Data
    split: Split
    """Which rows train, which evaluate, and which are held out."""
    schema_: Schema = Field(alias="schema")
    features: FeaturesSettings = FeaturesSettings()
    transform: TransformSettings = TransformSettings()
    trainer: TrainerSection = TrainerSection()
    tuner: TunerSettings = TunerSettings()
    evaluation: Evaluation
    decision: Decision = Decision()
    card: Card = Card()
    infra_check: InfraCheckSettings = InfraCheckSettings()
    push: Push = Push()
    steps: dict[StepName, OwnStep] = {}
    """Components of your own, by the name of the step. See docs/extend/own-component.md."""
    predict: PredictSettings = PredictSettings()
    watch: Watch = Watch()
    continuous: Continuous = Continuous()
    serving: ServingSettings = ServingSettings()
    orchestrator: Literal["local", "vertex"] = "local"
    """Where the steps run, and whose runs the commands show: on this machine, or as jobs on Vertex AI Pipelines. The
    option `--on` wins over it."""
    vertex: Vertex | None = None
    beam: BeamSettings = BeamSettings()
    metadata: Metadata = Metadata()
    run: RunSettings = RunSettings()
    keep: Keep = Keep()
    observe: Observe = Observe()
    notify: Notify = Notify()
    _base: Path = PrivateAttr(default=Path())
    """Folder of the YAML file."""
    _file: Path | None = PrivateAttr(default=None)
    """The YAML file itself."""

    @model_validator(mode="after")
    def _only_classes_are_balanced(self) -> PipelineConfig:
        if self.data.task == "regression" and self.trainer.balance != "none":
            raise ValueError(f"trainer.balance: {self.trainer.balance!r} is for a classification; take it out")
        return self

    @model_validator(mode="after")
    def _only_two_classes_are_decided_by_a_threshold(self) -> PipelineConfig:
        if self.data.task != "binary" and not self.decision.is_even:
            raise ValueError(f"decision.threshold is for a binary task; a {self.data.task} task has none, take it out")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> PipelineConfig:
        decided = DECIDED if self.data.task == "binary" else ()
        known = (*METRICS[self.data.task], *decided, *self.evaluation.metrics)
        for field, named in (("thresholds", self.evaluation.thresholds), ("gaps", self.evaluation.gaps)):
            for metric in named:
                if metric not in known:
                    raise ValueError(
                        f"evaluation.{field}: {metric!r} is not a metric of a {self.data.task} task"
                        f" (known: {', '.join(known)}); evaluation.metrics names those of your own"
                    )
        if self.trainer.model_of and self.tuner.mode != "none":
            raise ValueError(
                f"tuner.mode: {self.tuner.mode!r} tunes Longhaul's network, and trainer.{self.trainer.model_of} makes a"
                " model of its own"
            )
        if self.transform.preprocessing_fn and self.features.derive:
            raise ValueError(
                "features.derive: transform.preprocessing_fn computes the columns; take one of the two out"
            )
        if self.transform.preprocessing_fn and not self.trainer.model_of:
            raise ValueError(
                "transform.preprocessing_fn: its outputs are read by trainer.build_model or trainer.run_fn, and there"
                " is neither: name one (docs/extend/own-network.md), or take the function out"
            )
        if self.metadata.namespace and len(self.record_name) > _LONGEST_RECORD_NAME:
            raise ValueError(
                f"metadata.namespace: {self.record_name!r} is longer than {_LONGEST_RECORD_NAME} letters, which is all"
                " that TFX takes for a pipeline's name"
            )
        if "test" in self.evaluation.splits and not has_test_split(self.split):
            raise ValueError("evaluation.splits names 'test', but split defines no test split")
        return self

    @model_validator(mode="after")
    def _label_is_not_left_out(self) -> PipelineConfig:
        if self.data.label in self.data.drop:
            raise ValueError(f"data.drop holds the label {self.data.label!r}")
        if self.data.label in self.features.exclude:
            raise ValueError(
                f"features.exclude holds the label {self.data.label!r}, which no model is ever shown; take it out"
            )
        return self

    @model_validator(mode="after")
    def _weight_is_no_feature(self) -> PipelineConfig:
        weight = self.data.weight
        if weight is None:
            return self
        read_by = {name: {of for of, _ in names_in(tree)} for name, tree in in_order(self.features.derive).items()}
        elsewhere = {
            "it is the label (data.label)": weight == self.data.label,
            "data.drop leaves it out": weight in self.data.drop,
            "features.derive computes it": weight in read_by,
            **{f"features.derive.{name} reads it": weight in read for name, read in read_by.items()},
        }
        if reasons := [reason for reason, holds in elsewhere.items() if holds]:
            raise ValueError(
                f"data.weight: {weight!r} cannot weigh rows, for {reasons[0]}; name a column of its own: rows to score"
                " have no weight"
            )
        return self

    @property
    def never_asked(self) -> tuple[str, ...]:
        """The columns that rows to score need not have, beside the label: what the model is not shown."""
        of_weight = () if self.data.weight is None else (self.data.weight,)
        return tuple(dict.fromkeys((*self.features.never_asked, *of_weight)))

    @property
    def takes_raw_rows(self) -> bool:
        """Whether Longhaul's own Transform has nothing to do: a function of the user's shapes the rows."""
        return bool(self.trainer.run_fn or self.transform.preprocessing_fn)

    @property
    def own_functions(self) -> dict[str, str]:
        """The functions of the user's, by the setting that names them."""
        named = {
            "transform.preprocessing_fn": self.transform.preprocessing_fn,
            "trainer.run_fn": self.trainer.run_fn,
            "trainer.build_model": self.trainer.build_model,
            **{f"schema.checks[{place}]": said for place, said in enumerate(self.schema_.checks)},
            **{f"evaluation.metrics.{name}": metric.function for name, metric in self.evaluation.metrics.items()},
            **{f"steps.{name}.component": step.component for name, step in self.steps.items()},
        }
        return {setting: said for setting, said in named.items() if said}

    def came_from(self, file: Path) -> None:
        """Note the YAML file that says all this: relative paths in it are meant from its folder."""
        self._base = one_spelling(file.parent)
        self._file = self._base / file.name

    @property
    def root(self) -> Path:
        """The workspace: absolute, and spelt in one way, however it was given."""
        return one_spelling(self.workspace)

    @property
    def serving_folder(self) -> Path:
        """The folder of the model's versions, which a push adds to and model servers watch."""
        return self.root / "serving" / self.name

    @property
    def requests_folder(self) -> Path:
        """The folder of the logs of requests, one folder a served name."""
        return self.root / "requests"

    @property
    def watch_folder(self) -> Path:
        """The folder of what watching knows."""
        return self.root / "watch" / self.name

    @property
    def record_name(self) -> str:
        """What ML Metadata knows the pipeline by: its name, after that of the namespace if there is one."""
        return f"{self.metadata.namespace}/{self.name}" if self.metadata.namespace else self.name

    def held(self) -> PipelineConfig:
        """Return the same, but that a blessed model waits, for a person or `longhaul loop`, and nobody is told."""
        told = tuple(one for one in self.notify.on if one != "waits_for_approval")
        push = self.push.model_copy(update={"approval": "manual", "approval_within": None})
        return self.model_copy(update={"push": push, "notify": self.notify.model_copy(update={"on": told})})

    @property
    def file(self) -> Path | None:
        """The YAML file, absolute; None if the settings come from elsewhere."""
        return self._file

    @property
    def data_pattern(self) -> str:
        """`data.path` in its one spelling, `{SPAN}` still in it, and a query; remote addresses (`gs://…`) untouched."""
        pattern = self._pattern(self.data.path)
        return f"{pattern}?{self.data.query}" if self.data.query else pattern

    @property
    def serving_pattern(self) -> str | None:
        """`data.serving`, absolute as `data_pattern` is."""
        return None if self.data.serving is None else self._pattern(self.data.serving)

    @property
    def label_decisions_file(self) -> Path | None:
        """`data.label_decisions`, absolute."""
        return None if self.data.label_decisions is None else Path(self._pattern(self.data.label_decisions))

    @property
    def schema_file(self) -> Path:
        """`schema.file`, absolute."""
        return one_spelling(self.schema_.file, self._base)

    @property
    def policy_file(self) -> Path | None:
        """`schema.policy`, absolute, or the file beside the schema; None if there is neither."""
        if self.schema_.policy is not None:
            return one_spelling(self.schema_.policy, self._base)
        beside = self.schema_file.with_suffix(".policy.yaml")
        return beside if beside.exists() else None

    def _pattern(self, path: str) -> str:
        path = path.replace("{workspace}", str(self.root))
        return path if "://" in path else str(one_spelling(path, self._base))
