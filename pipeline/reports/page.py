"""The page of a run: collect plain data, render it, write it. One self-contained HTML file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import accumulate
from json import loads
from pathlib import Path
from typing import Any

from pipeline.files import write_whole
from pipeline.guard.findings import DataVerdict
from pipeline.guard.rows import Source
from pipeline.lineage.artifact_names import CURVES_FILE, EVAL_CONFIG_FILE, SUMMARY_FILE, VERDICT_FILE
from pipeline.lineage.own_outputs import Output, own_outputs
from pipeline.lineage.records import Step
from pipeline.lineage.runs import Run
from pipeline.lineage.trends import Trend
from pipeline.reports import by_class, figures, model_figures, plots
from pipeline.reports.artifacts import Anomaly, Artifacts, Column, recorded
from pipeline.reports.champion import champion_sentence
from pipeline.reports.curve_numbers import LEVEL, half_width, how_far_off, number_tables, of_a_new_row
from pipeline.reports.decide import Decision, decision, on_record
from pipeline.reports.gate import gate_anomalies, greatest_distances, heat_map
from pipeline.reports.headline import Headline, headline
from pipeline.reports.infra import Infra, headline_after_check, infra_section
from pipeline.reports.judgement import FEW_ROWS, Judgement, judge
from pipeline.reports.listing import list_columns, most_notable_first
from pipeline.reports.metric_words import is_within_noise, what_it_says
from pipeline.reports.model_card import Card, card_of
from pipeline.reports.page_places import pushed_place
from pipeline.reports.page_sections import in_order
from pipeline.reports.personal import shown_columns, shown_explanation, shown_verdict
from pipeline.reports.rendering import safe_json, templates
from pipeline.reports.rules import MOST_RULES
from pipeline.reports.single_rows import row_key, row_kind, waterfall, with_places
from pipeline.reports.training import best_epoch, epoch_marks, loss_curves, training_story
from pipeline.reports.tuning import Rewritten, Tuning, rewriting_section, tuning_figure, tuning_section
from pipeline.reports.what_now import Around, WhatNow, what_now
from pipeline.reports.why import Why, why
from pipeline.reports.worst_slices import worst_slices
from pipeline.serving.verdict import ServingVerdict
from trainer.artifact_names import HISTORY_FILE, HYPERPARAMETERS_FILE

SHOWN_AT_ONCE = 200
"""Columns of each kind. A wider table is turned over like pages by a script; without it, the most notable are shown."""
MOST_DRIFTING = 40
"""Columns in the heat map."""
MOST_ANOMALIES = 500
"""In their table; each column says its own besides."""


@dataclass(frozen=True)
class LineagePage:
    """A file beside the page; `longhaul lineage` draws it when somebody wants it."""

    name: str
    is_there: bool


SourceOf = Callable[[Mapping[str, Any] | None], Source | None]
"""Tells from what ExampleGen counted where a run's rows came from."""


@dataclass(frozen=True)
class Page:
    """All that the template shows. What was not computed is None."""

    run: Run
    verdict: Headline
    now: WhatNow | None
    front: str
    options: Sequence[str]
    ingestion: dict[str, Any] | None
    judgement: Judgement | None
    infra: Infra | None
    curves: dict[str, Any] | None
    decision: Decision | None
    explanation: dict[str, Any] | None
    why: Why
    card: Card
    history: dict[str, Any] | None
    hyperparameters: dict[str, Any] | None
    tuning: Tuning | None
    rewriting: list[Rewritten]
    schema: dict[str, str]
    gate: DataVerdict | None
    anomalies: dict[str, list[Anomaly]] | None
    columns: list[Column] | None
    packages: dict[str, str]
    lineage: LineagePage
    own: list[Output]
    problems: list[str]
    trends: Sequence[Trend] = ()


def write_report(
    run: Run,
    path: Path,
    source: SourceOf | None = None,
    around: Around | None = None,
    trends: Sequence[Trend] = (),
    options: Sequence[str] = (),
) -> Path:
    """Write the page to `path`, whole or not at all.

    Args:
        source: tells where the run's rows came from; None where that cannot be known.
        around: what is known beside the run; None far from its workspace.
        trends: in which the run's model stands (pipeline.lineage.trends).
        options: of commands, where nothing is known beside the run.

    Raises:
        WorkspaceError: it cannot be written there.
    """
    page = replace(collect(run, path.parent, source, around, options), trends=trends)
    return write_whole(render(page), path, "report", "name another file with --output")


