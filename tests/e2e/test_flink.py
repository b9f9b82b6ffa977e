"""The data work on a real Flink cluster of two task managers: the same outputs, also when one of them is killed."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.config import load
from pipeline.errors import ConfigError
from pipeline.runners.job_servers import job_servers
from tests.e2e.conftest import Outcome
from tests.stand_ins.flink import FlinkCluster, wait_until

HOME = Path(os.environ.get("LONGHAUL_FLINK", "nowhere"))
JAR = HOME / "job-server" / "job-server.jar"
WITHOUT = (
    f"there is no {JAR}; `tests/stand_ins/fetch_flink.sh FOLDER` fetches it, LONGHAUL_FLINK=FOLDER names it"
    if not JAR.exists()
    else "there is no Java on the PATH"
)
pytestmark = [
    pytest.mark.extra,
    pytest.mark.slow,
    pytest.mark.skipif(not JAR.exists() or not shutil.which("java"), reason=WITHOUT),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkCluster]:
    with FlinkCluster(HOME, tmp_path_factory.mktemp("cluster") / "flink") as flink:
        yield flink


@pytest.fixture(scope="module")
def whole_run(
    cluster: FlinkCluster,
    small_pipeline: Callable[..., Path],
    longhaul: Callable[..., Outcome],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A configuration that knows the cluster, and whose pipeline has run without it."""
    flink = {
        "master": cluster.rest, "job_server_jar": str(JAR), "worker_pool": cluster.worker_pool, "parallelism": 2,
    }  # fmt: skip
    evaluation = {"thresholds": {"auc": {"at_least": 0.0}}, "slices": [["carrier"]],
                  "explain": {"permutation_rows": 0, "rows": 0}}  # fmt: skip
    file = small_pipeline(
        tmp_path_factory.mktemp("flights"), "01", "02", "11", beam={"flink": flink}, evaluation=evaluation
    )
    outcome = longhaul("run", "--config", file)
    assert outcome.code == 0, outcome.text
    return file


def newest(file: Path, step: str, output: str, before: int = 0) -> Path:
    """What a step made last, or so many times before."""
    folders = sorted(
        (file.parent / "workspace" / "artifacts" / step / output).iterdir(), key=lambda path: int(path.name)
    )
    return folders[-1 - before]


def tables(examples: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        str(path.relative_to(examples)): pq.read_table(path).to_pylist() for path in sorted(examples.rglob("*.parquet"))
    }


def statistics(folder: Path) -> dict[str, tuple[list[str], list[float]]]:
    """Words and numbers of each text apart: who adds floats up in another order gets another last digit."""
    found = {}
    for path in sorted(folder.rglob("FeatureStats.pb")):
        words = str(statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())).split()
        numbers = [number(word) for word in words]
        found[str(path.relative_to(folder))] = (
            [word for word, value in zip(words, numbers, strict=True) if value is None],
            [value for value in numbers if value is not None],
        )
    return found


def number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def vocabularies(graph: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((graph / "transform_fn" / "assets").iterdir())}


def flat(verdict: dict[str, Any]) -> dict[str, Any]:
    """All that was measured, overall and of each slice: metrics and both ends of their intervals."""
    found = {}
    for part in (verdict, *verdict["slices"]):
        where = str(part.get("slice", ""))
        found |= {f"{where} {name}": value for name, value in part["metrics"].items()}
        for name, ends in part["intervals"].items():
            found |= {f"{where} {name} from": ends[0], f"{where} {name} to": ends[1]}
    return found


def jobs(cluster: FlinkCluster) -> dict[str, str]:
    """State by job."""
    return {job["jid"]: job["state"] for job in cluster.get("jobs/overview")["jobs"]}


def test_flink_measures_a_model_as_this_process_does(
    cluster: FlinkCluster, whole_run: Path, longhaul: Callable[..., Outcome]
) -> None:
    step = ("--from", "Evaluator", "--to", "Evaluator")
    outcome = longhaul("run", "--config", whole_run, "--beam", "flink", "--no-cache", *step)
    assert outcome.code == 0, outcome.text
    assert list(jobs(cluster).values()) == ["FINISHED"]
    here, there = (json.loads((newest(whole_run, "Evaluator", "evaluation", before) / "verdict.json").read_text())
                   for before in (1, 0))  # fmt: skip
    assert len(here["slices"]) > 5
    assert flat(there) == pytest.approx(flat(here), rel=1e-9)


def test_flink_reads_counts_and_learns_as_this_process_does_though_a_task_manager_dies(
    cluster: FlinkCluster, whole_run: Path, longhaul: Callable[..., Outcome]
) -> None:
    known, killed = set(jobs(cluster)), []

    def kill_one_at_work() -> None:
        while not killed:
            for job, state in jobs(cluster).items():
                tasks = cluster.get(f"jobs/{job}").get("status-counts", {}) if job not in known else {}
                if state == "RUNNING" and tasks.get("RUNNING"):
                    cluster.task_managers[0].kill()
                    killed.append(job)
                    return
            time.sleep(0.1)

    killer = threading.Thread(target=kill_one_at_work, daemon=True)
    killer.start()
    outcome = longhaul("run", "--config", whole_run, "--beam", "flink", "--no-cache", "--to", "Transform")
    assert outcome.code == 0, outcome.text
    killer.join(10)
    (job,) = killed
    assert cluster.task_managers[0].wait(10) == -9
    failures = cluster.get(f"jobs/{job}/exceptions")["exceptionHistory"]["entries"]
    assert failures, "the task manager had nothing to do"
    assert jobs(cluster)[job] == "FINISHED"
    made = {output: [newest(whole_run, step, output, before) for before in (1, 0)] for step, output in (
        ("TableExampleGen", "examples"), ("StatisticsGen", "statistics"), ("Transform", "transform_graph"),
    )}  # fmt: skip
    rows_here, rows_there = map(tables, made["examples"])
    assert len(rows_here) == 3
    assert rows_there == rows_here
    counted_here, counted_there = map(statistics, made["statistics"])
    assert len(counted_here) == 5  # two splits, three spans
    for name, (words, numbers) in counted_here.items():
        assert counted_there[name][0] == words, name
        assert counted_there[name][1] == pytest.approx(numbers, rel=1e-9, nan_ok=True), name
    learned_here, learned_there = map(vocabularies, made["transform_graph"])
    assert learned_here
    assert learned_there == learned_here


def test_an_option_that_neither_beam_nor_the_job_server_knows_is_refused(
    cluster: FlinkCluster, whole_run: Path, tmp_path: Path
) -> None:
    document = yaml.safe_load(whole_run.read_text())
    document["beam"] |= {"runner": "flink"}
    document["beam"]["flink"]["options"] = {"execution_retry_delay": 10}  # Flink's own; Python's Beam does not know it
    file = whole_run.parent / "options.yaml"
    file.write_text(yaml.safe_dump(document))
    with job_servers(load(file), tmp_path) as endpoints:
        del document["beam"]["flink"]["job_server_jar"]
        document["beam"]["flink"] |= {"job_endpoint": endpoints["flink"], "options": {"execution_retry_delays": 10}}
        file.write_text(yaml.safe_dump(document))
        with pytest.raises(ConfigError) as refused, job_servers(load(file), tmp_path):
            pass
    assert refused.value.what == "beam.flink.options: Beam knows no option 'execution_retry_delays' for flink"
    assert refused.value.remedy == "did you mean 'execution_retry_delay'?"
    wait_until(lambda: cluster.slots() >= 2, 60, tmp_path)
