"""The sentence about the champion, each way it can come; and that of rows on which it was trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.lineage.records import Artifact
from pipeline.lineage.runs import Run
from pipeline.reports.champion import bound_sentences, champion_sentence, judged_notes, training_sentence

ALONE = "judged by absolute thresholds only"
ASIDE = {"name": "champion run 7", "why": "its task is binary, not multiclass"}
COMPARED = {"champion": {"auc": 0.7}, "champion_name": "champion run 7"}


def run(folder: Path, served: dict[str, Any] | str | None, digest: str = "mine", **verdict: Any) -> Run:
    """A run of which Evaluator said `verdict`; `served` is what served when it began, "unrecorded" of older ones."""
    said = {"blessed": True, "champion": None, "metrics": {"example_count": 5.0}} | verdict
    (folder / "verdict.json").write_text(json.dumps(said))
    properties = {} if served == "unrecorded" else {"served": json.dumps(served) if served else ""}
    made = {
        "Trainer": [Artifact("Model", "", {"model_digest": digest})],
        "Evaluator": [Artifact("ModelEvaluation", str(folder), {})],
    }
    return replace(Run("9", "toy", "complete", "", 0.0, "", properties), artifacts=made)


SERVED = {"version": 3, "digest": "another", "run_id": "7"}
ITSELF = SERVED | {"digest": "mine"}


@pytest.mark.parametrize(
    ("served", "verdict", "sentence"),
    [
        (None, {}, f"no champion yet: {ALONE}"),
        (SERVED, COMPARED, "compared with champion run 7, which serves as version 3"),
        (None, COMPARED, "compared with champion run 7, blessed last; no model serves"),
        (ITSELF, {}, "this model is the champion itself: it serves as version 3"),
        (
            ITSELF,
            COMPARED,
            "this model is the champion itself: it serves as version 3; when it was judged, it was compared with "
            "champion run 7",
        ),
        (
            ITSELF,
            {"set_aside": ASIDE},
            "this model is the champion itself: it serves as version 3; when it was judged, champion run 7 was set "
            "aside: its task is binary, not multiclass",
        ),
        (
            SERVED,
            {"set_aside": ASIDE},
            "the champion is set aside: champion run 7, which serves as version 3: its task is binary, not multiclass; "
            + ALONE,
        ),
        (
            SERVED,
            {},
            "version 3 serves, and nothing here knows what it is (no manifest that can be read, or files that are not "
            f"those of its manifest): {ALONE}",
        ),
        ("unrecorded", COMPARED, "compared with champion run 7"),
        ("unrecorded", {}, f"no champion yet: {ALONE}"),
    ],
)
def test_it_says_what_happened(tmp_path: Path, served: Any, verdict: dict[str, Any], sentence: str) -> None:
    told = run(tmp_path, served, **verdict)
    assert champion_sentence(told, told.verdict) == sentence


def test_without_a_verdict_there_is_nothing_to_say() -> None:
    assert champion_sentence(Run("9", "toy", "blocked", "", 0.0, "", {}), None) == ""


def test_an_older_verdict_s_note_is_not_said_beside_it() -> None:
    verdict = {"notes": [f"no champion yet: {ALONE}", "auc on a=b is not judged: there are no such rows"]}
    assert judged_notes(verdict) == ["auc on a=b is not judged: there are no such rows"]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (None, ""),
        ({"seen": 0}, ""),
        ({"seen": 4}, "4 of 5 rows that judge champion run 7 were in its training split: its figures are flattered"),
        ({"seen": None}, "nothing tells whether champion run 7 was trained on rows that judge it"),
    ],
)
def test_rows_that_the_champion_knew_are_counted(seen: Any, said: str) -> None:
    found = training_sentence(COMPARED | {"seen": seen, "metrics": {"example_count": 5.0}})
    assert found.startswith(said)
    assert bool(found) == bool(said)


@pytest.mark.parametrize(
    ("against", "model", "told"),
    [
        ("champion", "champion run 7", False),
        ("first", "champion run 7", True),
        ("first", "the model of run 1", True),
    ],
)
def test_who_sets_the_bound_is_told_where_others_than_the_champion_could(against: str, model: str, told: bool) -> None:
    """Where the first model was the champion, the page named the champion and not why."""
    bounds = {"auc": {"model": model, "value": 0.7}}
    verdict = {"against": against, "champion_name": "champion run 7", "bounds": bounds}
    sentence = (
        f"may_lose of auc is measured from {model}, which has 0.7000 on these rows (evaluation.against: {against})"
    )
    assert bound_sentences(verdict) == ([sentence] if told else [])
