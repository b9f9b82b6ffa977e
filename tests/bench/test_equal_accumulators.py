"""Multiclass and regression metrics of columns against TFMA's own combiners, fed row by row, in the cases that tell.

A case is a slice, dealt to several batches, so that slices and merging are part of it. Whole Evaluators are
compared in test_equal_metrics.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.proto import config_pb2

from pipeline.config.evaluation import METRICS
from pipeline.config.pipeline import PipelineConfig
from pipeline.evaluation.columnar_metrics import RAW_RECORD, TALLIES, ScoreAndAddUp
from pipeline.evaluation.eval_config import eval_config
from pipeline.evaluation.slice_metrics import measure
from pipeline.evaluation.tfma_records import write_records

BATCHES = 3
RANDOM = np.random.default_rng(5)
REGRESSION = {
    "many": [(x, 0.7 * x + RANDOM.normal()) for x in RANDOM.normal(100.0, 3.0, 500)],
    "one row": [(2.5, 3.0)],
    "one row a batch": [(1.0, 1.5), (2.0, 2.0), (4.0, 3.0)],
    "constant label": [(2.5, 1.0), (2.5, 2.0), (2.5, 4.0), (2.5, 2.5)],
    "constant prediction": [(1.0, 2.0), (2.0, 2.0), (4.0, 2.0), (8.0, 2.0)],
    # Sums of 0.1 are rounded: whether their difference is zero, and the metric NaN, hangs on the order of the rows.
    "constant, not exact": [(0.1, float(x)) for x in RANDOM.normal(size=500)],
    "both constant, not exact": [(0.1, 0.7)] * 500,
    "hardly varies": [(1e6 + i % 2, 1e6 + i % 3) for i in range(500)],
    "no prediction": [(1.0, math.nan), (2.0, 2.5), (3.0, 3.0), (4.0, 4.0)],
}
MULTICLASS = {
    "many": list(zip(RANDOM.integers(0, 3, 500).tolist(), RANDOM.dirichlet([1, 2, 3], 500).tolist(), strict=True)),
    "one row": [(2, [0.2, 0.5, 0.3])],
    "one row a batch": [(0, [0.6, 0.3, 0.1]), (1, [0.6, 0.3, 0.1]), (2, [0.1, 0.1, 0.8])],
    "constant label": [(1, [0.2, 0.5, 0.3]), (1, [0.3, 0.3, 0.4]), (1, [0.9, 0.05, 0.05]), (1, [0.0, 0.9, 0.1])],
    "sure and right": [(0, [1.0, 0.0, 0.0])] * 5,
    "sure and wrong": [(1, [1.0, 0.0, 0.0])] * 5,
    "tie": [(0, [0.4, 0.4, 0.2]), (1, [0.4, 0.4, 0.2])],
    "does not add up to one": [(0, [0.2, 0.1, 0.1]), (2, [0.9, 0.8, 0.7])],
}
TASKS: dict[str, dict[str, list[Any]]] = {"regression": REGRESSION, "multiclass": MULTICLASS}


class Echo(tf.Module):
    """Predicts what stands in the row."""

    def __init__(self, task: str) -> None:
        super().__init__()
        dtype, outputs = (tf.float32, 1) if task == "regression" else (tf.int64, 3)
        self._spec = {
            "label": tf.io.FixedLenFeature([], dtype),
            "prediction": tf.io.FixedLenFeature([outputs], tf.float32),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def predict(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"prediction": tf.io.parse_example(examples, self._spec)["prediction"]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def labels(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"label_xf": tf.io.parse_example(examples, self._spec)["label"]}


def example(label: float, prediction: Any) -> bytes:
    row = tf.train.Example()
    features = row.features.feature
    features["prediction"].float_list.value.extend(np.atleast_1d(prediction))
    if isinstance(label, int):
        features["label"].int64_list.value.append(label)
    else:
        features["label"].float_list.value.append(label)
    return bytes(row.SerializeToString())


def settings(task: str) -> PipelineConfig:
    return PipelineConfig(
        name="equal",
        data={"path": "-", "label": "label", "task": task, "classes": [*"abc"] if task == "multiclass" else []},
        split={"by": "hash"},
        schema={"file": "-"},
        evaluation={"slices": [["case"]], "thresholds": {METRICS[task][0]: {"at_least": 0.0}}},
    )


def judged_by(task: str) -> config_pb2.EvalConfig:
    """The metrics of a pipeline of ours, for each case."""
    ours = eval_config(task, settings(task).evaluation)
    return tfma.utils.update_eval_config_with_defaults(ours, has_baseline=False, rubber_stamp=True)


def of_columns(task: str, folder: Path) -> dict[str, dict[str, float]]:
    """{case: {metric: value}} as Evaluator has TFMA write them."""
    model = Echo(task)
    signatures = {"serving_default": model.predict, "transform_labels": model.labels}
    tf.saved_model.save(model, str(folder / "model"), signatures=signatures)
    batches = []
    for number in range(BATCHES):
        rows = [(case, *row) for case, of_case in TASKS[task].items() for row in of_case[number::BATCHES]]
        names, examples = [[case] for case, *_ in rows], [[example(*row)] for _, *row in rows]
        batches.append(pa.record_batch({"case": names, RAW_RECORD: examples}))
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        rows = pipeline | beam.Create(batches)
        paths, rules = {"": str(folder / "model")}, settings(task).evaluation
        tallies = (rows | ScoreAndAddUp(judged_by(task), paths, task, rules.explain))[TALLIES]
        slices = tallies | beam.Map(measure, task, rules.confidence)
        validations = pipeline | "Validations" >> beam.Create([])
        write_records(slices, validations, judged_by(task), paths, str(folder / "out"))
    return {
        key.bytes_value.decode(): {
            entry.key.name: entry.value.double_value.value for entry in record.metric_keys_and_values
        }
        for record in tfma.load_metrics(str(folder / "out"))
        for key in record.slice_key.single_slice_keys
    }


def row_by_row(task: str, rows: list[Any]) -> dict[str, float]:
    """TFMA's own adding, of rows in the types in which a model hands them on."""
    config = judged_by(task)
    label_dtype = np.float32 if task == "regression" else np.int64
    values: dict[str, float] = {}
    for computation in metric_specs.to_computations(config.metrics_specs, eval_config=config):
        combiner = computation.combiner
        combiner.setup()
        bundles = []
        for number in range(min(BATCHES, len(rows))):
            bundle = combiner.create_accumulator()
            for label, prediction in rows[number::BATCHES]:
                extracts = {
                    tfma.LABELS_KEY: np.array([label], label_dtype),
                    tfma.PREDICTIONS_KEY: np.atleast_1d(np.array(prediction, np.float32)),
                }
                bundle = combiner.add_input(bundle, metric_types.StandardMetricInputs(extracts))
            bundles.append(bundle)
        output = combiner.extract_output(combiner.merge_accumulators(iter(bundles)))
        values |= {key.name: float(value) for key, value in output.items()}
    return values


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, dict[str, float]]]:
    results = {task: of_columns(task, tmp_path_factory.mktemp(task)) for task in TASKS}
    return lambda task: results[task]


