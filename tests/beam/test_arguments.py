"""Which runner does the data work of a step, what Beam is told, and what is refused before anything begins."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.beam import arguments, job_servers
from pipeline.config.loading import REFERENCE, load
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import ConfigError, JobError
from tests.stand_ins.programs import free_ports

VERTEX = {
    "project": "my-project",
    "region": "us-central1",
    "root": "gs://my-bucket/longhaul",
    "image": "us-docker.pkg.dev/my-project/repo/longhaul:1",
    "labels": {"team": "flights"},
}
DIRECT = ["--runner=FnApiRunner", "--sdk_container_image=unused"]


def configured(folder: Path, **settings: Any) -> PipelineConfig:
    """The reference with a section `beam`, in a file of its own."""
    document = yaml.safe_load(REFERENCE.read_text()) | {"beam": settings, "vertex": VERTEX}
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return load(file, workspace=str(folder / "workspace"))


def flink(**changes: Any) -> dict[str, Any]:
    known = {"master": "flink:8081", "job_endpoint": "flink:8099"} | changes
    return {name: value for name, value in known.items() if value is not None}


def refusal(config: PipelineConfig) -> tuple[str, str]:
    with pytest.raises(ConfigError) as refused:
        job_servers.check(config.beam, config.file)
    assert not config.root.exists()
    return refused.value.what, refused.value.remedy


def closed() -> str:
    return f"localhost:{free_ports(1)[0]}"


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """An address where every question gets this answer."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("localhost", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def overview(slots: int) -> bytes:
    return json.dumps({"taskmanagers": slots, "slots-total": slots, "flink-version": "1.19.0"}).encode()


def jar(folder: Path) -> str:
    with zipfile.ZipFile(folder / "job-server.jar", "w") as file:
        file.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n\r\n")
    return str(folder / "job-server.jar")


def java(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    """A Java that can only tell its version."""
    program = folder / "jdk" / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(folder / "jdk"))


