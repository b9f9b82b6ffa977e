"""Each patch does what it says, and what it replaces is as it was when the patch was written: else it may go."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.components.util import examples_utils, tfxio_utils
from tfx.orchestration import metadata
from tfx.orchestration.portable import cache_utils
from tfx.orchestration.portable.input_resolution import channel_resolver
from tfx.orchestration.portable.mlmd import context_lib, execution_lib
from tfx.proto import example_gen_pb2
from tfx.proto.orchestration import executable_spec_pb2, pipeline_pb2
from tfx.types import standard_artifacts
from tfx_bsl.tfxio import parquet_tfxio
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from pipeline.data.row_groups import RowGroupTFXIO
from pipeline.patches import cache_key, resolution, row_groups
from pipeline.patches.install import LAUNCHER, install_patches
from tests.patches.untouched import untouched

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def patched_after(*statements: str) -> list[list[bool]]:
    """Whether each function is patched after each statement alone, in a process that has imported no module of ours."""
    asked = f"""
import json
import os
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core
from tensorflow_data_validation.utils import quantiles_util
from tensorflow_transform.beam import impl
from tfx.components.util import tfxio_utils
from tfx.orchestration.portable import cache_utils
from tfx.orchestration.portable.input_resolution import channel_resolver
for statement in {statements!r}:
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
        continue
    exec(statement)
    found = (
        quantiles_util._get_bin_weights, quantiles_util.generate_equi_width_histogram, impl._RunMetaGraphDoFn,
        tfxio_utils.make_tfxio, cache_utils.get_cache_context, channel_resolver._get_executions_by_all_contexts,
        channel_resolver.resolve_single_channel, core.get_function_args_defaults, PipelineOptions.view_as,
    )
    print(json.dumps([one.__module__.startswith("pipeline.patches.") for one in found]), flush=True)
    os._exit(0)
