"""A model that is no better than a guess says so wherever its verdict stands, also where it is blessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.reports.baselines import no_better_note
from pipeline.reports.model_card import as_markdown, model_card
from pipeline.reports.page import collect, render
from pipeline.terminal.results import print_model_verdict
from tests.reports.test_page import VERDICT, Reader, complete_run, rewrite

FEW: dict[str, Any] = VERDICT | {
    "blessed": True,
    "failures": [],
    "metrics": {"accuracy": 0.7, "auc": 0.6, "log_loss": 0.8, "calibration": 1.1, "example_count": 9.0},
    "intervals": {"accuracy": [0.5, 0.9], "auc": [0.4, 0.8]},
    "rules": [
        {"metric": name, "kind": "at_least", "of": "", "on": "", "value": 0.7, "bound": 0.4, "held": True, "than": ""}
        for name in ("accuracy", "calibration")
    ],
    "baselines": {
        "metrics": {"guess": {"accuracy": 0.8, "auc": 0.5, "log_loss": 0.5, "calibration": 1.0}},
        "telling": ["auc", "log_loss"],
        "differences": {},
        "trees_ahead": [],
    },
}
SAID = "no better than guessing, as far as these rows tell"
VALUES = "accuracy 0.7000, a guess 0.8000; auc 0.6000, a guess 0.5000; log_loss 0.8000, a guess 0.5000"


@pytest.mark.parametrize(
    ("metrics", "intervals", "by"),
    [
        ({}, FEW["intervals"], ", as far"),
        ({"accuracy": 0.85, "auc": 0.9, "log_loss": 0.3}, {}, ""),
        ({"accuracy": 0.8, "auc": 0.9, "log_loss": 0.3}, {}, " by accuracy, as far"),
        ({"accuracy": 0.85, "auc": 0.9, "log_loss": 0.3}, {"log_loss": [0.1, 0.6]}, " by log_loss, as far"),
    ],
)
def test_of_which_metrics_it_is_said(metrics: dict[str, float], intervals: dict[str, Any], by: str) -> None:
    told = no_better_note(FEW | {"metrics": FEW["metrics"] | metrics, "intervals": intervals})
    assert told.startswith(f"no better than guessing{by}") if by else told == ""


def test_a_guess_is_calibrated_whatever_the_model() -> None:
    """Seen: a good model of the flights, with an error of 0.0280 where the mean of all rows has 0.0163."""
    error, guess = "expected_calibration_error", FEW["baselines"]["metrics"]["guess"]
    judged = FEW["rules"] + [FEW["rules"][0] | {"metric": error}]
    good = FEW["metrics"] | {"accuracy": 0.85, "auc": 0.9, "log_loss": 0.3, error: 0.028}
    beside = FEW["baselines"] | {"metrics": {"guess": guess | {error: 0.0163}}}
    assert no_better_note(FEW | {"metrics": good, "intervals": {}, "rules": judged, "baselines": beside}) == ""


def test_an_older_verdict_says_nothing() -> None:
    assert no_better_note({key: value for key, value in FEW.items() if key not in ("baselines", "rules")}) == ""


def test_report_card_and_summary_say_it(tmp_path: Path) -> None:
    """Seen: 45 rows, `Blessed`, and nothing said that always the commonest class was as good."""
    run = complete_run(tmp_path)
    rewrite(run, "ModelEvaluation", "verdict.json", FEW)
    page = Reader(render(collect(run)))
    top = page.lines("")
    assert top[0] == f"Blessed, but {SAID}: flights, run {run.run_id}"
    assert f"Blessed, but {SAID}" in top[1:]
    assert VALUES in top
    assert f"Status:** blessed, but {SAID}: {VALUES}" in as_markdown(model_card(run))
    console = Console(width=300)
    with console.capture() as said:
        print_model_verdict(console, FEW, "none")
    assert f"But       {SAID}: {VALUES}\n" in said.get()
