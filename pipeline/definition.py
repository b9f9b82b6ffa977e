"""The pipeline: which step follows which. Wiring only; every number comes from the configuration."""

from __future__ import annotations

from tfx.components.schema_gen.component import SchemaGen
from tfx.components.trainer.component import Trainer
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.experimental.conditionals.conditional import Cond
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import pusher_pb2, trainer_pb2, transform_pb2
from tfx.types import channel, standard_artifacts

from pipeline.components.analyzer_cache import AnalyzerCacheStrategy
from pipeline.components.champion import ChampionStrategy
from pipeline.components.curated_schema import CuratedSchema
from pipeline.components.data_gate import BLESSED, DataGate
from pipeline.components.evaluator import Evaluator
from pipeline.components.example_gen import TableExampleGen
from pipeline.components.example_validator import ExampleValidator
from pipeline.components.pusher import Pusher
from pipeline.components.statistics_gen import StatisticsGen
from pipeline.components.transform import Transform
from pipeline.config import PipelineConfig
from pipeline.data.schema_types import feature_table, read_schema
from pipeline.evaluation import eval_config
from pipeline.guard.policy import read_policy
from pipeline.provenance import GUARD_CODE, INGESTION_CODE, TRAINER_CODE, TRANSFORM_CODE, code_digest
from pipeline.runners import beam


def create_pipeline(config: PipelineConfig, *, enable_cache: bool = True) -> Pipeline:
    """From a table to a served model.

    Raises:
        ConfigError: the schema cannot be read, or lacks a column that the configuration names.
    """
    schema = read_schema(config.schema_file)
    features = feature_table(config).to_dict()
    order_by = config.split.column if config.split.by == "time" else None

    # Reads the table in columns, splits it, and keeps it as Parquet.
    example_gen = TableExampleGen(config, schema, code_digest(INGESTION_CODE))

    # Describes every split.
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])

    # What the data look like by themselves, kept for comparison with what people agreed on.
    inferred_schema = SchemaGen(statistics=statistics_gen.outputs["statistics"]).with_id("InferredSchema")

    # The contract that people wrote and reviewed: this one guards and trains.
    curated_schema = CuratedSchema(config.schema_file).with_id("CuratedSchema")

    # Holds the statistics against the contract.
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=curated_schema.outputs["schema"]
    )

    # Finds what Transform learned of spans that were seen before.
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
        config=config,
        policy=read_policy(config.policy_file),
        code_digest=code_digest(GUARD_CODE),
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
            analyzer_cache=seen_spans.outputs["analyzer_cache"],
            custom_config={"features": features, "code_digest": code_digest(TRANSFORM_CODE)},
        )

        # Fits the network and exports it with the transform graph inside.
        trainer = Trainer(
            run_fn="trainer.train.run_fn",
            examples=example_gen.outputs["examples"],
            transform_graph=transform.outputs["transform_graph"],
            schema=curated_schema.outputs["schema"],
            train_args=trainer_pb2.TrainArgs(splits=["train"]),
            eval_args=trainer_pb2.EvalArgs(splits=["train"]),  # it stops early by a part of the training split
            custom_config={
                "features": features,
                "trainer": config.trainer.model_dump(mode="json"),
                "order_by": order_by,
                "code_digest": code_digest(TRAINER_CODE),
            },
        )

        # Finds the model to beat.
        champion = Resolver(
            strategy_class=ChampionStrategy,
            model=channel.Channel(type=standard_artifacts.Model),
            model_blessing=channel.Channel(type=standard_artifacts.ModelBlessing),
            challenger=trainer.outputs["model"],
        ).with_id("Champion")

        # Measures overall and by slice; blesses what holds the thresholds.
        evaluator = Evaluator(
            examples=example_gen.outputs["examples"],
            model=trainer.outputs["model"],
            baseline_model=champion.outputs["model"],
            schema=curated_schema.outputs["schema"],
            eval_config=eval_config(config),
            example_splits=list(config.evaluation.splits),
        )

        # Puts a blessed model where a server finds it.
        pusher = Pusher(
            model=trainer.outputs["model"],
            model_blessing=evaluator.outputs["blessing"],
            push_destination=pusher_pb2.PushDestination(
                filesystem=pusher_pb2.PushDestination.Filesystem(
                    base_directory=str(config.root / "serving" / config.name)
                )
            ),
        )

    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=str(config.root / "artifacts"),
        components=[
            example_gen,
            statistics_gen,
            inferred_schema,
            curated_schema,
            example_validator,
            data_gate,
            seen_spans,
            transform,
            trainer,
            champion,
            evaluator,
            pusher,
        ],
        enable_cache=enable_cache,
        beam_pipeline_args=list(beam.DIRECT),
    )
