"""Stock TFX components that read Longhaul's Parquet examples.

Their executors are stock; importing this module, here or in a remote container, teaches TFX to read
row groups (pipeline.data.parquet_tfxio).
"""

from __future__ import annotations

from tfx.components.statistics_gen import component as statistics_gen
from tfx.components.statistics_gen import executor as statistics_executor
from tfx.components.transform import component as transform
from tfx.components.transform import executor as transform_executor
from tfx.dsl.components.base import executor_spec

from pipeline.data import parquet_tfxio

parquet_tfxio.install()


class StatisticsExecutor(statistics_executor.Executor):
    """TFDV statistics of every split."""


class TransformExecutor(transform_executor.Executor):
    """TFT's analysis of the training split."""


class StatisticsGen(statistics_gen.StatisticsGen):
    """StatisticsGen on record batches."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(StatisticsExecutor)


class Transform(transform.Transform):
    """Transform on record batches."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(TransformExecutor)
