"""Longhaul's network and LightGBM on the same rows and features: how well each predicts, and how long it trains.

    python -m bench.quality [--datasets flights-time diamonds …] [--seeds 5] [--trials 15]

The network gets its columns through Longhaul's schema, preprocessing and fitting with the default settings; nothing
is tuned per table. LightGBM gets the same columns as they are (categories as categories, gaps as gaps). Its settings
are the best of `--trials` that a fixed random search tried on the rows that also stop the network's training; with
them, and as many trees as were best there, it is trained again on all the training rows. What is reported is measured
on rows that neither saw. Work and results lie in bench/results.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.quality_tables import TABLES, Table

Array = npt.NDArray[Any]
Scores = dict[str, float]

RESULTS = Path(__file__).parent / "results" / "quality.json"
EARLY_STOPPING_TREES = 50
MOST_TREES = 1500
ECE_BINS = 15


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", choices=list(TABLES), default=list(TABLES), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=15, help="settings of LightGBM that are tried")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    for name in arguments.datasets:
        result = compare(name, arguments.seeds, arguments.trials)
        found = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
        arguments.output.write_text(json.dumps(found | {name: result}, indent=1, sort_keys=True) + "\n")
        print(summary(name, result), flush=True)


def compare(name: str, seeds: int, trials: int) -> dict[str, Any]:
    """Scores of both sides by seed. A table without a split of its own is split anew for each seed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    runs: list[dict[str, Scores]] = []
    table, settings = None, None
    for seed in range(seeds):
        if table is None or TABLES[name].split_by_seed:
            table = TABLES[name].load(seed)
            settings = tune_lightgbm(table, trials)
        runs.append({"lightgbm": run_lightgbm(table, settings, seed), "longhaul": run_longhaul(table, seed)})
        print(name, seed, json.dumps(runs[-1]), flush=True)
    assert table is not None
    return {
        "task": table.task,
        "rows": {"train": len(table.train), "test": len(table.test)},
        "features": len(table.described.features),
        "seeds": seeds,
        "lightgbm_settings": settings,
        **{side: _spread([run[side] for run in runs]) for side in ("lightgbm", "longhaul")},
    }


def summary(name: str, result: Mapping[str, Any]) -> str:
    """A line of text per side."""
    lines = [f"{name}: {result['task']}, {result['rows']['train']:,} rows to train, {result['features']} features"]
    for side in ("lightgbm", "longhaul"):
        parts = [f"{metric} {found['mean']:.4f} ± {found['deviation']:.4f}" for metric, found in result[side].items()]
        lines.append(f"  {side:9} " + "  ".join(parts))
    return "\n".join(lines)


def _spread(scores: list[Scores]) -> dict[str, dict[str, float]]:
    return {
        metric: {"mean": float(np.mean(values)), "deviation": float(np.std(values))}
        for metric, values in ((metric, [run[metric] for run in scores]) for metric in scores[0])
    }


def measure(task: str, labels: Array, predictions: Array) -> Scores:
    """What is reported of predictions: (rows,) numbers or probabilities, or (rows, classes) probabilities."""
    from sklearn.metrics import log_loss, roc_auc_score

    if task == "regression":
        return {"rmse": float(np.sqrt(np.mean((predictions - labels) ** 2)))}
    several = task == "multiclass"
    return {
        "auc": float(roc_auc_score(labels, predictions, multi_class="ovr" if several else "raise")),
        "log_loss": float(log_loss(labels, predictions, labels=range(predictions.shape[1] if several else 2))),
        "ece": calibration_error(labels, predictions),
    }


def calibration_error(labels: Array, predictions: Array) -> float:
    """Expected calibration error in 15 bins of equal width (Guo, Pleiss, Sun, Weinberger, ICML 2017)."""
    if predictions.ndim == 2:
        predictions, labels = predictions.max(axis=1), predictions.argmax(axis=1) == labels
    place = np.minimum((predictions * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = np.bincount(place, predictions - labels, ECE_BINS)
    return float(np.abs(gaps).sum() / len(labels))


# LightGBM


def tune_lightgbm(table: Table, trials: int) -> dict[str, Any]:
    """The best settings of a fixed random search, by the loss on the rows that stop training."""
    import lightgbm as lgb

    from trainer.fitting import hold_out

    fit_rows, stop_rows = hold_out(table.order, len(table.train), 0.1, seed=0)
    columns, labels = table.raw(table.train), table.labels(table.train)
    random = np.random.default_rng(0)
    best: tuple[float, dict[str, Any]] = (np.inf, {})
    for _ in range(trials):
        settings = _objective(table) | {
            "num_leaves": int(random.choice([7, 15, 31, 63, 127])),
            "learning_rate": float(random.choice([0.03, 0.05, 0.1])),
            "min_child_samples": int(random.choice([5, 20, 50, 200])),
            "feature_fraction": float(random.choice([0.3, 0.5, 0.8, 1.0])),
            "bagging_fraction": float(random.choice([0.6, 0.8, 1.0])),
            "bagging_freq": 1,
            "lambda_l2": float(random.choice([0.0, 1.0, 10.0, 100.0])),
            "cat_smooth": float(random.choice([10.0, 50.0, 200.0])),
        }
        fitted = lgb.train(
            settings,
            lgb.Dataset(columns.iloc[fit_rows], labels[fit_rows], free_raw_data=False),
            MOST_TREES,
            valid_sets=[lgb.Dataset(columns.iloc[stop_rows], labels[stop_rows])],
            callbacks=[lgb.early_stopping(EARLY_STOPPING_TREES, verbose=False)],
        )
        loss = next(iter(fitted.best_score["valid_0"].values()))
        if loss < best[0]:
            best = (loss, settings | {"trees": fitted.best_iteration})
    return best[1]


def _objective(table: Table) -> dict[str, Any]:
    common = {"verbose": -1, "num_threads": 2, "deterministic": True, "force_row_wise": True}
    if table.task == "multiclass":
        return common | {"objective": "multiclass", "num_class": len(table.classes)}
    return common | {"objective": "binary" if table.task == "binary" else "regression"}


def run_lightgbm(table: Table, settings: Mapping[str, Any], seed: int) -> Scores:
    """Trained on all training rows, measured on the test rows."""
    import lightgbm as lgb

    parameters = dict(settings)
    trees = parameters.pop("trees")
    begin = time.perf_counter()
    fitted = lgb.train(
        parameters | {"seed": seed}, lgb.Dataset(table.raw(table.train), table.labels(table.train)), trees
    )
    seconds = time.perf_counter() - begin
    return measure(table.task, table.labels(table.test), fitted.predict(table.raw(table.test))) | {"seconds": seconds}


# Longhaul


def run_longhaul(table: Table, seed: int) -> Scores:
    """Fitted on the training rows with the default settings, measured on the test rows."""
    from trainer.fitting import fit

    train, test, sizes = table.transformed()
    train, test = dict(train), dict(test)
    labels, test_labels = train.pop("label_xf"), test.pop("label_xf")
    settings = table.settings.model_copy(update={"seed": seed})
    begin = time.perf_counter()
    fitted = fit(table.described, sizes, train, labels, table.order, settings)
    seconds = time.perf_counter() - begin
    predictions = fitted.model.predict(test, batch_size=8192, verbose=0)
    if table.task != "multiclass":
        predictions = predictions[:, 0]
    return measure(table.task, test_labels, predictions.astype(float)) | {
        "seconds": seconds,
        "epoch": float(fitted.kept_epoch),
    }


if __name__ == "__main__":
    main()
