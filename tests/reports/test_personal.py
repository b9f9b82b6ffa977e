"""Values of columns that nobody should read on a page are on none."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.config.loading import load
from pipeline.guard.findings import NOT_SHOWN, DataVerdict, Finding
from pipeline.guard.policy import Severity
from pipeline.lineage.runs import Run
from pipeline.reports.artifacts import Artifacts, Column, SplitStatistics, recorded
from pipeline.reports.figures import feature_distribution
from pipeline.reports.hover import hover_marks
from pipeline.reports.model_card import write_card
from pipeline.reports.notebook.tables import examples_table, findings_table, statistics_table, top_values_table
from pipeline.reports.page import collect, render
from pipeline.reports.personal import (
    columns_without_values,
    is_about_a_person,
    shown_columns,
    shown_explanation,
    shown_verdict,
    unshown,
    why_blocked,
    without_values,
)
from pipeline.reports.plots import outlines
from pipeline.terminal.results import print_results
from tests.reports.test_page import EXPLANATION, INGESTION, complete_run, explain, rewrite, with_gate


@pytest.mark.parametrize("column", ["email", "Contact_E-mail", "LastName", "last name", "phone_2", "DOB"])
def test_columns_about_a_person_are_known_by_their_names(column: str) -> None:
    assert is_about_a_person(column)


@pytest.mark.parametrize("column", ["tailnum", "flight", "customer", "named", "ipo", "age", ""])
def test_other_columns_are_not(column: str) -> None:
    assert not is_about_a_person(column)


def test_what_the_model_reads_is_shown_unless_it_is_redacted() -> None:
    config = {"features": {"exclude": ["email", "customer"]}, "serving": {"redact": ["income"]}}
    assert unshown(config, ["email", "customer", "name", "income"]) == {"email", "income"}
    assert unshown({}, ["email"]) == frozenset()
    assert recorded({"config": "[1"}) == recorded({}) == {}


DERIVE = {"wealth": "income / 1000", "rich": "wealth > 2", "pace": "speed / 2", "by_name": 'column("income") + 1'}
CONFIG = {
    "features": {"exclude": ["email", "customer"], "derive": DERIVE},
    "serving": {"redact": ["income"]},
}
HIDDEN = ("email", "income", "wealth", "rich", "by_name")
SEEN = ("customer", "speed", "pace")


def test_what_is_derived_from_a_redacted_column_is_hidden_by_whatever_way() -> None:
    assert unshown(CONFIG, ["email", "customer", "income", "speed"]) == {*HIDDEN}
    broken = CONFIG | {"features": {"derive": {"odd": "income +", "pace": "speed / 2"}}}
    assert unshown(broken, []) == {"income", "odd", "pace"}  # what it reads is not known
    assert unshown({"features": {"derive": DERIVE}}, []) == frozenset()


def value_of(column: str, place: str) -> str:
    """A value that is told at one place of the page: it says where it comes from."""
    return f"{place}-of-{column}"


def tell_everywhere(run: Run, columns: tuple[str, ...]) -> Run:
    """Let a run's artifacts have a value of each column at every place that tells values."""
    cell = {"begin": None, "end": None, "effect": 0.1, "rows": 99, "predicted": 0.5, "true": 0.5, "low": 0.4}
    cell |= {"high": 0.6, "off": False}
    group = {"rows": 99, "part": 0.1}
    (row,) = EXPLANATION["examples"]["rows"]
    parts = [{"feature": one, "kind": "categorical", "value": value_of(one, "part"), "part": 0.5} for one in columns]
    told: dict[str, Any] = {
        "examples": {"rows": [row | {"key": {one: value_of(one, "key") for one in columns}, "parts": parts}]},
        "weak": {
            "loss": "log loss",
            "overall": 0.1,
            "looked_at": 2,
            "rows": 9,
            "slices": [
                {"where": value_of(one, "weak"), "columns": ["speed", one], "rows": 9, "loss": 0.5, "p": 0.01}
                | {"said": 0.5, "true": 0.5}
                for one in columns
            ],
        },
        "effects": {
            "of": "yes",
            "scored": 9,
            "rows": 9,
            "mean": 0.5,
            "features": [
                {"name": one, "kind": "categorical", "missing": None, "cells": [cell | {"text": value_of(one, "cell")}]}
                for one in columns
            ],
        },
        "directions": {
            "rows": 9,
            "features": [
                {"name": one, "mean": 0.1, "low": -0.1, "high": 0.1, "more": group | {"text": value_of(one, "more")}}
                | {"less": group | {"text": value_of(one, "less")}}
                for one in columns
            ],
        },
    }
    rewrite(run, "ModelEvaluation", "explanation.json", EXPLANATION | told)
    finding = Finding("new_values", "", "train", "policy: drift.new_values", "few", "")
    verdict = DataVerdict(
        tuple(replace(finding, feature=one, found=value_of(one, "finding"), severity=Severity.WARN) for one in columns)
    )
    statistics = [
        statistics_pb2.FeatureNameStatistics(
            name=one,
            type="STRING",
            string_stats={
                "common_stats": {"num_non_missing": 9},
                "rank_histogram": {"buckets": [{"label": value_of(one, "commonest"), "sample_count": 9}]},
            },
        )
        for one in columns
    ]
    for split in ("train", "eval"):
        lists = statistics_pb2.DatasetFeatureStatisticsList(datasets=[{"features": statistics}])
        (folder,) = [one.folder for one in run.artifacts["StatisticsGen"]]
        (folder / f"Split-{split}" / "FeatureStats.pb").write_bytes(lists.SerializeToString())
    run = replace(run, properties=run.properties | {"config": json.dumps(CONFIG)})
    types = {one: "string" for one in columns if one not in DERIVE}
    rewrite(run, "Examples", "ingestion.json", INGESTION | {"columns": types})
    return with_gate(run, verdict)


