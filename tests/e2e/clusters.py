"""What the tests of clusters compare: what a step made on a cluster with what it made in this process."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2


def missing(variable: str, runner: str) -> str:
    """Why a cluster cannot be started; empty if it can."""
    home = os.environ.get(variable, "nowhere")
    if not Path(home, "job-server", "job-server.jar").exists():
        fetch = f"`tests/stand_ins/fetch_job_server.sh {runner} FOLDER` fetches it"
        return f"there is no job-server.jar in {home}; {fetch}, {variable}=FOLDER names it"
    return "" if shutil.which("java") else "there is no Java on the PATH"


def small_flights(small_pipeline: Callable[..., Path], folder: Path, beam: dict[str, Any]) -> Path:
    """A configuration of three months of flights and few slices."""
    evaluation = {"thresholds": {"auc": {"at_least": 0.0}}, "slices": [["carrier"]],
                  "explain": {"permutation_rows": 0, "rows": 0}}  # fmt: skip
    return small_pipeline(folder, "01", "02", "11", beam=beam, evaluation=evaluation)


def assert_same_evaluation(file: Path) -> None:
    """The last two evaluations found the same."""
    here, there = (json.loads((newest(file, "Evaluator", "evaluation", before) / "verdict.json").read_text())
                   for before in (1, 0))  # fmt: skip
    assert len(here["slices"]) > 5
    assert flat(there) == pytest.approx(flat(here), rel=1e-9)


def assert_same_data(file: Path) -> None:
    """The last two runs to Transform read the same rows, counted the same, and learned the same."""
    made = {output: [newest(file, step, output, before) for before in (1, 0)] for step, output in (
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
