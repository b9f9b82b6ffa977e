"""The pipeline: which step follows which. Wiring only; every number comes from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tensorflow_data_validation import StatsOptions
from tfx.components.schema_gen.component import SchemaGen
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.experimental.conditionals.conditional import Cond
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2, transform_pb2
from tfx.types import channel, standard_artifacts

from pipeline.components.base_model import BaseModelStrategy
from pipeline.components.data_gate import BLESSED, DataGate
from pipeline.components.evaluator import Evaluator
from pipeline.components.example_gen import TableExampleGen
from pipeline.components.example_validator import ExampleValidator
from pipeline.components.infra_check import InfraCheck
from pipeline.components.own_places import OwnPlaces
from pipeline.components.own_steps import own_training_steps, without_bins
from pipeline.components.own_trainer import OwnTrainer
from pipeline.components.placement import Local, Placement
from pipeline.components.pusher import Pusher
from pipeline.components.statistics_gen import StatisticsGen
from pipeline.components.told import tell_code, tell_runners
from pipeline.components.trainer import Trainer
from pipeline.components.transform import Transform
from pipeline.components.tuner import Tuner
from pipeline.config.model_settings import ModelSettings
from pipeline.config.own_code import OWN_CODE_FIELDS
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.split import time_column
from pipeline.contract.run_inputs import RunInputs
from pipeline.contract.schema import column_type
from pipeline.evaluation.eval_config import eval_config
from pipeline.evaluation.eval_config import settings as evaluation_settings
from trainer.settings.trainer import AFTER_FITTING, told


def create_pipeline(
    config: PipelineConfig,
    inputs: RunInputs,
    placement: Placement | None = None,
    *,
    enable_cache: bool = True,
    job_servers: Mapping[str, str] = MappingProxyType({}),
) -> Pipeline:
    """Wires the steps from a table to a served model.

    Args:
        inputs: what the run is made with.
        placement: where the steps run; on this machine when None.
        job_servers: by Beam runner that is a cluster, host:port of its job server.

    Raises:
        ConfigError: `beam.steps` names a step that Beam does no work of, or `steps` a place that is none.
    """
    placement = placement or Local(str(config.root))
    features = inputs.features.to_dict()
    data = data_steps(config, inputs, placement)
    own = OwnPlaces(config.steps, inputs)
    own.place(node for node in data.nodes if node is not data.gate)
    ungated = len(own.nodes)
    with Cond(data.gate.outputs["verdict"].future()[0].custom_property(BLESSED) == 1):
        if config.takes_raw_rows:
            training = TrainingSteps(*own_training_steps(config.trainer, config.data.weight, inputs, data.examples))
        else:
            training = training_steps(config, inputs, features, data, placement.root)
        shipping = shipping_steps(config, inputs, data, training, placement)
        nodes = [*data.nodes, *training.nodes, *shipping]
        own.place(nodes)
    own.join(nodes, data.gate, gated=[*training.nodes, *shipping, *own.nodes[ungated:]])
    nodes += own.nodes
    tell_runners(nodes, config.beam, config.vertex, job_servers)
    tell_code(nodes)
    return Pipeline(
        pipeline_name=config.record_name if isinstance(placement, Local) else config.name,
        pipeline_root=f"{placement.root}/artifacts",
        components=nodes,
        enable_cache=enable_cache,
    )


@dataclass(frozen=True)
class DataSteps:
    """The steps up to the gate.

    Attributes:
        examples, schema: what later steps read.
        seen_spans: what Transform learned of spans that were seen before; None where nobody can tell.
    """

    nodes: list[Any]
    examples: channel.Channel
    schema: channel.Channel
    gate: DataGate
    seen_spans: channel.Channel | None


def data_steps(settings: ModelSettings, inputs: RunInputs, placement: Placement) -> DataSteps:
    """Wires what reads the table, describes it and decides whether it may be learned from."""
    features = without_bins(inputs.features.to_dict())

    # Reads the table in columns, splits it, changes the labels that people decided, and keeps it as Parquet.
    example_gen = TableExampleGen(
        pattern=settings.data_pattern,
        data=settings.data,
        split=settings.split,
        declared={feature.name: column_type(feature) for feature in inputs.schema.feature},
        decisions=inputs.decisions.told(),
        data_root=placement.data_root(),
    )

    # Describes every split; with weights by the side of its rows.
    weighted = {"stats_options": StatsOptions(weight_feature=settings.data.weight)} if settings.data.weight else {}
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"], **weighted).with_derived(features)

    # What the data look like by themselves, kept for comparison with what people agreed on.
    inferred_schema = SchemaGen(statistics=statistics_gen.outputs["statistics"]).with_id("InferredSchema")

    # The contract that people wrote and reviewed: this one guards and trains.
    curated_schema = placement.curated_schema(settings.schema_file, inputs).with_id("CuratedSchema")

    # Holds the statistics against the contract.
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=curated_schema.outputs["schema"]
    )

    # Decides by the policy whether what was found may be learned from.
    data_gate = DataGate(
        examples=example_gen.outputs["examples"],
        statistics=statistics_gen.outputs["statistics"],
        schema=curated_schema.outputs["schema"],
        anomalies=example_validator.outputs["anomalies"],
        policy=inputs.policy,
        pattern=settings.data_pattern,
        serving_pattern=settings.serving_pattern,
        serving_digest=inputs.serving_digest,
        data=settings.data,
        split=settings.split,
        excluded=settings.never_asked,
        features=features,
        data_root=placement.data_root(),
        checks=inputs.own_code.all_plain("schema.checks"),
    )

    # Finds what Transform learned of spans that were seen before.
    seen_spans = None if settings.takes_raw_rows else placement.seen_spans(example_gen.outputs["examples"])
    nodes = [example_gen, statistics_gen, inferred_schema, curated_schema, example_validator, data_gate, seen_spans]
    return DataSteps(
        nodes=[node for node in nodes if node],
        examples=example_gen.outputs["examples"],
        schema=curated_schema.outputs["schema"],
        gate=data_gate,
        seen_spans=seen_spans.outputs["analyzer_cache"] if seen_spans else None,
    )


@dataclass(frozen=True)
class TrainingSteps:
    """The steps that make a model, and the model."""

    nodes: list[Any]
    trainer: Trainer | OwnTrainer


def training_steps(
    config: PipelineConfig, inputs: RunInputs, features: dict[str, Any], data: DataSteps, root: str
) -> TrainingSteps:
    """Wires what shapes the rows and learns from them.

    Args:
        features: the FeatureTable as plain data.
        root: the folder to write to.
    """
    group = config.split.column if config.split.by == "group" else None
    of_weight = {"weight": config.data.weight} if config.data.weight else {}
    request = {"features": features, "order_by": time_column(config.split), "group_by": group, **of_weight}

    # Learns vocabularies and quantiles from the training split; its graph serves too.
    transform = Transform(
        examples=data.examples,
        schema=data.schema,
        preprocessing_fn="trainer.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train"]),
        materialize=False,  # the trainer transforms columns in memory, faster than it could read them back
        disable_statistics=True,  # StatisticsGen has them
        analyzer_cache=data.seen_spans,
        custom_config={"features": without_bins(features)},
    )
    learned_from = {
        "examples": data.examples,
        "transform_graph": transform.outputs["transform_graph"],
        "schema": data.schema,
        "train_args": trainer_pb2.TrainArgs(splits=["train"]),
        "eval_args": trainer_pb2.EvalArgs(splits=["train"]),  # a part of the training split stops it early
    }

    # Tries settings of the trainer, or looks up what an earlier search found.
    tuner = last_tuning = hyperparameters = None
    if config.tuner.mode == "search":
        settings = told(config.trainer, without={*AFTER_FITTING, *OWN_CODE_FIELDS})
        tuning = {"tuner": config.tuner.model_dump(mode="json", by_alias=True), "folder": f"{root}/tuning"}
        tuner = Tuner(
            tuner_fn="trainer.tune.tuner_fn",
            custom_config={**request, "trainer": settings, **tuning},
            **learned_from,
        )
        hyperparameters = tuner.outputs["best_hyperparameters"]
    elif config.tuner.mode == "reuse":
        last_tuning = Resolver(
            strategy_class=LatestArtifactStrategy,
            hyperparameters=channel.Channel(type=standard_artifacts.HyperParameters),
        ).with_id("LastTuning")
        hyperparameters = last_tuning.outputs["hyperparameters"]

    # Finds the model whose weights to start from.
    base_model = None
    if config.trainer.warm_start:
        base_model = Resolver(
            strategy_class=BaseModelStrategy,
            config={"serving": f"{root}/serving/{config.name}"},
            model=channel.Channel(type=standard_artifacts.Model),
            model_blessing=channel.Channel(type=standard_artifacts.ModelBlessing),
            infra_blessing=channel.Channel(type=standard_artifacts.InfraBlessing),
            examples=data.examples,
        ).with_id("BaseModel")

    # Fits the network and exports it with the transform graph inside.
    own_network = inputs.own_code.plain("trainer.build_model")
    trainer = Trainer(
        run_fn="trainer.train.run_fn",
        hyperparameters=hyperparameters,
        base_model=base_model.outputs["model"] if base_model else None,
        custom_config={
            **request,
            "trainer": told(config.trainer, without=OWN_CODE_FIELDS),
            **({"build_model": own_network} if own_network else {}),
        },
        **learned_from,
    )
    return TrainingSteps([step for step in (transform, tuner, last_tuning, base_model, trainer) if step], trainer)


def shipping_steps(
    settings: ModelSettings, inputs: RunInputs, data: DataSteps, made: TrainingSteps, placement: Placement
) -> list[Any]:
    """Wires what judges a model, proves that it serves, and puts it where a server finds it."""
    serving = f"{placement.root}/serving/{settings.name}"
    columns = without_bins(inputs.features.to_dict())
    own_metrics = inputs.own_code.by_name("evaluation.metrics")
    model = made.trainer.outputs["model"]

    # Finds the model to beat.
    champion = placement.champion(model, settings.evaluation, serving)

    # Measures overall and by slice; blesses what holds the thresholds.
    evaluator = Evaluator(
        examples=data.examples,
        model=model,
        baseline_model=champion.outputs["model"],
        schema=data.schema,
        eval_config=eval_config(settings.data.task, settings.evaluation, settings.data.weight),
        example_splits=list(settings.evaluation.splits),
        settings=evaluation_settings(settings.evaluation, settings.data, settings.decision, columns, own_metrics),
        **placement.evidence(champion),
    )

    # Serves a blessed model in a fresh process: the same predictions, fast enough, small enough.
    infra_check = InfraCheck(
        model=model,
        model_run=made.trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        model_blessing=evaluator.outputs["blessing"],
        features=columns,
        settings=settings.infra_check,
    )

    # Puts a model that was blessed twice where a server finds it.
    with placement.shipping(evaluator.outputs["blessing"], infra_check.outputs["blessing"]):
        pusher = Pusher(
            examples=data.examples,
            schema=data.schema,
            model=model,
            evaluation=evaluator.outputs["evaluation"],
            model_blessing=evaluator.outputs["blessing"],
            infra_blessing=infra_check.outputs["blessing"],
            pipeline=settings.name,
            base_directory=placement.base_directory(serving),
            features=columns,
            elsewhere=settings.push,
            rollout=settings.serving.rollout,
        )
    return [champion, evaluator, infra_check, pusher]
