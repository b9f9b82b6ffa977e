"""One worker against two on a Flink cluster: seconds of ingestion and statistics, and the memory of every worker.

    LONGHAUL_FLINK=HOME python -m bench.flink FOLDER [--years 10] [--pairs 3]

HOME is what tests/stand_ins/fetch_job_server.sh filled; tables and runs go to FOLDER. A worker is a task manager of one
slot with its Python process, and has one core: the lone one is kept on core 0, of two each task manager on its own.
Flink's job manager, Beam's job server and Longhaul itself take what the workers leave.

Seconds are told three times: of the whole step, of its job on the cluster, and of the job's stage that handles rows.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import sys
import threading
from pathlib import Path
from typing import Any

import yaml

from bench import tables
from bench.measure import ROOT, machine, measure
from pipeline.runners.local.memory import status_bytes
from tests.stand_ins.flink import FlinkCluster

HOME = Path(os.environ.get("LONGHAUL_FLINK", "nowhere"))
ROWS = {"ingestion": "WriteSplitShards", "statistics": "CountRowGroup"}
"""The transform that handles rows; what comes before it hands out fragments."""
PARTS = ("step_s", "job_s", "stage_s")
WORKERS = (1, 2)
_SAMPLE_S = 0.5


def main() -> None:
    """Runs one and two workers in turn, prints, stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--years", type=int, default=10, help="of the flights, 336,776 rows each")
    parser.add_argument("--pairs", type=int, default=3)
    args = parser.parse_args()
    if not (HOME / "job-server").is_dir():
        parser.error(f"{HOME} holds no Flink; set LONGHAUL_FLINK to what fetch_job_server.sh filled")
    folder = args.folder.absolute()
    table = tables.flights(folder, args.years, 1.0, "csv")
    print(f"{sum(table['rows'].values()):,} rows x {table['columns']} columns")
    found: dict[int, list[dict[str, Any]]] = {workers: [] for workers in WORKERS}
    for pair in range(args.pairs):
        for workers in WORKERS:
            one = _run(folder / "run", table, workers)
            found[workers].append(one)
            print(f"pair {pair + 1}, {workers} {'workers' if workers > 1 else 'worker'}: {_as_text(one)}", flush=True)
    ratios = {part: _ratios(found, part) for part in PARTS}
    for part, values in ratios.items():
        print(f"{part}: two workers are {statistics.median(values):.2f} times as fast {values}")
    result = {"rows": table["rows"], "columns": table["columns"], "workers": found, "ratios": ratios}
    (ROOT / "bench" / "results" / f"flink-{args.years}x.json").write_text(
        json.dumps(result | {"machine": machine()}, indent=1) + "\n"
    )


def _ratios(found: dict[int, list[dict[str, Any]]], part: str) -> list[float]:
    """Of each pair, both steps together."""
    alone, together = ([sum(one[part].values()) for one in found[workers]] for workers in WORKERS)
    return [round(one / two, 2) for one, two in zip(alone, together, strict=True)]


def _run(folder: Path, table: dict[str, Any], workers: int) -> dict[str, Any]:
    """Both steps on a cluster of so many workers: the PARTS by step, and `peak_mib` of processes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    cores = [{core} for core in range(workers)]
    with FlinkCluster(HOME, folder / "flink", slots=1, cores=cores) as cluster:
        document = {
            "name": "flights",
            "workspace": str(folder / "workspace"),
            "data": {"path": table["folder"], "label": tables.LABEL, "task": "binary"},
            "schema": {"file": table["schema"]},
            "split": {"by": "time", "column": tables.TIME, "eval_from": table["eval_from"]},
            "evaluation": {"thresholds": {"auc": {"at_least": 0.0}}},
            "beam": {"runner": "flink", "flink": cluster.settings | {"parallelism": workers}},
        }
        (folder / "flights.yaml").write_text(yaml.safe_dump(document))
        with _Memory(cluster) as memory:
            command = [sys.executable, "-m", "pipeline.cli", "run", "--config", str(folder / "flights.yaml")]
            measured = measure([*command, "--to", "StatisticsGen"], folder / "output.log")
        jobs = sorted(cluster.get("jobs/overview")["jobs"], key=lambda job: job["start-time"])
        told = {step: cluster.get(f"jobs/{job['jid']}") for step, job in zip(ROWS, jobs, strict=True)}
    return {
        "step_s": {step: measured[step]["wall_s"] for step in ROWS},
        "job_s": {step: job["duration"] / 1000 for step, job in told.items()},
        "stage_s": {step: _stage(job["vertices"], ROWS[step]) for step, job in told.items()},
        "peak_mib": memory.peaks,
    }


def _stage(vertices: list[dict[str, Any]], transform: str) -> float:
    """Seconds from when the fragments were dealt out until the last one was done."""
    (done,) = (vertex["end-time"] for vertex in vertices if transform in vertex["name"])
    dealt_out = max(vertex["end-time"] for vertex in vertices if re.search(r"List\w+/Map\(decode\)", vertex["name"]))
    return float(done - dealt_out) / 1000


class _Memory:
    """Watches the processes through which rows go for as long as the context lasts.

    Attributes:
        peaks: by kind of process, the most that one of each had resident, in MiB, greatest first.
    """

    def __init__(self, cluster: FlinkCluster) -> None:
        self.peaks: dict[str, list[int]] = {}
        self._cluster, self._seen = cluster, dict[tuple[str, int], int]()
        self._stop, self._watcher = threading.Event(), threading.Thread(target=self._watch)

    def __enter__(self) -> _Memory:
        self._watcher.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._watcher.join()
        for (kind, _), peak in sorted(self._seen.items(), key=lambda item: -item[1]):
            self.peaks.setdefault(kind, []).append(peak >> 20)

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            python = self._cluster.programs.python_workers()
            java = [process.pid for process in self._cluster.task_managers]
            for kind, pids in {"python": python, "task manager": java}.items():
                for pid in pids:
                    peak = status_bytes(Path("/proc", str(pid)), "VmHWM")
                    self._seen[kind, pid] = max(self._seen.get((kind, pid), 0), peak)


def _as_text(one: dict[str, Any]) -> str:
    times = "; ".join(
        f"{step} {one['step_s'][step]:.1f} s, job {one['job_s'][step]:.1f}, rows {one['stage_s'][step]:.1f}"
        for step in one["step_s"]
    )
    return f"{times}; peak MiB: " + ", ".join(f"{kind} {peaks}" for kind, peaks in one["peak_mib"].items())


if __name__ == "__main__":
    main()
