"""A graph that was written anew, as a cluster has it done that has lost a worker, is loaded anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils.shared import Shared
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.beam.tft_beam_io import transform_fn_io
from tfx_bsl.tfxio import tf_example_record

from pipeline.beam import arguments as runners
from pipeline.patches.reloaded_graph import ApplyGraph

SCHEMA = schema_pb2.Schema()
FEATURE = SCHEMA.feature.add(name="x", type=schema_pb2.FLOAT, presence={"min_fraction": 1.0}, shape={})


def less_its_mean(inputs: dict[str, Any]) -> dict[str, Any]:
    import tensorflow_transform as tft

    return {"x": inputs["x"] - tft.mean(inputs["x"])}


def batch(*values: float) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([[value] for value in values], pa.large_list(pa.float32()))], ["x"])


def written(folder: Path, config: Any, *values: float) -> str:
    """The folder of a graph that TFT learned from the values."""
    with (
        beam.Pipeline(options=PipelineOptions(list(runners.DIRECT))) as pipeline,
        tft_beam.Context(str(folder / "temporary")),
    ):
        rows = pipeline | beam.Create([batch(*values)])
        graph = (rows, config) | tft_beam.AnalyzeDataset(less_its_mean)
        _ = graph | transform_fn_io.WriteTransformFn(str(folder))
    return str(folder / "transform_fn")


@pytest.fixture
def graphs(tmp_path: Path) -> tuple[Any, str, str]:
    """How rows become tensors, and the folders of two graphs: less 2, and less 10."""
    config = tf_example_record.TFExampleRecord("none", schema=SCHEMA).TensorAdapterConfig()
    return config, written(tmp_path / "one", config, 1, 2, 3), written(tmp_path / "other", config, 9, 10, 11)


def outputs(of: Any, graph: str) -> list[float]:
    (result,) = of.process(batch(20, 30), graph)
    return [float(value) for value in result["x"]]


def test_each_batch_goes_through_the_graph_that_comes_with_it(graphs: tuple[Any, str, str]) -> None:
    config, one, other = graphs
    shared = Shared()

    def worker() -> ApplyGraph:
        made = ApplyGraph(None, shared, set(), use_tf_compat_v1=False, input_tensor_adapter_config=config)
        made.setup()
        return made

    first, second = worker(), worker()
    assert outputs(first, one) == [18, 28]
    assert outputs(second, other) == [10, 20]  # another of the same process, for which the first one is kept
    assert outputs(first, other) == [10, 20]


def test_tft_still_fails_on_a_graph_of_another_name(graphs: tuple[Any, str, str]) -> None:
    config, one, other = graphs
    (of_tft,) = ApplyGraph.__bases__
    worker = of_tft(None, Shared(), set(), use_tf_compat_v1=False, input_tensor_adapter_config=config)
    worker.setup()
    assert outputs(worker, one) == [18, 28]
    with pytest.raises(AssertionError):
        outputs(worker, other)
