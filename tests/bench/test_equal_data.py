"""Statistics, anomalies and transformed values on Longhaul's data path, against stock TFX on the same real flights.

Stock components read tf.Examples that TensorFlow wrote; ours read Parquet row groups. Two runs serve all tests.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx import components as stock
from tfx.dsl.components.common.importer import Importer
from tfx.types import standard_artifacts

from bench.equal import Statistics, differences
from pipeline.components.example_validator import ExampleValidator
from pipeline.components.statistics_gen import StatisticsGen
from pipeline.components.transform import Transform
from pipeline.config.loading import load
from pipeline.contract.schema import feature_table, read_schema
from trainer import words_file
from trainer.features import Kind
from trainer.preprocessing import NUMERIC
from trainer.reading import read_transformed

pytestmark = pytest.mark.slow

CONFIG = load()
TABLE = feature_table(CONFIG, read_schema(CONFIG.schema_file))
QUANTILE_ERROR = 0.01
"""tfdv.StatsOptions.epsilon."""


@pytest.fixture(scope="session")
def examples(flights: dict[str, pa.Table], write_examples: Callable[..., dict[str, Path]]) -> dict[str, Path]:
    return write_examples(flights)


@pytest.fixture(scope="session")
def artifacts(
    examples: dict[str, Path],
    run_both: Callable[..., dict[str, Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """Artifact folders of statistics, validation and transform, by side."""
    folder = tmp_path_factory.mktemp("schema")
    (folder / "schema.pbtxt").write_text(text_format.MessageToString(too_strict()))

    def wire(side: str, examples: Any) -> list[Any]:
        ours = side == "longhaul"
        statistics_gen = (StatisticsGen if ours else stock.StatisticsGen)(examples=examples)
        schema = Importer(str(folder), standard_artifacts.Schema).with_id("Schema")
        validator = (ExampleValidator if ours else stock.ExampleValidator)(
            statistics=statistics_gen.outputs["statistics"], schema=schema.outputs["result"]
        )
        transform = (Transform if ours else stock.Transform)(
            examples=examples,
            schema=schema.outputs["result"],
            preprocessing_fn="trainer.preprocessing.preprocessing_fn",
            custom_config={"features": TABLE.to_dict()},
            materialize=False,
            disable_statistics=True,
        )
        return [statistics_gen, schema, validator, transform]

    return run_both(examples, wire)


def too_strict() -> schema_pb2.Schema:
    """The flights' schema, broken in four ways that real flights are not."""
    schema = copy.deepcopy(read_schema(CONFIG.schema_file))
    features = {feature.name: feature for feature in schema.feature}
    features["temp_f"].float_domain.max = 70.0
    features["wind_gust_mph"].presence.min_fraction = 0.9
    features["month"].int_domain.max = 6
    next(domain for domain in schema.string_domain if domain.name == "carrier").value.remove("UA")
    return schema


def statistics(folder: Path, split: str) -> Statistics:
    (file,) = folder.glob(f"StatisticsGen/statistics/*/Split-{split}/FeatureStats.pb")
    return Statistics.FromString(file.read_bytes())


@pytest.mark.parametrize("split", ["train", "eval"])
def test_statistics_are_equal(artifacts: dict[str, Path], flights: dict[str, pa.Table], split: str) -> None:
    ours, stock = (statistics(artifacts[side], split) for side in ("longhaul", "stock"))
    assert differences(ours, stock) == []
    assert ours.datasets[0].num_examples == flights[split].num_rows
    assert {feature.path.step[0] for feature in ours.datasets[0].features} == set(flights[split].column_names)


@pytest.mark.parametrize("side", ["longhaul", "stock"])
def test_quantiles_are_within_their_error(artifacts: dict[str, Path], flights: dict[str, pa.Table], side: str) -> None:
    checked = 0
    for feature in statistics(artifacts[side], "train").datasets[0].features:
        values = flights["train"][feature.path.step[0]].drop_null()
        for histogram in feature.num_stats.histograms:
            if histogram.type != histogram.QUANTILES:
                continue
            values = np.sort(values.to_numpy())
            for index, bucket in enumerate(histogram.buckets, start=1):
                # The share of values below and up to a bound must enclose the share that the bound stands for.
                below, up_to = (
                    np.searchsorted(values, np.float32(bucket.high_value), side) / len(values)
                    for side in ("left", "right")
                )
                share = index / len(histogram.buckets)
                assert below - QUANTILE_ERROR <= share <= up_to + QUANTILE_ERROR, (feature.path.step[0], bucket)
                checked += 1
    assert checked == 10 * sum(pa.types.is_integer(t) or pa.types.is_floating(t) for t in flights["train"].schema.types)


def test_a_difference_in_one_cell_is_seen(artifacts: dict[str, Path]) -> None:
    ours = statistics(artifacts["longhaul"], "train")
    changed = copy.deepcopy(ours)
    feature = next(f for f in changed.datasets[0].features if f.path.step[0] == "carrier")
    feature.string_stats.top_values[0].frequency += 1
    assert [line.partition(":")[0] for line in differences(ours, changed)] == [
        "/columns/carrier/stringStats/topValues/0/frequency"
    ]


def test_anomalies_are_equal(artifacts: dict[str, Path]) -> None:
    found = {}
    for side, folder in artifacts.items():
        (file,) = folder.glob("ExampleValidator/anomalies/*/Split-train/SchemaDiff.pb")
        found[side] = anomalies_pb2.Anomalies.FromString(file.read_bytes())
    assert found["longhaul"] == found["stock"]
    assert set(found["stock"].anomaly_info) == {"carrier", "month", "temp_f", "wind_gust_mph"}


@pytest.fixture(scope="session")
def transforms(artifacts: dict[str, Path]) -> dict[str, tft.TFTransformOutput]:
    return {
        side: tft.TFTransformOutput(str(next(folder.glob("Transform/transform_graph/*"))))
        for side, folder in artifacts.items()
    }


def test_vocabularies_are_equal(transforms: dict[str, tft.TFTransformOutput]) -> None:
    names = [feature.name for feature in TABLE.of(Kind.CATEGORICAL)]
    # Against TFT's own analyzer: tests/trainer/test_vocabularies.py.
    ours, theirs = (words_file.read(transforms[side], names) for side in ("longhaul", "stock"))
    assert ours == theirs
    assert min(map(len, ours)) > 1


@pytest.mark.parametrize("split", ["train", "eval"])
def test_transformed_values_are_equal(
    transforms: dict[str, tft.TFTransformOutput], examples: dict[str, Path], split: str
) -> None:
    """Our graph fed as our trainer feeds it; stock's graph fed with parsed tf.Examples."""
    ours = read_transformed(
        [str(examples["longhaul"] / f"Split-{split}" / "*")], TABLE, transforms["longhaul"].transform_features_layer()
    )
    files = sorted(str(path) for path in (examples["stock"] / f"Split-{split}").iterdir())
    records = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
    raw = tf.io.parse_example(records, transforms["stock"].raw_feature_spec())
    stock = transforms["stock"].transform_features_layer()(raw)
    assert ours.keys() == stock.keys()
    for name, values in ours.items():
        np.testing.assert_allclose(values, stock[name].numpy(), rtol=0, atol=1e-6, err_msg=name)
    assert np.std(ours[NUMERIC], axis=0).min() > 0
