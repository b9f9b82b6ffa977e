"""The page's sections on tuning and on smaller copies of the network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run
from pipeline.reports.artifacts import Artifacts
from pipeline.reports.page import collect, render
from pipeline.reports.tuning import Rewritten, Trial, Tuning, rewriting_section, shown, tuning_figure, tuning_section

RESULTS = [
    {"trial_id": "2", "score": 0.51, "dropout": 0.25, "hidden_units": "[16, 8]", "tuner/epochs": 9, "tuner/round": 1},
    {"trial_id": "0", "score": 0.55, "dropout": 0.4, "hidden_units": "[32]", "tuner/epochs": 3, "tuner/round": 0},
]
BEST = {"space": [], "values": {"dropout": 0.25, "hidden_units": "[16, 8]", "tuner/epochs": 9, "tuner/round": 1}}
COSTS = {
    "bytes": 4000,
    "loss": 0.5,
    "rewritten": {"weights as int8": {"bytes": 1100, "loss": 0.500125, "largest_difference": 0.00321}},
}


def make_run(folder: Path, files: dict[str, tuple[str, str, Any]]) -> Run:
    """A run with one artifact per type: {type: (node, file, content)}."""
    artifacts: dict[str, list[Artifact]] = {}
    for kind, (node, file, content) in files.items():
        (folder / kind).mkdir()
        (folder / kind / file).write_text(json.dumps(content))
        artifacts.setdefault(node, []).append(Artifact(kind, str(folder / kind), {}))
    return Run("20261121-041631-031", "flights", "complete", "2026-11-21T04:16:41+00:00", 4.0, "", {}, [], artifacts)


@pytest.fixture
def searched(tmp_path: Path) -> Run:
    return make_run(
        tmp_path,
        {
            "ModelRun": ("Trainer", "tuned.json", BEST),
            "TunerResults": ("Tuner", "tuner_results.json", RESULTS),
        },
    )


def test_a_search_with_its_trials_the_best_first(searched: Run) -> None:
    assert tuning_section(Artifacts(searched)) == Tuning(
        names=["dropout", "hidden_units", "epochs granted"],
        trials=[
            Trial(3, 0.51, {"dropout": 0.25, "hidden_units": [16, 8], "epochs granted": 9}),
            Trial(1, 0.55, {"dropout": 0.4, "hidden_units": [32], "epochs granted": 3}),
        ],
        best={"dropout": 0.25, "hidden_units": [16, 8]},
    )
    page = render(collect(searched))
    assert "2 trials; the least validation loss is 0.5100, of trial 3;" in page
    assert "that of the configuration as it stands, trial 1, is 0.5500." in page
    assert '<a href="#tuning">Tuning</a>' in page
    assert '<td class="n">16\N{MULTIPLICATION SIGN}8</td>' in page


def test_what_an_earlier_search_found(tmp_path: Path) -> None:
    run = make_run(tmp_path, {"ModelRun": ("Trainer", "tuned.json", BEST)})
    page = render(collect(run))
    assert "Trained with what the search of an earlier run found best." in page
    assert "<dt>dropout</dt><dd>0.25</dd>" in page


def test_without_a_search_nothing_is_said_of_one(tmp_path: Path) -> None:
    page = collect(make_run(tmp_path, {"ModelRun": ("Trainer", "history.json", {})}))
    assert (page.tuning, page.rewriting, page.problems) == (None, [], [])
    assert "Tuning" not in render(page)


def test_damaged_results_are_told(searched: Run) -> None:
    (searched_in,) = [artifact for artifact in searched.artifacts["Tuner"] if artifact.type == "TunerResults"]
    Path(searched_in.uri, "tuner_results.json").write_text("[{")
    page = collect(searched)
    assert page.tuning is not None
    assert page.tuning.trials == []
    assert [problem for problem in page.problems if "tuner_results.json cannot be read" in problem] != []


def test_what_smaller_weights_cost(tmp_path: Path) -> None:
    run = make_run(tmp_path, {"ModelRun": ("Trainer", "rewriting.json", COSTS)})
    assert rewriting_section(Artifacts(run)) == [
        Rewritten("as it was fitted", 4000, 0.5, None),
        Rewritten("weights as int8", 1100, 0.500125, 0.00321),
    ]
    page = render(collect(run))
    assert '<th scope="row">weights as int8</th><td class="n">1,100</td><td class="n">0.500125</td>' in page
    assert "3.2e-03" in page


def test_the_figure_has_an_axis_for_what_was_varied() -> None:
    trials = [
        Trial(number, loss, {"dropout": dropout, "hidden_units": units, "learning_rate": rate, "batch_size": 64})
        for number, loss, dropout, units, rate in [
            (2, 0.5, 0.1, [8], 1e-4),
            (1, 0.6, 0.3, [16, 8], 1e-2),
            (3, 0.7, 0.2, [8], 1e-3),
        ]
    ]
    figure = tuning_figure(Tuning(list(trials[0].values), trials, trials[0].values))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "dropout", "hidden_units", "learning_rate", "validation loss",
    ]  # fmt: skip
    drawn = [[round(float(y), 3) for y in line.get_ydata()] for line in axes.lines if len(line.get_xdata()) == 4]
    # The best is drawn last; learning_rate is on a logarithmic scale, [16, 8] sorts before [8].
    assert drawn == [[0.5, 1, 0.5, 1], [1, 0, 1, 0.5], [0, 1, 0, 0]]
    assert {text.get_text() for text in axes.texts} >= {"16\N{MULTIPLICATION SIGN}8", "8", "0.5000", "0.7000"}


@pytest.mark.parametrize(
    ("value", "text"),
    [([512, 256], "512\N{MULTIPLICATION SIGN}256"), (0.00123456, "0.00123"), (1024, "1024"), (True, "True"),
     ("int8", "int8"), (None, "\N{EN DASH}"), ([], "none")],
)  # fmt: skip
def test_values_as_text(value: Any, text: str) -> None:
    assert shown(value) == text
