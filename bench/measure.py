"""One command in a fresh process: its wall and CPU seconds and peak memory, whole and by stage."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.lineage.provenance import package_versions

ROOT = Path(__file__).parent.parent

STAGES = {
    "CsvExampleGen": "ingestion", "FileBasedExampleGen": "ingestion", "TableExampleGen": "ingestion",
    "StatisticsGen": "statistics", "SchemaGen": "validation", "InferredSchema": "validation",
    "CuratedSchema": "validation", "ExampleValidator": "validation", "Transform": "Transform", "Trainer": "Trainer",
    "Champion": "Evaluator", "Evaluator": "Evaluator", "Pusher": "Pusher",
}  # fmt: skip
"""Component to what it is for; the rest of a run is imports, mostly."""
BOTH, REST, WHOLE = "statistics + validation", "imports, rest", "whole run"
MEASURES = ("wall_s", "cpu_s", "peak_mib")
STEP_LINE = re.compile(r"\W*\d+/\d+ +(\w+) +([\d.]+) s")
SAMPLE_S = 0.05


def measure(command: list[str], log: Path) -> dict[str, dict[str, float]]:
    """Runs a command to its end: wall, CPU and peak memory, whole (as the kernel counted) and by stage (as sampled).

    A stage is known by the line that both sides print when a component is done. Exits with the log's end when the
    command fails.
    """
    windows: list[tuple[str, float, float]] = []
    samples = [(0.0, 0.0, 0.0)]  # seconds since the start, CPU seconds, resident MiB
    began = time.monotonic()
    with log.open("a") as out:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, text=True, cwd=ROOT)
        reader = threading.Thread(target=_read_steps, args=(process.stdout, out, began, windows))
        reader.start()
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            samples.append((time.monotonic() - began, *_cpu_and_memory(process.pid)))
            time.sleep(SAMPLE_S)
        wall = time.monotonic() - began
        reader.join()
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    if process.returncode:
        sys.exit(f"\n{' '.join(command)} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    whole = {
        "wall_s": wall,
        "cpu_s": ended[2].ru_utime + ended[2].ru_stime,
        "peak_mib": ended[2].ru_maxrss / 1024,
    }
    stages = _by_stage(windows, np.array(samples), whole) | {WHOLE: whole}
    return {name: {key: round(float(value), 3) for key, value in stage.items()} for name, stage in stages.items()}


def _cpu_and_memory(pid: int) -> tuple[float, float]:
    """CPU seconds so far and resident MiB now; see proc(5), /proc/pid/stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _read_steps(lines: Any, log: Any, began: float, windows: list[tuple[str, float, float]]) -> None:
    for line in lines:
        log.write(line)
        if match := STEP_LINE.match(line):
            now = time.monotonic() - began
            windows.append((match[1], now - float(match[2]), now))


def _by_stage(
    windows: list[tuple[str, float, float]], samples: np.ndarray, whole: dict[str, float]
) -> dict[str, dict[str, float]]:
    """Sums up the windows (component, first, last second) of each stage, and what is left."""
    times, cpu, memory = samples.T
    found: dict[str, dict[str, float]] = {}
    for node, first, last in windows:
        stage = found.setdefault(STAGES.get(node, node), dict.fromkeys(MEASURES, 0.0))
        stage["wall_s"] += last - first
        stage["cpu_s"] += np.interp(last, times, cpu) - np.interp(first, times, cpu)
        at = np.arange(first, last + SAMPLE_S, SAMPLE_S)
        stage["peak_mib"] = max(stage["peak_mib"], np.interp(at, times, memory).max())
    stages = {stage: found[stage] for stage in dict.fromkeys([*STAGES.values(), *found]) if stage in found}
    if "validation" in stages:
        pair = stages["statistics"], stages["validation"]
        stages[BOTH] = {key: (max if key == "peak_mib" else sum)(part[key] for part in pair) for key in MEASURES}
    if found:
        stages[REST] = {key: whole[key] - sum(stage[key] for stage in found.values()) for key in MEASURES[:2]}
    return stages


def machine() -> dict[str, Any]:
    """What the times depend on; the ratios much less so."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}",
        "versions": package_versions(),
    }
