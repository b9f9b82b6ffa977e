"""What to try next: each rule with its reason, each command and edit one that exists."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.main import get_command

from pipeline.cli import app
from pipeline.config.loading import REFERENCE
from pipeline.config.pipeline import PipelineConfig
from pipeline.guard.findings import DataVerdict, Finding
from pipeline.reports.judgement import judge
from pipeline.reports.next_steps import NextStep
from pipeline.reports.page import collect, render
from pipeline.reports.what_now import Around
from pipeline.reports.why import Why, why
from tests.reports.test_page import EVIL, VERDICT, Reader, assert_accessible, complete_run, rewrite
from tests.reports.test_why import OVER_TIME, WITH_MORE, standing

HOSTILE = "-a $(rm) 'b'"
NEAR = Finding("near_label_leak", HOSTILE, "train", "policy: label_leak_hint", "something", "that", None)
COLUMNS = ["wind", "gust", "rain", "snow", HOSTILE]
INGESTION: dict[str, Any] = {"columns": dict.fromkeys(COLUMNS, "float"), "spans": [1, 2, 3]}


def feature(name: str, drop: float) -> dict[str, Any]:
    return {"name": name, "drop": drop, "spread": 0.001, "noise": 0.002}


EXPLANATION: dict[str, Any] = {
    "importance": {
        "metric": "log_loss",
        "value": 0.5,
        "rows": 100,
        "repeats": 3,
        "left_out": 0,
        "features": [
            feature("wind", 0.05),
            feature("derived", 0.0),
            feature("gust", 0.001),
            feature("rain", 0.0),
            feature(HOSTILE, -0.01),
        ],
    },
    "weak": {
        "loss": "log_loss",
        "overall": 0.5,
        "looked_at": 40,
        "rows": 100,
        "slices": [
            {"where": "wind missing", "columns": ["wind"], "rows": 9, "loss": 0.9, "p": 0.01, "said": 0.1, "true": 0.5}
        ],
    },
    "correlations": {"looked_at": 4, "pairs": [{"one": "wind", "other": "gust", "correlation": -0.97, "rows": 9}]},
    "effects": {
        "of": "1",
        "scored": 100,
        "rows": 100,
        "mean": 0.2,
        "features": [
            {
                "name": "wind",
                "kind": "numeric",
                "cells": [
                    {"begin": 0.0, "end": 2.0, "text": "", "effect": -0.1} | standing(40, 0.1, 0.12),
                    {"begin": 2.0, "end": 5.0, "text": "", "effect": 0.1} | standing(40, 0.3, 0.12),
                ],
                "missing": standing(20, 0.1, 0.5),
            },
            {
                "name": EVIL,
                "kind": "categorical",
                "cells": [{"begin": None, "end": None, "text": EVIL, "effect": 0.01} | standing(50, 0.2, 0.2)],
                "missing": standing(50, 0.2, 0.2),
            },
        ],
    },
    "directions": {
        "of": "1",
        "rows": 80,
        "features": [
            {
                "name": "wind",
                "mean": 0.1,
                "low": -0.3,
                "high": 0.2,
                "more": {"text": "high", "rows": 20, "part": 0.1},
                "less": {"text": "missing", "rows": 8, "part": -0.4},
            },
            {"name": EVIL, "mean": 0.1, "low": -0.1, "high": 0.2, "more": None, "less": None},
        ],
    },
}
RUN = "20261121-041631-031"
TREES = {
    "metrics": {"trees": {"auc": 0.75, "log_loss": 0.4}, "guess": {"auc": 0.5, "log_loss": 0.6}},
    "telling": ["auc", "log_loss"],
    "trees_ahead": ["auc"],
}
BAD = WITH_MORE | {
    "baselines": TREES,
    "decision": {
        "threshold": 0.5,
        "by": "a number",
        "problem": "",
        "champion_threshold": None,
        "metrics": {"precision": 0.6, "recall": 0.2, "accuracy": 0.7, "f1": 0.3},
    },
    "metrics": VERDICT["metrics"] | {"example_count": 900.0},
}


def of(
    verdict: dict[str, Any],
    explanation: dict[str, Any] | None = None,
    options: tuple[str, ...] = (),
    ingestion: dict[str, Any] = INGESTION,
) -> Why:
    gate = DataVerdict((NEAR,)) if explanation else None
    return why(RUN, verdict, judge(verdict, {}), explanation, gate, ingestion, options)


def steps(options: tuple[str, ...] = ()) -> list[NextStep]:
    return of(BAD, EXPLANATION, options).next_steps


def test_every_rule_has_its_say_and_its_figures() -> None:
    told = {step.found: step.evidence for step in steps()}
    assert list(told) == [
        f"{HOSTILE} tells much of the label by itself",
        "The trees that taught the network are better",
        "Calibration moves with time",
        "Weakest where wind missing",
        "Most positives are missed at the threshold",
        "Few rows judge",
        "wind counts most where it is missing",
        "Columns that tell the same",
        "Columns that the model does not need",
    ]
    assert (
        told["The trees that taught the network are better"]
        == "auc 0.7500 against 0.6870; log_loss 0.4000 against 0.5000"
    )
    assert told["Weakest where wind missing"] == "mean log_loss 0.9000, of all 0.5000; predicted 0.1000, true 0.5000"
    assert told["Few rows judge"].startswith("900 rows")
    assert "in 1 of 2 months" in told["Calibration moves with time"]
    assert told["Columns that the model does not need"].endswith(
        f"noise: gust, rain, {HOSTILE}"
    )  # none that is derived


@pytest.mark.parametrize("options", [(), ("-c", "my file.yaml")])
def test_every_command_is_one_and_every_edit_may_stand_in_the_file(options: tuple[str, ...]) -> None:
    whole = yaml.safe_load(REFERENCE.read_text())
    commands = edits = 0
    for step in steps(options):
        assert bool(step.command) != bool(step.edit)
        if step.edit:
            edits += 1
            PipelineConfig.model_validate(whole | yaml.safe_load(step.edit))
            continue
        commands += 1
        name, *words = shlex.split(step.command)
        assert name == "longhaul"
        group: Any = get_command(app)
        context = typer.Context(group)
        while isinstance(group, typer.core.TyperGroup):
            _, group, words = group.resolve_command(context, words)
        context = group.make_context("longhaul", words)
        if options:
            assert str(context.params["config"]) == "my file.yaml"
        if group.name == "drop":
            assert set(context.params["columns"]) <= set(COLUMNS)
    assert (commands, edits) == (6, 3)


@pytest.mark.parametrize(
    ("ingestion", "judges"),
    [
        ({}, "eval: last 1 span}"),
        ({"split": {"by": "time", "eval": [2, 3]}}, "eval: last 1 span}"),
        ({"split": {"by": "time", "eval": [2], "test": [3]}}, None),
        ({"split": {"by": "hash", "weights": {"test": 1}}}, "eval: last 1 span, test: last 1 span}"),
        ({"spans": [], "split": {"by": "time", "eval_from": "2013-11-01"}}, "eval: last 10 %}"),
    ],
)
def test_which_rows_should_judge_depends_on_those_that_do(ingestion: dict[str, Any], judges: str | None) -> None:
    told = of(BAD, EXPLANATION, ingestion=INGESTION | ingestion).next_steps
    edits = [step.edit for step in told if step.found == "Calibration moves with time"]
    assert len(edits) == (judges is not None)
    assert all(edit.endswith(judges or "") for edit in edits)


def test_a_column_is_left_out_beside_those_that_are() -> None:
    """By a command, which adds to the list; an edit would stand in its place."""
    told = {step.found: step.command for step in steps(("-c", "x.yaml"))}
    assert told["Columns that tell the same"] == "longhaul drop --exclude gust -c x.yaml"
    whole = EXPLANATION["importance"]["features"]
    idle = EXPLANATION | {"importance": EXPLANATION["importance"] | {"features": [*whole[2:], *whole[2:]]}}
    unused = "Columns that the model does not need"
    assert unused not in {step.found for step in of(BAD, idle).next_steps}  # it would be left nothing
    for rows in (99.0, 100.0):  # where few rows judge, all but one are within noise
        few = BAD | {"metrics": BAD["metrics"] | {"example_count": rows}}
        assert (unused in {step.found for step in of(few, EXPLANATION).next_steps}) == (rows >= 100)
    of_derived = of(BAD, EXPLANATION, ingestion=INGESTION | {"columns": {"wind": "float"}}).next_steps
    assert not [step for step in of_derived if " drop " in step.command]


def test_large_parts_and_tiny_tables() -> None:
    """A part of thousands, as of a price; features of which no cell has two rows; one cell of which has not."""
    large = {"text": "missing", "rows": 8, "part": -12_345.6}
    moves = EXPLANATION["directions"]["features"][0] | {"less": large}
    wind = EXPLANATION["effects"]["features"][0]
    alone = [{"begin": float(at), "end": float(at), "text": "", "effect": 0.1} for at in range(3)]
    two = [wind["cells"][0], wind["cells"][1] | {"end": 4.0}]
    lonely = {"begin": 4.0, "end": 6.0, "text": "", "effect": 0.2}
    features = [
        wind | {"name": "tiny", "cells": alone, "missing": None},
        wind | {"cells": [*two, lonely]},
    ]
    odd = EXPLANATION | {
        "directions": EXPLANATION["directions"] | {"features": [moves]},
        "effects": EXPLANATION["effects"] | {"features": features},
    }
    found = of(BAD, odd)
    (step,) = (one for one in found.next_steps if "where it is missing" in one.found)
    assert step.evidence.startswith("rows without a value: \N{MINUS SIGN}12,346;")
    assert found.effects is not None
    (effect,) = found.effects.features
    assert [cell.text for cell in effect.cells] == ["0 to 2", "2 to 4", "missing"]
    assert effect.picture is not None
    assert effect.picture.marks[2].hit[0] > effect.picture.marks[1].hit[0] + effect.picture.marks[1].hit[1]


def test_a_good_model_is_told_nothing() -> None:
    quiet = VERDICT | {"metrics": VERDICT["metrics"] | {"example_count": 50_000.0}}
    assert of(quiet).next_steps == []
    calm = OVER_TIME | {"periods": [OVER_TIME["periods"][0]] * 4}
    assert of(quiet | {"confidence": 0.95, "over_time": calm}).next_steps == []


def test_they_stand_on_the_page_and_escape(tmp_path: Path) -> None:
    run = complete_run(tmp_path)
    rewrite(run, "ModelEvaluation", "verdict.json", BAD)
    rewrite(run, "ModelEvaluation", "explanation.json", EXPLANATION | {"examples": None, "problems": []})
    html = render(collect(run, around=Around(options=("-c", "x.yaml"))))
    page = Reader(html)
    assert_accessible(page)
    assert EVIL not in html
    assert f"longhaul explain wind --run {run.run_id} -c x.yaml" in " ".join(page.text["next"].split())
    lines = page.lines("importance")
    assert f"{EVIL}" in lines
    at = lines.index("2 to 5")
    assert lines[at : at + 7] == ["2 to 5", "40", "+0.1000", "0.3000", "0.1200", "0.0700 to 0.1700", "✗ apart"]
    assert "wind and gust: \N{MINUS SIGN}0.9700 (9 rows)" in lines
    assert "Effect of wind: the greatest, +0.1000, at 2 to 5" in [one.get("aria-label") for one in page.all("svg")]


@pytest.mark.parametrize("off", [*EXPLANATION, None])
def test_a_page_is_drawn_whatever_part_of_the_explanation_is_off_or_failed(tmp_path: Path, off: str | None) -> None:
    run = complete_run(tmp_path)
    rewrite(run, "ModelEvaluation", "verdict.json", BAD)
    lacking = dict.fromkeys([off] if off else EXPLANATION)  # None, as pipeline.evaluation.explanation leaves them
    rewrite(run, "ModelEvaluation", "explanation.json", EXPLANATION | {"examples": None, "problems": []} | lacking)
    html = render(collect(run))
    assert "Few rows judge" in html
    said = " ".join(Reader(html).text["next"].split())
    assert f"longhaul rejudge {run.run_id} --table FILE" in said  # the latest may be another one by then
