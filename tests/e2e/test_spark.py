"""The data work on a real Spark cluster of two workers: the same outputs, also when one of them is killed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.clusters import assert_same_data, assert_same_evaluation, missing, small_flights
from tests.place import Command
from tests.stand_ins.spark import LOOPBACK, SparkCluster

HOME = Path(os.environ.get("LONGHAUL_SPARK", "nowhere"))
MISSING = missing("LONGHAUL_SPARK", "spark")
pytestmark = [
    pytest.mark.extra,
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.in_order,
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in LOOPBACK.items():
            patch.setenv(name, value)  # for the job server
        with SparkCluster(HOME, tmp_path_factory.mktemp("cluster") / "spark") as spark:
            yield spark


@pytest.fixture(scope="module")
def whole_run(
    cluster: SparkCluster,
    small_pipeline: Callable[..., Path],
    longhaul: Command,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A configuration that knows the cluster, and whose pipeline has run without it."""
    file = small_flights(small_pipeline, tmp_path_factory.mktemp("flights"), {"spark": cluster.settings})
    outcome = longhaul("run", "--config", file)
    assert outcome.code == 0, outcome.text
    return file


def test_spark_measures_a_model_as_this_process_does(cluster: SparkCluster, whole_run: Path, longhaul: Command) -> None:
    step = ("--from", "Evaluator", "--to", "Evaluator")
    outcome = longhaul("run", "--config", whole_run, "--beam", "spark", "--no-cache", *step)
    assert outcome.code == 0, outcome.text
    assert [job["state"] for job in cluster.told()["completedapps"]] == ["FINISHED"]
    assert_same_evaluation(whole_run)


def test_spark_reads_counts_and_learns_as_this_process_does_though_a_worker_dies(
    cluster: SparkCluster, whole_run: Path, longhaul: Command
) -> None:
    killed = threading.Event()

    def kill_one_at_work() -> None:
        while not cluster.kill_one_at_work():
            time.sleep(0.1)
        killed.set()

    killer = threading.Thread(target=kill_one_at_work, daemon=True)
    killer.start()
    outcome = longhaul("run", "--config", whole_run, "--beam", "spark", "--no-cache", "--to", "Transform")
    assert outcome.code == 0, outcome.text
    assert killed.is_set()
    log = (whole_run.parent / "workspace" / "logs" / "job-server-spark.log").read_text()
    assert "Lost executor" in log
    assert "Lost task" in log, "the executor had nothing to do"
    assert cluster.told()["aliveworkers"] == 1
    assert_same_data(whole_run)