def shown_in_the_terminal(run: Run) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_results(console, run, load())
    return console.file.getvalue()


def test_a_hidden_value_is_nowhere_on_pages_and_in_notebooks(tmp_path: Path) -> None:
    """All places that tell values of a run: the page with its hover texts, the model card, the cells of notebooks,
    `longhaul show`."""
    run = tell_everywhere(explain(complete_run(tmp_path)), (*HIDDEN, *SEEN))
    artifacts, types = Artifacts(run), (run.ingestion or {})["columns"]
    columns, verdict = shown_columns(run, artifacts, types) or [], shown_verdict(run, artifacts.gate() or DataVerdict())
    told = {
        "page": render(collect(run)),
        "card": write_card(run, tmp_path / "card.html").read_text(),
        "model_analysis": repr(examples_table(shown_explanation(run, artifacts, types) or {}, types)),
        "schema_review": "".join(
            map(repr, (statistics_table(columns), *map(top_values_table, columns), findings_table(verdict)))
        ),
        "show": shown_in_the_terminal(run),
        "gallery": "".join(hover_marks(feature_distribution(one)) for one in columns),
    }
    leaks = {
        (place, *found)
        for place, text in told.items()
        for found in re.findall(rf"(\w+)-of-({'|'.join(HIDDEN)})\b", text)
    }
    to_correct = {(place, "finding", one) for place in ("page", "schema_review", "show") for one in ("email", "income")}
    assert leaks == to_correct
    said = {found for text in told.values() for found in re.findall(r"(\w+)-of-speed", text)}
    assert said == {"key", "part", "weak", "cell", "more", "less", "finding", "commonest"}
    assert NOT_SHOWN in told["page"]


def test_the_record_of_a_blocked_run_tells_no_hidden_value(tmp_path: Path) -> None:
    """It is sent to people and to a catalogue, and stands on the front page."""
    finding = Finding("enum_type_unexpected_string_values", "", "train", "schema: domain", "one of 'a'", "")
    verdict = DataVerdict(
        tuple(replace(finding, feature=name, found=f"'{name}@example.org' in 3 rows") for name in (*HIDDEN, *SEEN))
    )
    run = with_gate(complete_run(tmp_path), verdict)
    reason = why_blocked(replace(run, properties=run.properties | {"config": json.dumps(CONFIG)}))
    assert re.findall(r"(\w+)@example.org", reason) == [*SEEN]
    assert reason.count(f"found {NOT_SHOWN}") == len(HIDDEN)


def test_columns_keep_their_shape_and_lose_single_values() -> None:
    bars = {"train": [(271.0, 300.0, 0.5), (300.0, 471.0, 0.5)], "eval": [(261.0, 461.0, 1.0)]}
    splits = {
        name: SplitStatistics(
            9, 0.0, top=[("ann@example.org", 0.1)], low=271.0, median=311.0, high=471.0, mean=4.0, bars=of
        )
        for name, of in bars.items()
    }
    column = Column("email", "float", True, splits)
    (found,) = columns_without_values([column], frozenset(["email"])) or []
    assert [(one.top, one.low, one.median, one.high, one.mean) for one in found.splits.values()] == 2 * [
        ([], *3 * [None], 4.0)
    ]
    assert outlines(found) == pytest.approx(outlines(column))
    assert found.splits["eval"].bars == [(0.0, pytest.approx(200 / 210), 1.0)]
    assert found.splits["train"].bars[1][1] == 1.0
    assert columns_without_values(None, frozenset(["email"])) is None
    assert without_values(None, frozenset(["email"])) is None
