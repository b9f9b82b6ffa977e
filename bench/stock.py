"""Stock TFX on a table, wired as its tutorials do: the other side of `make bench`. Imports nothing of Longhaul.

    python -m bench.stock FOLDER WORK '{"steps": 2000, "eval_steps": 40, ...}' [LAST COMPONENT]

FOLDER holds train.csv and eval.csv (or train.*.parquet). Prints a line per finished component, as `longhaul run` does.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import absl.logging
import tensorflow_model_analysis as tfma
from tfx import v1 as tfx
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.components.example_gen.custom_executors import parquet_executor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types.standard_artifacts import Model, ModelBlessing

# What DirectRunner comes down to offline: Beam >= 2.68 first tries to download another runner, and would use it
# (https://github.com/apache/beam/issues/35867). Named outright, so that both sides run on one engine everywhere.
# Several worker processes were slower on two cores: each pays the imports.
BEAM_ARGS = ["--runner=FnApiRunner"]

LABEL, SLICES = "late", (["origin"], ["carrier"])
METRICS = ("AUC", "AUCPrecisionRecall", "BinaryCrossEntropy", "BinaryAccuracy", "Calibration", "ExampleCount")


def create_pipeline(folder: Path, work: Path, training: dict[str, Any], last: str | None) -> tfx.dsl.Pipeline:
    """Nine components, or those up to `last`."""
    # A file a split, so that both sides of the bench have the same rows in the same splits.
    files = tfx.proto.Input(splits=[tfx.proto.Input.Split(name=s, pattern=f"{s}.*") for s in ("train", "eval")])
    if (folder / "train.csv").exists():
        example_gen = tfx.components.CsvExampleGen(str(folder), input_config=files)
    else:
        reader = BeamExecutorSpec(parquet_executor.Executor)
        example_gen = FileBasedExampleGen(str(folder), input_config=files, custom_executor_spec=reader)
    examples = example_gen.outputs["examples"]
    statistics_gen = tfx.components.StatisticsGen(examples)
    schema_gen = tfx.components.SchemaGen(statistics_gen.outputs["statistics"])
    schema = schema_gen.outputs["schema"]
    example_validator = tfx.components.ExampleValidator(statistics_gen.outputs["statistics"], schema)
    transform = tfx.components.Transform(examples, schema, preprocessing_fn="bench.stock_module.preprocessing_fn")
    trainer = tfx.components.Trainer(
        run_fn="bench.stock_module.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        train_args=tfx.proto.TrainArgs(num_steps=training["steps"]),
        eval_args=tfx.proto.EvalArgs(num_steps=training["eval_steps"]),
        custom_config=training,
    )
    model = trainer.outputs["model"]
    champion = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=Model),
        model_blessing=tfx.dsl.Channel(type=ModelBlessing),
    ).with_id("Champion")
    evaluator = tfx.components.Evaluator(
        examples, model, baseline_model=champion.outputs["model"], eval_config=eval_config()
    )
    serving = tfx.proto.PushDestination.Filesystem(base_directory=str(work / "serving"))
    pusher = tfx.components.Pusher(
        model, evaluator.outputs["blessing"], push_destination=tfx.proto.PushDestination(filesystem=serving)
    )
    data = [example_gen, statistics_gen, schema_gen, example_validator]
    components = [*data, transform, trainer, champion, evaluator, pusher]
    names = [component.id for component in components]
    return tfx.dsl.Pipeline(
        pipeline_name="stock",
        pipeline_root=str(work / "artifacts"),
        components=components[: names.index(last) + 1 if last else None],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(f"{work}/metadata.db"),
        beam_pipeline_args=BEAM_ARGS,
    )


def eval_config() -> tfma.EvalConfig:
    """The metrics and slices of the flights, and a threshold that any model holds."""
    metrics = [tfma.MetricConfig(class_name=name) for name in METRICS]
    metrics[0].threshold.value_threshold.lower_bound.value = 0.0
    spec = tfma.ModelSpec(
        signature_name="serving_default", label_key=f"{LABEL}_xf", preprocessing_function_names=["transform_features"]
    )
    slices = [tfma.SlicingSpec(), *(tfma.SlicingSpec(feature_keys=columns) for columns in SLICES)]
    return tfma.EvalConfig(model_specs=[spec], slicing_specs=slices, metrics_specs=[tfma.MetricsSpec(metrics=metrics)])


class _StepLines(logging.Handler):
    """Hears from TFX's log when LocalDagRunner begins and ends a component."""

    def __init__(self, of: int) -> None:
        super().__init__(logging.INFO)
        self._number, self._of, self._began = 0, of, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "Component %s is running.":
            self._number, self._began = self._number + 1, time.monotonic()
        elif record.msg == "Component %s is finished.":
            seconds = time.monotonic() - self._began
            print(f"  {self._number:2d}/{self._of}  {record.args[0]:<18}{seconds:9.3f} s", flush=True)


if __name__ == "__main__":
    folder, work, training, *last = sys.argv[1:]
    pipeline = create_pipeline(Path(folder), Path(work), json.loads(training), *(last or [None]))
    absl.logging.set_verbosity(absl.logging.INFO)
    absl.logging.get_absl_logger().addHandler(_StepLines(len(pipeline.components)))
    Path(work).mkdir(parents=True, exist_ok=True)
    tfx.orchestration.LocalDagRunner().run(pipeline)
