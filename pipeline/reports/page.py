"""The page of a run: collect plain data, render it, write it. One self-contained HTML file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import accumulate
from json import loads
from pathlib import Path
from typing import Any

from pipeline.config import PipelineConfig
from pipeline.errors import DiskFullError, WorkspaceError, tells_of_full_disk
from pipeline.lineage.runs import Run, Step
from pipeline.reports import formats, plots
from pipeline.reports.artifacts import Anomaly, Artifacts, Column
from pipeline.reports.judgement import FEW_ROWS, Judgement, Verdict, headline, judge

MAX_PICTURES = 60
"""A table with more columns is shown without their histograms."""


@dataclass(frozen=True)
class Page:
    """All that the template shows. What was not computed is None."""

    run: Run
    verdict: Verdict
    ingestion: dict[str, Any] | None
    judgement: Judgement | None
    history: dict[str, Any] | None
    anomalies: dict[str, list[Anomaly]] | None
    columns: list[Column] | None
    packages: dict[str, str]
    problems: list[str]


def page_path(config: PipelineConfig, run_id: str) -> Path:
    """Where a run's page lies in the workspace."""
    return config.root / "reports" / f"{run_id}.html"


def write_report(run: Run, path: Path) -> Path:
    """Writes the page to `path`, whole or not at all.

    Raises:
        WorkspaceError: it cannot be written there.
    """
    html = render(collect(run))
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(html, encoding="utf-8", errors="replace")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as exc:
        if tells_of_full_disk(str(exc)):
            raise DiskFullError(path.parent) from exc
        raise WorkspaceError(
            f"the report {path} cannot be written: {exc.strerror}", "name another file with --output"
        ) from exc
    return path


def collect(run: Run) -> Page:
    """Reads what the run left; what is missing stays None."""
    artifacts = Artifacts(run)
    ingestion = artifacts.json("Examples", "ingestion.json")
    verdict = artifacts.json("ModelEvaluation", "verdict.json")
    judgement = judge(verdict, artifacts.json("ModelEvaluation", "eval_config.json"))
    return Page(
        run=run,
        verdict=headline(run, verdict, judgement),
        ingestion=ingestion,
        judgement=judgement,
        history=artifacts.json("ModelRun", "history.json"),
        anomalies=artifacts.anomalies(),
        columns=artifacts.columns((ingestion or {}).get("columns", {})),
        packages=loads(run.properties.get("package_versions", "{}")),
        problems=artifacts.problems,
    )


def render(page: Page) -> str:
    """The page as HTML. Whatever comes from the user is escaped, because everything is."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("pipeline", "templates/report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for show in (formats.number, formats.signed, formats.share, formats.quantity, formats.moment):
        templates.filters[show.__name__] = show
    history = page.history or {}
    curves = {label: history[key] for key, label in _CURVES.items() if history.get(key)}
    pictured = page.columns if page.columns and len(page.columns) <= MAX_PICTURES else []
    return templates.get_template("page.html.j2").render(
        sections=_SECTIONS,
        page=page,
        run=page.run,
        bars=_bars(page.run.steps),
        curves=curves,
        curve_chart=plots.line_chart("training", curves, history.get("kept_epoch", 0)) if curves else None,
        outlines={column.name: plots.outlines(column) for column in pictured},
        box=(plots.WIDTH, plots.HEIGHT),
        few_rows=FEW_ROWS,
        max_pictures=MAX_PICTURES,
    )


_SECTIONS = [
    (id_, title, f"{id_}.html.j2")
    for id_, title in {
        "run": "Run and data",
        "metrics": "Metrics",
        "slices": "Slices",
        "training": "Training",
        "anomalies": "Anomalies",
        "columns": "Columns",
        "steps": "Steps",
        "provenance": "Provenance",
    }.items()
]
"""Id, title and template of each section, in the page's order."""
_CURVES = {"loss": "training loss", "val_loss": "validation loss"}


def _bars(steps: list[Step]) -> list[tuple[Step, float, float]]:
    """Each step with where it begins and how long it takes, as shares of all; steps ran one after the other."""
    total = sum(step.seconds for step in steps) or 1.0
    begun = accumulate((step.seconds for step in steps), initial=0.0)
    return [(step, before / total, step.seconds / total) for step, before in zip(steps, begun, strict=False)]