def test_without_settings_the_work_is_done_in_this_process(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert arguments.arguments(config.beam, config.vertex, "Transform", {}) == DIRECT
    job_servers.check(config.beam, config.file)


def test_flink_is_asked_through_its_job_server(tmp_path: Path) -> None:
    options = {"object_reuse": True, "extra_package": ["a", "b"]}
    settings = flink(parallelism=4, worker_pool="localhost:50001", options=options)
    config = configured(tmp_path, runner="flink", flink=settings)
    assert arguments.arguments(config.beam, config.vertex, "Transform", {"flink": "flink:8099"}) == [
        "--runner=FlinkRunner", "--flink_master=flink:8081", "--job_endpoint=flink:8099",
        "--environment_type=EXTERNAL", "--environment_config=localhost:50001", "--environment_cache_millis=60000",
        "--sdk_container_image=unused", "--parallelism=4", "--object_reuse", "--extra_package=a", "--extra_package=b",
    ]  # fmt: skip


def test_a_step_may_have_its_own_runner_and_options(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        runner="flink",
        flink=flink(options={"object_reuse": True, "max_parallelism": 8}),
        steps={
            "Evaluator": {"runner": "direct"},
            "Transform": {"options": {"max_parallelism": 2, "object_reuse": False}},
        },
    )
    assert arguments.arguments(config.beam, config.vertex, "Evaluator", {}) == DIRECT
    assert arguments.arguments(config.beam, config.vertex, "Transform", {"flink": "x:1"})[-1:] == [
        "--max_parallelism=2"
    ]
    assert arguments.arguments(config.beam, config.vertex, "StatisticsGen", {"flink": "x:1"})[-2:] == [
        "--object_reuse",
        "--max_parallelism=8",
    ]
    assert arguments.runners(config.beam) == {"flink", "direct"}


def test_the_command_line_wins_over_the_file_but_not_over_its_steps(tmp_path: Path) -> None:
    config = configured(tmp_path, runner="flink", flink=flink(), steps={"Evaluator": {"runner": "flink"}})
    chosen = arguments.with_runner(config, "direct")
    assert arguments.runner_of(chosen.beam, "Transform") == "direct"
    assert arguments.runner_of(chosen.beam, "Evaluator") == "flink"
    assert arguments.with_runner(config, None) is config


def test_dataflow_takes_from_vertex_what_is_not_said(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        runner="dataflow",
        dataflow={"machine_type": "n2-standard-4", "max_workers": 20, "public_ips": False},
        steps={"Evaluator": {"options": {"worker_machine_type": "n2-highmem-4"}}},
    )
    arguments.check(config.beam, config.file, on_vertex=True)
    assert arguments.arguments(config.beam, config.vertex, "Evaluator", {}) == [
        "--runner=DataflowRunner", "--project=my-project", "--region=us-central1",
        "--temp_location=gs://my-bucket/longhaul/dataflow",
        "--sdk_container_image=us-docker.pkg.dev/my-project/repo/longhaul:1", "--sdk_location=container",
        "--worker_machine_type=n2-standard-4", "--max_num_workers=20", "--no_use_public_ips", "--label=team=flights",
        "--worker_machine_type=n2-highmem-4",
    ]  # fmt: skip
    assert (
        arguments.arguments(config.beam, config.vertex, "TableExampleGen", {}) == DIRECT
    )  # it reads the mount of Cloud Storage
    config = configured(tmp_path, runner="dataflow", dataflow={"setup_file": "/longhaul/setup.py"})
    assert "--setup_file=/longhaul/setup.py" in arguments.arguments(config.beam, config.vertex, "Transform", {})
    assert not [
        flag for flag in arguments.arguments(config.beam, config.vertex, "Transform", {}) if "container" in flag
    ]


def test_dataflow_cannot_read_this_machine(tmp_path: Path) -> None:
    config = configured(tmp_path, steps={"Transform": {"runner": "dataflow"}})
    assert refusal(config) == (
        "beam: Dataflow's workers cannot read the workspace, which lies on this machine",
        "use it with --on vertex, whose artifacts lie in gs://; here take --beam direct, flink or spark",
    )
    config = configured(tmp_path, steps={"TableExampleGen": {"runner": "dataflow"}})
    assert refusal(config)[0].startswith("beam.steps.TableExampleGen.runner: Dataflow's workers do not have the mount")


def test_a_runner_without_settings_is_refused(tmp_path: Path) -> None:
    what, remedy = refusal(arguments.with_runner(configured(tmp_path), "spark"))
    assert what == f"{tmp_path / 'config.yaml'}: there is no section beam.spark"
    assert remedy.startswith("add it: beam.spark.master, and job_endpoint or job_server_jar")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"runner": "samza"}, "beam.runner: Input should be 'direct', 'flink', 'spark' or 'dataflow'"),
        ({"flink": {"master": "flink:8081"}}, "beam.flink: give job_endpoint or job_server_jar, one of them"),
        ({"flink": flink(job_server_jar="x.jar")}, "beam.flink: give job_endpoint or job_server_jar, one of them"),
        ({"flink": flink(job_endpoint="flink")}, "beam.flink.job_endpoint: String should match pattern"),
        ({"flink": flink(paralelism=2)}, "beam.flink.paralelism: unknown key; did you mean 'parallelism'?"),
        ({"dataflow": {"image": VERTEX["image"], "setup_file": "a"}}, "beam.dataflow: give image or setup_file"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, settings: Any, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        configured(tmp_path, **settings)
    assert complaint in refused.value.what


def test_a_flink_that_does_not_answer(tmp_path: Path) -> None:
    master = closed()
    what, remedy = refusal(configured(tmp_path, runner="flink", flink=flink(master=master)))
    assert what == f"beam.flink.master: {master} does not answer ([Errno 111] Connection refused)"
    assert remedy == "start the cluster, or give host:port of its REST service (rest.port, 8081 by default)"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"<html>", "answers, but not as Flink does"),
        (b"[]", "answers, but not as Flink does"),
        (overview(0), "has no task managers"),
    ],
)
def test_what_answers_must_be_a_flink_that_can_work(tmp_path: Path, body: bytes, complaint: str) -> None:
    with answering(body) as master:
        what, remedy = refusal(configured(tmp_path, runner="flink", flink=flink(master=master)))
    assert what == f"beam.flink.master: {master} {complaint}"
    assert remedy


def test_a_job_server_or_a_pool_that_is_not_there(tmp_path: Path) -> None:
    nobody = closed()
    with answering(overview(2)) as master:
        config = configured(tmp_path, runner="flink", flink=flink(master=master, job_endpoint=nobody))
        assert refusal(config) == (
            f"beam.flink.job_endpoint: nobody answers at {nobody}", "start Beam's job server for Flink there",
        )  # fmt: skip
        config = configured(
            tmp_path, runner="flink", flink=flink(master=master, job_endpoint=master, worker_pool=nobody)
        )
        what, remedy = refusal(config)
    assert what == f"beam.flink.worker_pool: nobody answers at {nobody}"
    assert remedy == f"`python -m pipeline.beam.worker_pool --port {nobody.partition(':')[2]}` starts it"