def collect(
    run: Run,
    folder: Path = Path(),
    source: SourceOf | None = None,
    around: Around | None = None,
    options: Sequence[str] = (),
) -> Page:
    """Read what the run left; what is missing stays None.

    Args:
        folder: where the page will lie.
        source, around, options: see `write_report`.
    """
    artifacts, options = Artifacts(run), around.options if around else options
    ingestion = artifacts.json("Examples", SUMMARY_FILE)
    verdict = artifacts.json("ModelEvaluation", VERDICT_FILE)
    judgement = judge(verdict, artifacts.json("ModelEvaluation", EVAL_CONFIG_FILE), champion_sentence(run, verdict))
    gate, anomalies = artifacts.gate(), artifacts.anomalies()
    gate = gate and shown_verdict(run, gate)
    history = artifacts.json("ModelRun", HISTORY_FILE)
    lineage = f"{run.run_id}-lineage.html"
    is_explained = verdict is not None and "confidence" in verdict  # an older evaluation left nothing but a verdict
    infra = ServingVerdict.from_json(run.infra_verdict) if run.infra_verdict else None
    if gate:  # it judged what ExampleValidator found, and more
        anomalies = {split: [] for split in anomalies or {}} | gate_anomalies(gate)
    curves = artifacts.json("ModelEvaluation", CURVES_FILE) if is_explained else None
    types = (ingestion or {}).get("columns", {})
    config = recorded(run.properties)
    explanation = shown_explanation(run, artifacts, types) if is_explained else None
    if source and explanation:
        explanation = with_places(explanation, source(ingestion), config, ingestion or {})
    return Page(
        run=run,
        verdict=headline_after_check(headline(run, verdict, judgement, gate), infra),
        now=what_now(
            run, gate, around, blessed=verdict["blessed"] if verdict else None, fit=infra.blessed if infra else None
        ),
        front=around.front if around else "",
        options=options,
        infra=infra_section(infra),
        ingestion=ingestion,
        judgement=judgement,
        curves=curves,
        decision=decision(curves, on_record(verdict)),
        explanation=explanation,
        why=why(run.run_id, verdict, judgement, explanation, gate, ingestion or {}, options),
        card=card_of(run, ingestion, history, verdict, judgement),
        history=history,
        hyperparameters=artifacts.optional_json("ModelRun", HYPERPARAMETERS_FILE),
        tuning=tuning_section(artifacts),
        rewriting=rewriting_section(artifacts),
        schema=artifacts.schema(),
        gate=gate,
        anomalies=anomalies,
        columns=shown_columns(run, artifacts, types),
        packages=loads(run.properties.get("package_versions", "{}")),
        lineage=LineagePage(lineage, (folder / lineage).is_file()),
        own=own_outputs(run, config.get("steps") or ()),
        problems=artifacts.problems,
    )


