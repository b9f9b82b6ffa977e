"""How many planted wrong labels stand in the first 2 % of the rows that `longhaul suspects` would have looked at.

    python -m bench.suspects [--seeds 10]

The tables come with scikit-learn and with the examples; one label in a hundred is changed at random. Trees and
neighbours testify, as in the command; the network, which a run trains, does not. Writes bench/results/suspects.json.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
from sklearn import datasets

from pipeline.evaluation.suspects import FOLDS, rank
from pipeline.guard.label_noise import points_of
from trainer.preprocessing import NUMERIC

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results" / "suspects.json"
PLANTED, LOOKED_AT = 0.01, 0.02
Table = tuple[pa.Table, npt.NDArray[np.int64]]


def tables() -> dict[str, Table]:
    """Tables of numbers, with labels (rows,) from 0."""
    loaded = {"breast_cancer": datasets.load_breast_cancer(), "wine": datasets.load_wine()}
    found: dict[str, Table] = {
        name: (pa.table({str(place): column for place, column in enumerate(one.data.T)}), one.target.astype(np.int64))
        for name, one in loaded.items()
    }
    penguins = pyarrow.csv.read_csv(ROOT / "examples" / "penguins.csv")
    found["penguins"] = penguins.drop_columns(["species"]), penguins.column("species").to_numpy().astype(np.int64)
    return found


def share_found(table: pa.Table, truth: npt.NDArray[np.int64], seed: int) -> float:
    """Plant wrong labels in `PLANTED` of the rows; return the share of them in the first `LOOKED_AT` of the ranking."""
    draw, classes = np.random.default_rng(seed), int(truth.max()) + 1
    planted = draw.choice(len(truth), max(1, round(PLANTED * len(truth))), replace=False)
    labels = truth.copy()
    labels[planted] = (truth[planted] + draw.integers(1, classes, len(planted))) % classes
    columns = {NUMERIC: np.stack([column.to_numpy().astype(np.float32) for column in table.columns], axis=1)}
    ranking = rank(columns, labels, classes, draw.integers(0, FOLDS, len(truth)), points_of(table), seed=seed)
    first = ranking.rows[: math.ceil(LOOKED_AT * len(truth))]
    return float(np.isin(planted, first).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = range(parser.parse_args().seeds)
    results: dict[str, Any] = {}
    for name, (table, truth) in tables().items():
        shares = [share_found(table, truth, seed) for seed in seeds]
        results[name] = {
            "rows": len(truth),
            "planted": max(1, round(PLANTED * len(truth))),
            "found": [round(share, 4) for share in shares],
            "mean": round(float(np.mean(shares)), 4),
            "least": round(min(shares), 4),
        }
        print(f"{name:<14} {len(truth):>6,} rows: mean {np.mean(shares):.1%}, least {min(shares):.1%}", flush=True)
    RESULTS.write_text(json.dumps({"planted": PLANTED, "looked_at": LOOKED_AT, "tables": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