def test_a_jar_that_is_not_there_or_is_none(tmp_path: Path) -> None:
    with answering(overview(2)) as master:
        settings = flink(master=master, job_endpoint=None, job_server_jar="beam.jar")
        config = configured(tmp_path, runner="flink", flink=settings)
        assert refusal(config)[0] == f"beam.flink.job_server_jar: {tmp_path / 'beam.jar'} is not there"
        (tmp_path / "beam.jar").write_text("<html>not found</html>")
        what, remedy = refusal(config)
    assert what == f"beam.flink.job_server_jar: {tmp_path / 'beam.jar'} is no jar"
    assert remedy.startswith("fetch beam-runners-flink-")


@pytest.mark.parametrize(
    ("runner", "says", "found", "works"),
    [
        ("flink", 'openjdk version "1.8.0_402"', 8, "11 to 21"),
        ("flink", 'openjdk version "25" 2025-09-16', 25, "11 to 21"),
        ("spark", 'openjdk version "21.0.2" 2024-01-16', 21, "8 to 17"),
        ("spark", "Segmentation fault", "of an unknown version", "8 to 17"),
    ],
)
def test_a_java_of_the_wrong_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: str, says: str, found: Any, works: str
) -> None:
    java(tmp_path, monkeypatch, says)
    with answering(overview(2)) as master:
        settings = flink(master=master, job_endpoint=None, job_server_jar=jar(tmp_path), worker_pool=master)
        what, remedy = refusal(configured(tmp_path, runner=runner, **{runner: settings}))
    assert what == (
        f"beam.{runner}.job_server_jar: {tmp_path}/jdk/bin/java is Java {found}; Beam's job server for"
        f" {runner.title()} runs on Java {works}"
    )
    assert remedy == "install Java 17 and let JAVA_HOME name its folder"


def test_without_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    settings = flink(master="local[2]", job_endpoint=None, job_server_jar=jar(tmp_path))
    what, remedy = refusal(configured(tmp_path, runner="spark", spark=settings))
    assert what == "beam.spark.job_server_jar: there is no Java on the PATH"
    assert remedy.startswith("install Java 17")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert refusal(configured(tmp_path, runner="spark", spark=settings))[0].endswith(f"in JAVA_HOME {tmp_path}")


def test_a_job_server_that_does_not_start_tells_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java(tmp_path, monkeypatch, "no main manifest attribute, in job-server.jar")
    settings = flink(job_endpoint=None, job_server_jar=jar(tmp_path))
    config = configured(tmp_path, runner="flink", flink=settings)
    with pytest.raises(ConfigError) as refused, job_servers.job_servers(config.beam, config.file, tmp_path / "logs"):
        pass
    assert refused.value.what == (
        "beam.flink.job_server_jar: the job server does not start: no main manifest attribute, in job-server.jar"
    )
    assert str(tmp_path / "logs" / "job-server-flink.log") in refused.value.remedy


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Pipeline x failed in state FAILED: java.io.IOException: Insufficient\nnetwork buffers", JobError),
        ("Pipeline x failed in state FAILED: Error received from SDK harness: KeyError", RuntimeError),
        ("something else", RuntimeError),
    ],
)
def test_a_cluster_that_gives_up_is_told_from_a_bug_of_ours(tmp_path: Path, said: str, kind: type[Exception]) -> None:
    config = configured(tmp_path, runner="flink", flink=flink())
    with pytest.raises(kind) as failed, job_servers.job_servers(config.beam, config.file, tmp_path):
        raise RuntimeError(said)
    if isinstance(failed.value, JobError):
        assert failed.value.what == "the cluster gave the work up: java.io.IOException: Insufficient network buffers"


@pytest.mark.slow
def test_options_that_beam_does_not_know_or_cannot_read(tmp_path: Path) -> None:
    def complaint(**settings: Any) -> tuple[str, str]:
        with pytest.raises(ConfigError) as refused:
            job_servers.check_options(configured(tmp_path, runner="dataflow", **settings).beam, {})
        return refused.value.what, refused.value.remedy

    assert complaint(dataflow={"options": {"max_num_worker": 3}}) == (
        "beam.dataflow.options: Beam knows no option 'max_num_worker' for dataflow", "did you mean 'max_num_workers'?",
    )  # fmt: skip
    assert complaint(steps={"Transform": {"options": {"disk_size_gb": "big"}}}) == (
        "beam.steps.Transform.options: argument --disk_size_gb: invalid int value: 'big'", "correct the value",
    )  # fmt: skip
    job_servers.check_options(
        configured(tmp_path, runner="dataflow", dataflow={"options": {"experiments": ["a", "b"]}}).beam, {}
    )
