"""What `longhaul watch` costs, how often it calls somebody for nothing, and how small a loss it finds.

    python -m bench.watch size [--rows 1000000 --columns 1000]      one look at a log, and at an hour of it
    python -m bench.watch years [WORKSPACE] [--years 200]            pages in years without change
    python -m bench.watch power WORKSPACE [--trials 100]             planted losses found within two weekly windows
    python -m bench.watch estimates WORKSPACE [--trials 4]           estimates, and what labels say

WORKSPACE is one in which `longhaul run` was run on the flights: its newest model scores its own evaluation rows. Years
are drawn from these rows with replacement (6,300 a week), and so is what training promised, so that nothing changes.
Without a WORKSPACE they are drawn from rows that are made up, with as skewed scores.
Beside the pages of `watch` stands what Evidently's default rules flag (Evidently 0.7, `stattests/registry.py` and
`data_drift.py`: with more than 1,000 rows normed Wasserstein distance of numbers and Jensen-Shannon distance of
categories, of at least 0.1; a data set drifts if half of its columns do).

Each part adds its figures to bench/results/watch.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.watch_estimates import accuracy
from bench.watch_flights import Flights
from bench.watch_power import power
from bench.watch_years import MONDAY, years
from pipeline.config.watch import Watch
from pipeline.guard.policy_file import read_policy
from pipeline.watch.intake import take_in
from pipeline.watch.judging import Judge
from pipeline.watch.reference import MOST_ROWS, Reference, build_reference, read_reference, write_reference
from pipeline.watch.samples import estimates
from pipeline.watch.state import opened
from pipeline.watch.windows import hour_of, windows

REFERENCE = "reference.parquet"
RESULT = Path(__file__).parent / "results" / "watch.json"


def main() -> None:
    """Measure one part and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["size", "look", "years", "power", "estimates"])
    parser.add_argument("workspace", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=1_000)
    parser.add_argument("--years", type=int, default=200)
    parser.add_argument("--trials", type=int, default=100)
    asked = parser.parse_args()
    if asked.part == "look":
        print(json.dumps(look(asked.workspace)))
        return
    found: dict[str, Any] = {}
    if asked.part == "size":
        found = {"size": size(asked.rows, asked.columns, 168), "hour": size(100_000, 40, 1)}
    elif asked.part == "estimates":
        found = {"estimates": accuracy(asked.workspace, asked.trials)}
    elif asked.part == "years":
        found = {"years": years(Flights.of(asked.workspace) if asked.workspace else Flights.made(), asked.years)}
    else:
        found = {"power": power(Flights.of(asked.workspace), asked.trials)}
    known = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    RESULT.write_text(json.dumps(known | found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def size(rows: int, columns: int, hours: int) -> dict[str, Any]:
    """Write a log of so many rows and look at it in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        each = 50_000
        first = made_rows(each, columns, hours, seed=1)
        (folder / "log").mkdir()
        pq.write_table(first, folder / "log" / "000.parquet")
        for number in range(1, rows // each):  # the rows are the same in each file; what reading costs is, too
            (folder / "log" / f"{number:03d}.parquet").write_bytes((folder / "log" / "000.parquet").read_bytes())
        write_reference(made_reference(columns), folder / REFERENCE)
        done = subprocess.run(
            [sys.executable, "-m", "bench.watch", "look", name],
            capture_output=True,
            check=True,
        )
        return {"rows": rows, "columns": columns, **json.loads(done.stdout)}


def made_rows(rows: int, columns: int, hours: int, seed: int) -> pa.Table:
    """Return a log: nine tenths numbers, one text."""
    rng = np.random.default_rng(seed)
    features: dict[str, Any] = {}
    for k in range(columns):
        if k % 10:
            features[f"number_{k}"] = np.round(rng.normal(k, 10, rows), 2)
        else:
            features[f"text_{k}"] = pa.array(rng.integers(0, 50, rows)).cast(pa.string())
    struct = pa.StructArray.from_arrays([pa.array(one) for one in features.values()], names=list(features))
    times = [MONDAY + timedelta(seconds=int(s)) for s in np.sort(rng.integers(0, hours * 3600, rows))]
    return pa.table(
        {
            "request_id": pa.array(np.arange(rows)).cast(pa.string()),
            "time": pa.array(times, pa.timestamp("us", "UTC")),
            "version": ["7"] * rows,
            "features": struct,
            "scores": pa.array(list(rng.beta(1, 4, (rows, 1))), pa.list_(pa.float64())),
        }
    )


def made_reference(columns: int) -> Reference:
    """Return what a version promised by as many rows as are kept at most."""
    made = made_rows(MOST_ROWS, columns, 168, seed=2)
    rng = np.random.default_rng(3)
    batch = pa.RecordBatch.from_struct_array(made.column("features").combine_chunks())
    scores = np.array(made.column("scores").to_pylist())
    labelled = batch.append_column("late", pa.array((rng.random(len(scores)) < scores[:, 0]).astype(int)))
    features = [(one.name, pa.types.is_floating(one.type)) for one in batch.schema]
    return build_reference("7", features, [labelled], lambda _: scores, "late", "binary", ("0", "1"))


def look(folder: Path) -> dict[str, Any]:
    """Take in a log and judge it, as `watch` does once what a version promised is kept; rows were made elsewhere."""
    reference = read_reference(folder / REFERENCE)
    assert reference
    began, cpu = time.perf_counter(), time.process_time()
    with opened(folder / "state.db") as state:
        take_in(state, folder / "log", lambda _: reference.spec, hour_of(MONDAY) + 200)
        taken = time.perf_counter() - began
        found = windows(state.rows_by_hour(), "week")
        judge = Judge(Watch(), read_policy(None), 0.95, lambda w, v, r: estimates(state, w, v, r))
        verdicts = judge.judge(state, reference, found, set(found), {}, hour_of(MONDAY) + 200)
    return {
        "counted": sum(one["rows"] for one in verdicts),
        "estimated": sorted(verdicts[0]["estimated"]),
        "take_in_s": round(taken, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "peak_gb": round(peak_kb() / 2**20, 2),
    }


def peak_kb() -> int:
    """Return the most memory that this process has had; `getrusage` tells that of the parent that began it, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