def render(page: Page) -> str:
    """Return the page as HTML. Whatever comes from the user is escaped, because everything is."""
    from markupsafe import Markup

    found = templates()
    history = page.history or {}
    curves = loss_curves(history)
    moved = (page.gate.drift, page.gate.skew) if page.gate else ()
    anomalies = [anomaly for found in (page.anomalies or {}).values() for anomaly in found]
    anomalies.sort(key=lambda anomaly: anomaly.severity != "block")
    entries = list_columns(page.columns or [], anomalies, greatest_distances(*moved))
    is_wide = len(entries) > SHOWN_AT_ONCE
    curves_of_model = model_figures.curve_figures(page.curves, _metric_values(page.judgement))
    scripts = [found.get_template(name).render() for name in _scripts(page)]
    shown, not_computed = _sections(page)
    return found.get_template("page.html.j2").render(
        sections=shown,
        not_computed=not_computed,
        by_class=by_class.classes_of(page.curves, page.judgement.confidence if page.judgement else 0.95),
        worst_pairs=by_class.worst_pairs(page.curves),
        tenths=by_class.tenths_of(page.curves),
        number_tables=number_tables(page.curves),
        how_far_off=[*filter(None, (how_far_off(page.curves), of_a_new_row(page.curves, LEVEL)))],
        single=(half_width(page.curves, LEVEL), f"{100 * LEVEL:g}"),
        decide_data=Markup(safe_json(page.decision.data())) if page.decision else "",
        counts={
            "anomalies": len(anomalies),
            "slices": _count_slices(page.judgement),
            "columns": len(page.columns or []),
            "steps": len(page.run.steps),
        },
        page=page,
        run=page.run,
        bars=_bars([*page.run.steps, *page.run.not_reached]),
        curves=curves,
        training_story=training_story(history),
        epoch_marks=epoch_marks(history),
        has_least=best_epoch(history) > 0,
        curve_chart=plots.embed(figures.training_curves(curves, best_epoch(history)), "training") if curves else None,
        tuning_chart=plots.embed(tuning_figure(page.tuning), "tuning")
        if page.tuning and len(page.tuning.trials) > 1
        else None,
        all_anomalies=anomalies,
        most_anomalies=MOST_ANOMALIES,
        heat_map=heat_map(*moved, most=MOST_DRIFTING),
        entries=most_notable_first(entries) if is_wide else entries,
        is_wide=is_wide,
        shown_at_once=SHOWN_AT_ONCE,
        outlines=plots.outlines,
        box=(plots.WIDTH, plots.HEIGHT),
        few_rows=FEW_ROWS,
        most_rules=MOST_RULES,
        row_kind=row_kind,
        row_key=row_key,
        waterfall=waterfall,
        worst_slices=worst_slices(page.judgement),
        metric_words=_metric_words(page.judgement),
        is_within_noise=is_within_noise,
        pushed_place=pushed_place(page.run),
        pictures={
            name: plots.embed(figure, f"model-{place}") for place, (name, figure) in enumerate(curves_of_model.items())
        },
        importance_chart=plots.embed(model_figures.importance_figure(page.explanation["importance"]), "importance")
        if page.explanation and page.explanation.get("importance")
        else None,
        scripts=[Markup(script) for script in scripts],
        script_digests=[b64encode(sha256(script.encode()).digest()).decode() for script in scripts],
    )


def _metric_values(judgement: Judgement | None) -> dict[str, float]:
    return {metric.name: metric.value for metric in judgement.metrics if not metric.undefined} if judgement else {}


def _metric_words(judgement: Judgement | None) -> dict[str, str]:
    words = {metric.name: what_it_says(metric.name) for metric in judgement.metrics} if judgement else {}
    return {name: text for name, text in words.items() if text}


def _scripts(page: Page) -> list[str]:
    """Return those that the page has work for."""
    has_slices = page.judgement and page.judgement.slice_groups
    wanted = {"decide.js": page.decision, "columns.js": page.columns, "sort.js": has_slices, "layout.js": True}
    return [name for name, is_wanted in wanted.items() if is_wanted]


def _sections(page: Page) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return the sections that have something to show, what stopped the run first, and the titles of the others."""
    is_there = {
        "metrics": page.judgement,
        "next": page.why.next_steps,
        "slices": page.judgement,
        "decide": page.decision,
        "curves": page.curves,
        "importance": page.explanation,
        "infra": page.infra,
        "tuning": page.tuning,
        "training": page.history or page.rewriting,
        "anomalies": page.anomalies is not None or page.gate,
        "drift": page.gate,
        "columns": page.columns,
        "own": page.own,
    }
    return in_order(is_there, "anomalies" if page.run.status == "blocked" else "")


def _count_slices(judgement: Judgement | None) -> int:
    return sum(len(group.slices) + group.left_out for group in judgement.slice_groups) if judgement else 0


def _bars(steps: list[Step]) -> list[tuple[Step, float, float]]:
    """Return each step with where it begins and how long it takes, as shares of all; steps ran one after the other."""
    total = sum(step.seconds for step in steps) or 1.0
    begun = accumulate((step.seconds for step in steps), initial=0.0)
    return [(step, before / total, step.seconds / total) for step, before in zip(steps, begun, strict=False)]
