"""Runs whose pages are near empty or odd: few rows, equal predictions, one class, hostile names, many slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluation.curves import curves
from pipeline.evaluation.row_sample import sample_of
from pipeline.evaluation.tallies import BLOCKS, rows_of
from pipeline.lineage.runs import Run
from tests.reports.test_page import VERDICT, complete_run, rewrite

LONG = "a_column_whose_name_has_three_hundred_letters_" * 6 + "and_then_some_more_letters"
NAMES = (LONG, "\N{PILE OF POO}\N{ZERO WIDTH JOINER} emoji \N{HEAVY BLACK HEART}", "<script>alert(1)</script>")
"""Names of columns, values and classes."""


def odd_runs(folder: Path) -> dict[str, Run]:
    """Return runs by what is odd about them."""
    dice = np.random.default_rng(5)
    even = dice.uniform(0.05, 0.95, 2_000)
    truth = (dice.uniform(size=2_000) < even).astype(int)
    many = dice.dirichlet(np.full(60, 0.3), 3_000)
    of_many = np.array([dice.choice(60, p=row) for row in many])
    target = dice.normal(100, 20, 20)
    documents: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
        "20 rows": (document("binary", truth[:20], even[:20]), slices("origin", ["a", "b"], 10)),
        "equal predictions": (document("binary", truth, np.full(2_000, 0.25)), slices("origin", ["a"], 2_000)),
        "one class": (document("binary", np.zeros(500, int), even[:500]), slices("origin", ["a", "b"], 250, auc=False)),
        "long names": (document("binary", truth, even), slices(NAMES[0], NAMES, 600)),
        "emoji": (
            document("multiclass", truth, np.column_stack([1 - even, even]), NAMES[:2]),
            slices(NAMES[1], NAMES, 600),
        ),
        "200 slices": (document("binary", truth, even), slices("tail", [f"N{n:05}" for n in range(200)], 120)),
        "60 classes": (
            document("multiclass", of_many, many, [f"class number {place}" for place in range(60)]),
            slices("class", ["a", "b"], 900),
        ),
        "20 numbers": (document("regression", target, target + dice.normal(0, 5, 20)), slices("origin", ["a"], 20)),
        "equal numbers": (document("regression", target, np.full(20, 100.0)), slices("origin", ["a"], 20)),
    }
    return {name: of(folder / f"{place}", *found) for place, (name, found) in enumerate(documents.items())}


def of(folder: Path, figures: dict[str, Any], found: list[dict[str, Any]]) -> Run:
    run = complete_run(folder)
    rows = sum(one["metrics"]["example_count"] for one in found)
    verdict = {"slices": found, "confidence": 0.95, "metrics": VERDICT["metrics"] | {"example_count": rows}}
    rewrite(run, "ModelEvaluation", "verdict.json", VERDICT | verdict)
    rewrite(run, "ModelEvaluation", "curves.json", figures)
    return run


def slices(column: str, values: Sequence[str], rows: float, *, auc: bool = True) -> list[dict[str, Any]]:
    metrics = {"example_count": float(rows), "log_loss": 0.5} | ({"auc": 0.7} if auc else {})
    told = {} if auc else {"undefined": {"auc": "one class only"}}
    return [
        {
            "slice": {column: value},
            "metrics": metrics | ({"auc": 0.6 + 0.001 * place} if auc else {}),
            "intervals": {"auc": [0.55 + 0.001 * place, 0.65 + 0.001 * place]} if auc else {},
        }
        | told
        for place, value in enumerate(values)
    ]


def document(task: str, labels: Any, said: Any, classes: Sequence[str] = ("0", "1")) -> dict[str, Any]:
    """Return what Evaluator leaves of rows with these labels and predictions."""
    predictions = np.asarray(said).reshape(len(labels), -1)
    tally = rows_of(task, labels, predictions, np.arange(len(labels)) % BLOCKS).tally(np.arange(len(labels)))
    checksums = np.arange(len(labels), dtype=np.uint64)
    sample = sample_of(task, checksums, labels, predictions, np.array([b""] * len(labels)))
    return curves(task, list(classes), [tally], sample, 0.95)
