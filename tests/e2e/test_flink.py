"""The data work on a real Flink cluster of two task managers: the same outputs, also when one of them is killed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
import yaml

from pipeline.beam.job_servers import job_servers
from pipeline.config.loading import load
from pipeline.errors import ConfigError
from tests.e2e.clusters import assert_same_data, assert_same_evaluation, missing, small_flights
from tests.place import Command
from tests.stand_ins.flink import FlinkCluster

HOME = Path(os.environ.get("LONGHAUL_FLINK", "nowhere"))
MISSING = missing("LONGHAUL_FLINK", "flink")
pytestmark = [
    pytest.mark.extra,
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.in_order,
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkCluster]:
    with FlinkCluster(HOME, tmp_path_factory.mktemp("cluster") / "flink") as flink:
        yield flink


@pytest.fixture(scope="module")
def whole_run(
    cluster: FlinkCluster,
    small_pipeline: Callable[..., Path],
    longhaul: Command,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A configuration that knows the cluster, and whose pipeline has run without it."""
    beam = {"flink": cluster.settings | {"parallelism": 2}}
    file = small_flights(small_pipeline, tmp_path_factory.mktemp("flights"), beam)
    outcome = longhaul("run", "--config", file)
    assert outcome.code == 0, outcome.text
    return file


def jobs(cluster: FlinkCluster) -> dict[str, str]:
    """State by job."""
    return {job["jid"]: job["state"] for job in cluster.get("jobs/overview")["jobs"]}


def test_flink_measures_a_model_as_this_process_does(cluster: FlinkCluster, whole_run: Path, longhaul: Command) -> None:
    step = ("--from", "Evaluator", "--to", "Evaluator")
    outcome = longhaul("run", "--config", whole_run, "--beam", "flink", "--no-cache", *step)
    assert outcome.code == 0, outcome.text
    assert list(jobs(cluster).values()) == ["FINISHED"]
    assert_same_evaluation(whole_run)


def test_flink_reads_counts_and_learns_as_this_process_does_though_a_task_manager_dies(
    cluster: FlinkCluster, whole_run: Path, longhaul: Command
) -> None:
    known, killed = set(jobs(cluster)), []

    def kill_one_that_transforms() -> None:
        while not killed:
            with suppress(requests.RequestException):  # a busy machine keeps Flink from an answer now and then
                for job in jobs(cluster).keys() - known:
                    at_work = [vertex["name"] for vertex in cluster.get(f"jobs/{job}").get("vertices", ())
                               if vertex["status"] == "RUNNING"]  # fmt: skip
                    if any("ApplySavedModel" in name for name in at_work):
                        cluster.task_managers[0].kill()
                        killed.append(job)
            time.sleep(0.1)

    killer = threading.Thread(target=kill_one_that_transforms, daemon=True)
    killer.start()
    outcome = longhaul("run", "--config", whole_run, "--beam", "flink", "--no-cache", "--to", "Transform")
    assert outcome.code == 0, outcome.text
    killer.join(10)
    (job,) = killed
    assert cluster.task_managers[0].wait(10) == -9
    failures = cluster.get(f"jobs/{job}/exceptions")["exceptionHistory"]["entries"]
    assert failures, "the task manager had nothing to do"
    assert jobs(cluster)[job] == "FINISHED"
    assert_same_data(whole_run)


def test_an_option_that_neither_beam_nor_the_job_server_knows_is_refused(
    cluster: FlinkCluster, whole_run: Path, tmp_path: Path
) -> None:
    document = yaml.safe_load(whole_run.read_text())
    document["beam"] |= {"runner": "flink"}
    document["beam"]["flink"]["options"] = {"execution_retry_delay": 10}  # Flink's own; Python's Beam does not know it
    file = whole_run.parent / "options.yaml"
    file.write_text(yaml.safe_dump(document))
    with job_servers(load(file).beam, file, tmp_path) as endpoints:
        del document["beam"]["flink"]["job_server_jar"]
        document["beam"]["flink"] |= {"job_endpoint": endpoints["flink"], "options": {"execution_retry_delays": 10}}
        file.write_text(yaml.safe_dump(document))
        with pytest.raises(ConfigError) as refused, job_servers(load(file).beam, file, tmp_path):
            pass
    assert refused.value.what == "beam.flink.options: Beam knows no option 'execution_retry_delays' for flink"
    assert refused.value.remedy == "did you mean 'execution_retry_delay'?"
    cluster.programs.wait_until(lambda: cluster.slots() >= 2)
