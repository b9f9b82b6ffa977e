"""The request that Dataflow would get, built by Beam's own client: offline, nothing sent."""

from __future__ import annotations

import json
import shutil
import socket
import tarfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.beam import arguments
from tests.beam.test_arguments import configured

pytestmark = pytest.mark.slow


@pytest.fixture
def request_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`request_of(**dataflow)`: the job of StatisticsGen, as JSON, and the folder where files are staged."""
    import apache_beam
    from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, TestOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner
    from tfx.types import standard_artifacts

    from pipeline.components.statistics_gen import Executor
    from pipeline.patches.install import LAUNCHER, install_patches

    def no_network(*_: Any, **__: Any) -> Any:
        raise AssertionError("the request asks for the network")

    def build(**dataflow: Any) -> tuple[dict[str, Any], Path]:
        examples, statistics = standard_artifacts.Examples(), standard_artifacts.ExampleStatistics()
        examples.uri, examples.split_names = str(tmp_path / "examples"), '["train"]'
        examples.set_string_custom_property("payload_format", "FORMAT_PARQUET")
        statistics.uri = str(tmp_path / "statistics")
        (tmp_path / "examples" / "Split-train").mkdir(parents=True)
        pq.write_table(pa.table({"n": [1, 2, 3]}), tmp_path / "examples" / "Split-train" / "table.parquet")
        config = configured(tmp_path, runner="dataflow", dataflow=dataflow)
        arguments.check(config.beam, config.file, on_vertex=True)
        options = PipelineOptions([*arguments.arguments(config.beam, config.vertex, "StatisticsGen", {}), "--no_auth"])
        pipeline = apache_beam.Pipeline("FnApiRunner", options)  # Dataflow's would ask for the bucket at once
        install_patches(LAUNCHER)
        step = Executor()
        monkeypatch.setattr(step, "_make_beam_pipeline", lambda: nullcontext(pipeline))  # built, and not run
        step.Do({"examples": [examples]}, {"statistics": [statistics]}, {})
        staged = tmp_path / "staged"
        staged.mkdir()
        cloud, test = options.view_as(GoogleCloudOptions), options.view_as(TestOptions)
        test.dry_run = True  # the bucket is not looked at
        assert PipelineOptionsValidator(options, DataflowRunner()).validate() == []
        test.dry_run = False
        cloud.staging_location, cloud.template_location = str(staged), str(staged / "job.json")
        DataflowRunner().run_pipeline(pipeline, options)
        return json.loads((staged / "job.json").read_text()), staged

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    return build


def test_workers_get_the_image_the_machine_and_the_account(request_of: Any) -> None:
    from apache_beam.portability.api import beam_runner_api_pb2

    account, subnetwork = "worker@my-project.iam.gserviceaccount.com", "regions/us-central1/subnetworks/quiet"
    job, staged = request_of(
        machine_type="n2-standard-4",
        max_workers=20,
        disk_gb=50,
        service_account=account,
        subnetwork=subnetwork,
        public_ips=False,
    )
    image = "us-docker.pkg.dev/my-project/repo/longhaul:1"
    environment = job["environment"]
    (pool,) = environment["workerPools"]
    assert [found["containerImage"] for found in pool["sdkHarnessContainerImages"]] == [image]
    assert environment["serviceAccountEmail"] == account
    assert environment["tempStoragePrefix"].endswith("my-bucket/longhaul/dataflow")
    assert pool["machineType"] == "n2-standard-4"
    assert pool["diskSizeGb"] == 50
    assert pool["subnetwork"] == subnetwork
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 20
    assert pool["ipConfiguration"] in ("WORKER_IP_PRIVATE", 2)
    assert job["labels"]["team"] == "flights"
    # The pipeline itself: our step, in our image.
    pipeline = beam_runner_api_pb2.Pipeline.FromString((staged / "pipeline.pb").read_bytes())
    names = {transform.unique_name for transform in pipeline.components.transforms.values()}
    labels = ("ListRowGroups", "SpreadRowGroups", "CountRowGroup", "SumUp", "WriteStatistics")
    assert {label for label in labels if any(label in name for name in names)} == {*labels}
    images = {
        beam_runner_api_pb2.DockerPayload.FromString(found.payload).container_image
        for found in pipeline.components.environments.values()
    }
    assert images == {image}


def test_workers_of_beams_own_image_install_the_source(request_of: Any, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    source = tmp_path / "source"
    for room in ("pipeline", "trainer", "schema"):
        shutil.copytree(root / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("setup.py", "README.md"):
        shutil.copy(root / file, source)
    job, staged = request_of(setup_file=str(source / "setup.py"))
    (pool,) = job["environment"]["workerPools"]
    assert "workflow.tar.gz" in {Path(package["location"]).name for package in pool["packages"]}
    (package,) = staged.rglob("workflow.tar.gz")
    with tarfile.open(package) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "pipeline/beam/arguments.py", "trainer/preprocessing.py"} <= packed