"""
    out = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()[-len(statements) :]]


def test_nothing_is_patched_at_import_and_all_by_the_one_call_of_the_process_that_launches() -> None:
    modules = (
        *("components.statistics_gen", "components.transform", "components.evaluator", "components.data_gate"),
        *("data.table_statistics", "runners.local.run", "runners.vertex.container", "patches.install"),
    )
    call = "from pipeline.patches.install import LAUNCHER, install_patches\ninstall_patches(LAUNCHER)"
    stock = "from pipeline.components import SchemaGen"
    submodule = "from pipeline.components import analyzer_cache"
    imports = "\n".join(f"import pipeline.{module}" for module in modules)
    imported, called, of_stock, of_submodule = patched_after(imports, call, stock, submodule)
    assert not any([*imported, *of_submodule])
    assert all(called)
    # A pipeline of anybody's: what makes Beam and TFDV faster, nothing that reads, caches or resolves in another way.
    assert of_stock == [True, True, False, False, False, False, False, True, True]


def test_a_worker_that_counts_is_patched() -> None:
    """The function that sums up is all that a worker of a cluster is sent, by the name of its class."""
    from tensorflow_data_validation.utils import quantiles_util

    from pipeline.components.statistics_gen import _SumUp
    from pipeline.patches import histograms

    before = quantiles_util.generate_equi_width_histogram
    quantiles_util.generate_equi_width_histogram = None
    try:
        _SumUp(None).setup()
        assert quantiles_util.generate_equi_width_histogram is histograms.equi_width_histogram
    finally:
        quantiles_util.generate_equi_width_histogram = before


# row_groups


def examples_artifact(payload_format: int) -> standard_artifacts.Examples:
    artifact = standard_artifacts.Examples()
    artifact.uri = "/nowhere"
    examples_utils.set_payload_format(artifact, payload_format)
    return artifact


def test_stock_components_read_row_groups_of_parquet_and_all_else_as_before() -> None:
    install_patches(LAUNCHER)
    for payload_format, expected in (
        (example_gen_pb2.FORMAT_PARQUET, RowGroupTFXIO),
        (example_gen_pb2.FORMAT_TF_EXAMPLE, TFExampleRecord),
    ):
        factory = tfxio_utils.get_tfxio_factory_from_artifact([examples_artifact(payload_format)], [])
        assert type(factory("/nowhere/*")) is expected


def test_tfx_still_holds_a_closed_list_of_readers() -> None:
    stock = untouched(tfxio_utils).make_tfxio
    assert type(stock("/nowhere/*", [], example_gen_pb2.FORMAT_PARQUET)) is parquet_tfxio.ParquetTFXIO
    ours, theirs = (inspect.signature(function).parameters for function in (row_groups.make_tfxio, stock))
    assert [(p.name, p.kind, p.default) for p in ours.values()] == [
        (p.name, p.kind, p.default) for p in theirs.values()
    ]


# resolution


@pytest.fixture
def store() -> Any:
    """Two runs of a pipeline `p`, each with a model by Trainer, and a third model that is gone."""
    with metadata.Metadata(metadata_store_pb2.ConnectionConfig(fake_database={})) as handle:
        for number in (1, 2):
            contexts = [
                context_lib.register_context_if_not_exists(handle, kind, name)
                for kind, name in (("pipeline", "p"), ("pipeline_run", f"run-{number}"), ("node", "p.Trainer"))
            ]
            models = [standard_artifacts.Model() for _ in range(number)]
            for model in models:
                model.uri = f"/models/{number}/{len(models)}"
            kind = metadata_store_pb2.ExecutionType(name="Trainer")
            execution = execution_lib.prepare_execution(handle, kind, metadata_store_pb2.Execution.COMPLETE)
            execution_lib.put_execution(handle, execution, contexts, output_artifacts={"model": models})
        (gone, *_) = handle.store.get_artifacts_by_uri("/models/2/2")
        gone.state = metadata_store_pb2.Artifact.DELETED
        handle.store.put_artifacts([gone])
        yield handle


@pytest.mark.parametrize(
    "queries",
    [
        {"pipeline": "p"},
        {"pipeline": "p", "node": "p.Trainer"},
        {"pipeline": "p", "pipeline_run": "run-1"},
        {"pipeline": "q"},
    ],
    ids=["any step", "one step", "one run", "unknown"],
)
@pytest.mark.parametrize("key", ["", "model", "examples"])
def test_a_query_finds_the_inputs_that_tfx_finds(store: Any, queries: dict[str, str], key: str) -> None:
    install_patches(LAUNCHER)
    channel = pipeline_pb2.InputSpec.Channel(output_key=key)
    channel.artifact_query.type.name = "Model"
    for kind, name in queries.items():
        query = channel.context_queries.add()
        query.type.name, query.name.field_value.string_value = kind, name
    ours, theirs = (
        sorted(artifact.id for artifact in resolver.resolve_single_channel(store, channel))
        for resolver in (channel_resolver, untouched(channel_resolver))
    )
    assert ours == theirs
    assert channel_resolver.resolve_single_channel is not resolution._of_tfx


def test_tfx_still_reads_all_executions() -> None:
    assert "TODO(b/234806996): Migrate to MLMD filter query" in inspect.getsource(untouched(channel_resolver))


# cache_key


def key_of(get_cache_context: Any, handle: Any, argument: str) -> str:
    beam = executable_spec_pb2.BeamExecutableSpec(beam_pipeline_args=[argument])
    beam.python_executor_spec.class_path = "some.Executor"
    return get_cache_context(
        metadata_handle=handle,
        pipeline_node=pipeline_pb2.PipelineNode(),
        pipeline_info=pipeline_pb2.PipelineInfo(id="p"),
        executor_spec=beam,
    ).name


def test_a_step_is_known_again_whichever_port_the_job_server_has(store: Any) -> None:
    install_patches(LAUNCHER)
    one, other = (key_of(cache_utils.get_cache_context, store, f"--job_endpoint=localhost:{port}") for port in (1, 2))
    assert one == other


def test_tfx_still_counts_beams_arguments(store: Any) -> None:
    assert key_of(cache_key._of_tfx, store, "--port=1") != key_of(cache_key._of_tfx, store, "--port=2")


# container


def test_tfx_still_takes_the_name_of_a_type_for_a_path() -> None:
    from kfp.pipeline_spec import pipeline_spec_pb2
    from tfx.orchestration.kubeflow.v2 import compiler_utils
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils

    from pipeline.components.data_gate import DataVerdict
    from pipeline.patches import container

    told = pipeline_spec_pb2.RuntimeArtifact(uri="/somewhere")
    told.type.instance_schema = compiler_utils.get_artifact_schema(DataVerdict)

    def found() -> str:
        listed = {"verdict": pipeline_spec_pb2.ArtifactList(artifacts=[told])}
        ((artifact,),) = kubeflow_v2_entrypoint_utils.parse_raw_artifact_dict(listed, {"": 1}).values()
        return type(artifact).__name__

    with pytest.raises(Exception, match="longhaul"):
        found()
    container.install()
    assert found() == "DataVerdict"
