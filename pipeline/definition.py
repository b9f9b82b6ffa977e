"""The pipeline: which step follows which. Wiring only; every number comes from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from types import MappingProxyType

from tfx.components.schema_gen.component import SchemaGen
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.experimental.conditionals.conditional import Cond
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.dsl.placeholder.placeholder import logical_and
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2, transform_pb2
from tfx.types import channel, standard_artifacts
from tfx.types.channel import ChannelWrappedPlaceholder

from pipeline.beam import arguments
from pipeline.components.analyzer_cache import AnalyzerCacheStrategy
from pipeline.components.base_model import BaseModelStrategy
from pipeline.components.champion import ChampionStrategy
from pipeline.components.curated_schema import CuratedSchema
from pipeline.components.data_gate import BLESSED, DataGate
from pipeline.components.evaluator import Evaluator
from pipeline.components.example_gen import TableExampleGen
from pipeline.components.example_validator import ExampleValidator
from pipeline.components.infra_check import InfraCheck
from pipeline.components.pusher import Pusher
from pipeline.components.statistics_gen import StatisticsGen
from pipeline.components.trainer import Trainer
from pipeline.components.transform import Transform
from pipeline.components.tuner import Tuner
from pipeline.config.pipeline import PipelineConfig
from pipeline.contract.schema import column_type, feature_table, read_schema
from pipeline.errors import ConfigError
from pipeline.evaluation.eval_config import eval_config
from pipeline.evaluation.eval_config import settings as evaluation_settings
from pipeline.guard.policy_file import read_policy
from pipeline.lineage.artifact_names import STEP_CODE
from pipeline.lineage.provenance import step_code_digest
from trainer.settings.trainer import AFTER_FITTING

DATA_ROOT, PUSH_TO = "data_root", "push_to"
"""Runtime parameters of a job on Vertex AI: where the table lies, and where models are pushed to."""


def create_pipeline(
    config: PipelineConfig,
    *,
    enable_cache: bool = True,
    vertex_root: str | None = None,
    job_servers: Mapping[str, str] = MappingProxyType({}),
) -> Pipeline:
    """From a table to a served model.

    Args:
        job_servers: by Beam runner that is a cluster, host:port of its job server.
        vertex_root: for Vertex AI Pipelines, the `gs://` folder to write to; None for a run on this machine. Vertex
            resolves artifacts by two queries of its own and knows none of our strategies, hence LatestBlessedModel
            instead of Champion, and neither SeenSpans nor BaseModel. It shows a step whose condition does not hold as
            not triggered, so Pusher stands under one; here Pusher itself puts on record why nothing was pushed.

    Raises:
        ConfigError: the schema cannot be read, or lacks a column that the configuration names; or `beam.steps` names a
            step that Beam does no work of.
    """
    on_vertex = vertex_root is not None
    root = vertex_root or str(config.root)
    serving = f"{root}/serving/{config.name}"
    schema = read_schema(config.schema_file)
    features = feature_table(config).to_dict()
    columns = {key: value for key, value in features.items() if key != "bins"}  # that only a network has
    order_by = config.split.column if config.split.by == "time" else None
    group_by = config.split.column if config.split.by == "group" else None

    # Reads the table in columns, splits it, and keeps it as Parquet.
    data_root = RuntimeParameter(DATA_ROOT, str) if on_vertex else None
    example_gen = TableExampleGen(
        pattern=config.data_pattern,
        data=config.data,
        split=config.split,
        declared={feature.name: column_type(feature) for feature in schema.feature},
        data_root=data_root,
    )

    # Describes every split.
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])

    # What the data look like by themselves, kept for comparison with what people agreed on.
    inferred_schema = SchemaGen(statistics=statistics_gen.outputs["statistics"]).with_id("InferredSchema")

    # The contract that people wrote and reviewed: this one guards and trains.
    curated_schema = CuratedSchema(config.schema_file, as_text=on_vertex).with_id("CuratedSchema")

    # Holds the statistics against the contract.
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=curated_schema.outputs["schema"]
    )

    # Finds what Transform learned of spans that were seen before. The latest cache, all that Vertex could find, would
    # be a new input whenever Transform has run, and no unchanged job would be cached.
    seen_spans = None
    if not on_vertex:
        seen_spans = Resolver(
            strategy_class=AnalyzerCacheStrategy,
            examples=example_gen.outputs["examples"],
            analyzer_cache=channel.Channel(type=standard_artifacts.TransformCache),
        ).with_id("SeenSpans")

    # Decides by the policy whether what was found may be learned from.
    data_gate = DataGate(
        examples=example_gen.outputs["examples"],
        statistics=statistics_gen.outputs["statistics"],
        schema=curated_schema.outputs["schema"],
        anomalies=example_validator.outputs["anomalies"],
        policy=read_policy(config.policy_file),
        pattern=config.data_pattern,
        serving_pattern=config.serving_pattern,
        data=config.data,
        split=config.split,
        excluded=config.features.exclude,
        data_root=data_root,
    )

    with Cond(data_gate.outputs["verdict"].future()[0].custom_property(BLESSED) == 1):
        # Learns vocabularies and quantiles from the training split; its graph serves too.
        transform = Transform(
            examples=example_gen.outputs["examples"],
            schema=curated_schema.outputs["schema"],
            preprocessing_fn="trainer.preprocessing.preprocessing_fn",
            splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train"]),
            materialize=False,  # the trainer transforms columns in memory, faster than it could read them back
            disable_statistics=True,  # StatisticsGen has them
            analyzer_cache=seen_spans.outputs["analyzer_cache"] if seen_spans else None,
            custom_config={"features": columns},
        )

        # Tries settings of the trainer, or looks up what an earlier search found.
        tuner = last_tuning = hyperparameters = None
        if config.tuner.mode == "search":
            tuner = Tuner(
                tuner_fn="trainer.tune.tuner_fn",
                examples=example_gen.outputs["examples"],
                transform_graph=transform.outputs["transform_graph"],
                schema=curated_schema.outputs["schema"],
                train_args=trainer_pb2.TrainArgs(splits=["train"]),
                eval_args=trainer_pb2.EvalArgs(splits=["train"]),  # a trial is judged by what stops it early
                custom_config={
                    "features": features,
                    "trainer": config.trainer.model_dump(mode="json", exclude=set(AFTER_FITTING)),
                    "order_by": order_by,
                    "group_by": group_by,
                    "tuner": config.tuner.model_dump(mode="json", by_alias=True),
                    "folder": f"{root}/tuning",
                },
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
                config={"serving": serving},
                model=channel.Channel(type=standard_artifacts.Model),
                model_blessing=channel.Channel(type=standard_artifacts.ModelBlessing),
                infra_blessing=channel.Channel(type=standard_artifacts.InfraBlessing),
                examples=example_gen.outputs["examples"],
            ).with_id("BaseModel")

        # Fits the network and exports it with the transform graph inside.
        trainer = Trainer(
            run_fn="trainer.train.run_fn",
            examples=example_gen.outputs["examples"],
            transform_graph=transform.outputs["transform_graph"],
            schema=curated_schema.outputs["schema"],
            hyperparameters=hyperparameters,
            base_model=base_model.outputs["model"] if base_model else None,
            train_args=trainer_pb2.TrainArgs(splits=["train"]),
            eval_args=trainer_pb2.EvalArgs(splits=["train"]),  # it stops early by a part of the training split
            custom_config={
                "features": features,
                "trainer": config.trainer.model_dump(mode="json"),
                "order_by": order_by,
                "group_by": group_by,
            },
        )

        # Finds the model to beat.
        found = {
            "model": channel.Channel(type=standard_artifacts.Model),
            "model_blessing": channel.Channel(type=standard_artifacts.ModelBlessing),
        }
        if not on_vertex:
            found["infra_blessing"] = channel.Channel(type=standard_artifacts.InfraBlessing)
            found["examples"] = channel.Channel(type=standard_artifacts.Examples)
            found["challenger"] = trainer.outputs["model"]
            found["reference"] = channel.Channel(type=standard_artifacts.Model)
            found["reference_blessing"] = channel.Channel(type=standard_artifacts.ModelBlessing)
        strategy = LatestBlessedModelStrategy if on_vertex else ChampionStrategy
        against = {"against": config.evaluation.against, "last": config.evaluation.last or 0}
        where = None if on_vertex else {"serving": serving, **against}
        champion = Resolver(strategy_class=strategy, config=where, **found).with_id("Champion")

        # Measures overall and by slice; blesses what holds the thresholds.
        evaluator = Evaluator(
            examples=example_gen.outputs["examples"],
            model=trainer.outputs["model"],
            baseline_model=champion.outputs["model"],
            schema=curated_schema.outputs["schema"],
            # It only names the champion's run. On Vertex the newest blessing is a new one after every evaluation.
            baseline_blessing=None if on_vertex else champion.outputs["model_blessing"],
            baseline_examples=None if on_vertex else champion.outputs["examples"],
            reference_models=None if on_vertex else champion.outputs["reference"],
            reference_blessings=None if on_vertex else champion.outputs["reference_blessing"],
            eval_config=eval_config(config.data.task, config.evaluation),
            example_splits=list(config.evaluation.splits),
            settings=evaluation_settings(config, columns),
        )

        # Serves a blessed model in a fresh process: the same predictions, fast enough, small enough.
        infra_check = InfraCheck(
            model=trainer.outputs["model"],
            model_run=trainer.outputs["model_run"],
            evaluation=evaluator.outputs["evaluation"],
            model_blessing=evaluator.outputs["blessing"],
            features=columns,
            settings=config.infra_check,
        )

        # Puts a model that was blessed twice where a server finds it.
        blessings = evaluator.outputs["blessing"], infra_check.outputs["blessing"]
        # `outputs[…].future()` would name an input that no step has which reads the same output by another name
        # (OutputChannel.future in https://github.com/tensorflow/tfx/blob/master/tfx/types/channel.py).
        evaluated, checked = (ChannelWrappedPlaceholder(made)[0].custom_property(BLESSED) == 1 for made in blessings)
        with Cond(logical_and(evaluated, checked)) if on_vertex else nullcontext():
            pusher = Pusher(
                examples=example_gen.outputs["examples"],
                schema=curated_schema.outputs["schema"],
                model=trainer.outputs["model"],
                evaluation=evaluator.outputs["evaluation"],
                model_blessing=evaluator.outputs["blessing"],
                infra_blessing=infra_check.outputs["blessing"],
                pipeline=config.name,
                base_directory=RuntimeParameter(PUSH_TO, str) if on_vertex else serving,
                features=columns,
                elsewhere=config.push,
            )

    # The runners that do the data work.
    by_beam = {step.id: step for step in (example_gen, statistics_gen, transform, evaluator)}
    if unknown := sorted(config.beam.steps.keys() - by_beam.keys()):
        raise ConfigError(f"beam.steps: Beam does no work of {unknown[0]!r}", f"it does that of {', '.join(by_beam)}")
    for name, step in by_beam.items():
        step.with_beam_pipeline_args(arguments.arguments(config, name, job_servers))

    on_request = [node for node in (tuner, last_tuning, base_model) if node]
    nodes = [
        example_gen,
        statistics_gen,
        inferred_schema,
        curated_schema,
        example_validator,
        data_gate,
        *([seen_spans] if seen_spans else []),
        transform,
        *on_request,
        trainer,
        champion,
        evaluator,
        infra_check,
        pusher,
    ]
    # TFX's cache knows what goes into a step and its settings, but no code: every step is told the digest of its own.
    # Look-ups are made anew in every run.
    for node in nodes:
        if isinstance(node, BaseComponent) and (digest := step_code_digest(node)):
            node.spec.exec_properties[STEP_CODE] = digest
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=f"{root}/artifacts",
        components=nodes,
        enable_cache=enable_cache,
    )