@pytest.mark.parametrize(("task", "case"), [(task, case) for task, cases in TASKS.items() for case in cases])
def test_columns_give_what_rows_give(found: Callable[[str], Any], task: str, case: str) -> None:
    expected = row_by_row(task, TASKS[task][case])
    assert expected.keys() == {*METRICS[task], "example_count"}
    assert found(task)[case] == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize(
    ("task", "case", "expected"),
    [
        ("regression", "one row", {"rmse": 0.5, "mae": 0.5, "squared_correlation": math.nan, "example_count": 1}),
        ("regression", "constant label", {"rmse": 1.0897247, "mae": 0.875, "squared_correlation": math.nan}),
        ("regression", "constant prediction", {"mae": 2.25, "squared_correlation": math.nan}),
        # Mean absolute error leaves such a row out, the others do not.
        ("regression", "no prediction", {"rmse": math.nan, "mae": 0.5 / 3, "squared_correlation": math.nan}),
        ("multiclass", "one row", {"accuracy": 0, "log_loss": -math.log(0.3), "example_count": 1}),
        ("multiclass", "tie", {"accuracy": 0.5, "log_loss": -math.log(0.4)}),  # the first class wins
        ("multiclass", "sure and right", {"accuracy": 1, "log_loss": 0}),
        ("multiclass", "sure and wrong", {"accuracy": 0, "log_loss": -math.log(1e-7)}),  # bounded, by Keras
    ],
)
def test_what_the_cases_are_worth(
    found: Callable[[str], Any], task: str, case: str, expected: dict[str, float]
) -> None:
    values = {name: found(task)[case][name] for name in expected}
    assert values == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)
