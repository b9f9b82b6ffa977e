"""TFX's penguin pipeline, as it stands in TFX's examples, on Longhaul's components.

    python penguins.py FOLDER

Of a pipeline that you have, change only the line that imports from `pipeline.components`.
"""

import sys
from pathlib import Path

import tensorflow_model_analysis as tfma
from tfx import v1 as tfx

from pipeline.components import Evaluator, ExampleValidator, Pusher, SchemaGen, StatisticsGen, Transform

MODULE = "tfx.examples.penguin.penguin_utils_keras"


def create_pipeline(folder: Path) -> tfx.dsl.Pipeline:
    """Wire the steps; everything is written to the folder."""
    tables = folder / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    (tables / "penguins.csv").write_bytes(Path(__file__).parents[1].joinpath("penguins.csv").read_bytes())
    example_gen = tfx.components.CsvExampleGen(input_base=str(tables))
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = SchemaGen(statistics=statistics_gen.outputs["statistics"], infer_feature_shape=True)
    validator = ExampleValidator(statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"])
    transform = Transform(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        preprocessing_fn=f"{MODULE}.preprocessing_fn",
    )
    trainer = tfx.components.Trainer(
        run_fn=f"{MODULE}.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        train_args=tfx.proto.TrainArgs(num_steps=200),
        eval_args=tfx.proto.EvalArgs(num_steps=5),
    )
    accuracy = tfma.MetricConfig(
        class_name="SparseCategoricalAccuracy",
        threshold=tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.6})),
    )
    evaluator = Evaluator(
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        eval_config=tfma.EvalConfig(
            model_specs=[
                tfma.ModelSpec(
                    signature_name="serving_default",
                    label_key="species_xf",
                    preprocessing_function_names=["transform_features"],
                )
            ],
            slicing_specs=[tfma.SlicingSpec()],
            metrics_specs=[tfma.MetricsSpec(metrics=[accuracy])],
        ),
    )
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(folder / "served"))
        ),
    )
    return tfx.dsl.Pipeline(
        pipeline_name="penguins",
        pipeline_root=str(folder / "artifacts"),
        components=[example_gen, statistics_gen, schema_gen, validator, transform, trainer, evaluator, pusher],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.db")
        ),
        beam_pipeline_args=["--direct_running_mode=in_memory"],
    )


if __name__ == "__main__":
    tfx.orchestration.LocalDagRunner().run(create_pipeline(Path(sys.argv[1]).absolute()))
