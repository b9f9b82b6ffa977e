"""What became of the champion in a run, in a sentence: for the terminal, the report and the model card.

A step that is taken from the cache tells what held when it worked. What served when this run began, and whether this
run's model is that one, is known of the run alone; so the sentence is made of both.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.config.evaluation import CHAMPION
from pipeline.lineage.records import SERVED
from pipeline.lineage.runs import Run

NO_CHAMPION = "no champion yet"
"""An older Longhaul wrote a note into its verdicts that begins so."""
_ALONE = "judged by absolute thresholds only"


def champion_sentence(run: Run, verdict: dict[str, Any] | None) -> str:
    """Say what the run's model was compared with, or why with nothing; empty without a verdict.

    Args:
        verdict: Evaluator's, on that model.
    """
    return _sentence(verdict, _served(run), _digest(run), SERVED in run.properties) if verdict else ""


def training_sentence(verdict: dict[str, Any]) -> str:
    """Say how many of the rows that judge the champion it was trained on; empty if none, or without a champion."""
    seen, name = verdict.get("seen"), verdict.get("champion_name") or "the champion"
    if not seen or seen["seen"] == 0:
        return ""
    if seen["seen"] is None:
        return f"nothing tells whether {name} was trained on rows that judge it: its examples are not here any more"
    rows = int(verdict["metrics"]["example_count"])
    return (
        f"{seen['seen']:,} of {rows:,} rows that judge {name} were in its training split: its figures are flattered; "
        "`split: {by: hash, columns: [key]}` keeps rows where they are when columns come and go"
    )


def bound_sentences(verdict: dict[str, Any]) -> list[str]:
    """Say of each metric whose value `may_lose` is measured from, where the configuration names other models, too."""
    against = verdict.get("against", CHAMPION)
    if against == CHAMPION:
        return []
    return [
        f"may_lose of {metric} is measured from {bound['model']}, which has {bound['value']:.4f} on these rows "
        f"(evaluation.against: {against})"
        for metric, bound in verdict.get("bounds", {}).items()
    ]


def judged_notes(verdict: dict[str, Any]) -> list[str]:
    """Return the notes of a verdict, without an older Longhaul's about the champion."""
    return [note for note in verdict.get("notes", []) if not note.startswith(NO_CHAMPION)]


def _sentence(verdict: dict[str, Any], served: dict[str, Any] | None, digest: str, run_is_new: bool) -> str:
    set_aside, name = verdict.get("set_aside"), verdict.get("champion_name") or "the champion"
    compared = bool(verdict["champion"])
    if served and served["digest"] == digest:
        itself = f"this model is the champion itself: it serves as version {served['version']}"
        if set_aside:
            return f"{itself}; when it was judged, {set_aside['name']} was set aside: {set_aside['why']}"
        return f"{itself}; when it was judged, it was compared with {name}" if compared else itself
    if set_aside:
        return f"the champion is set aside: {_named(set_aside['name'], served)}: {set_aside['why']}; {_ALONE}"
    if compared:
        nothing_serves = run_is_new and not served
        return f"compared with {_named(name, served)}" + (", blessed last; no model serves" if nothing_serves else "")
    if served:
        return (
            f"version {served['version']} serves, and nothing here knows what it is (no manifest that can be read, or "
            f"files that are not those of its manifest): {_ALONE}"
        )
    return f"{NO_CHAMPION}: {_ALONE}"


def _named(name: str, served: dict[str, Any] | None) -> str:
    """Return the champion with its version, where one serves."""
    if served is None:
        return name
    return f"{name}, which serves as version {served['version']}"


def _served(run: Run) -> dict[str, Any] | None:
    """Return what served when the run began; None where nothing did, and of a run of an older Longhaul."""
    text = run.properties.get(SERVED)
    return json.loads(text) if text else None


def _digest(run: Run) -> str:
    """Return the digest of the run's model."""
    models = [artifact for artifact in run.artifacts.get("Trainer", []) if artifact.type == "Model"]
    return str(models[0].properties.get("model_digest", "")) if models else ""
