"""The front page of a workspace: what serves, which runs there were and what came of each. One file, for `file://`.

It is written from the contexts of the runs alone, which one query reads, so that it costs a run next to nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ml_metadata import MetadataStore

from pipeline.config.evaluation import Evaluation
from pipeline.config.loading import options_of
from pipeline.config.model_settings import ModelSettings
from pipeline.files import write_whole
from pipeline.guard.findings import MOST_REASONS
from pipeline.lineage.records import REPEATS
from pipeline.lineage.store import open_existing_store
from pipeline.lineage.summary import BLESSED, Listed, list_summaries
from pipeline.reports.front_charts import Chart, chart
from pipeline.reports.front_settings import differing_settings
from pipeline.reports.page_places import FRONT, PRODUCTION, front_path
from pipeline.reports.rendering import safe_json, templates
from pipeline.serving.approvals import Request, waiting
from pipeline.serving.versions import Manifest, serving_manifest, serving_version

MOST_METRICS = 3
"""As columns of the table; a comparison shows all."""
_BAD = {"blocked", "failed", "interrupted", "died"}


@dataclass(frozen=True)
class FrontRun:
    """A run as a line of the table.

    Attributes:
        outcome: its verdict, or how it ended.
        good: True for a blessed model, False for what went wrong, None for neither.
        reason: why it went wrong, a line each; all but `shown` are folded.
        links: {what: file beside this page}.
        repeats: the run whose outcome this one took over, because nothing had changed.
    """

    listed: Listed
    outcome: str
    good: bool | None
    reason: list[str]
    links: dict[str, str]
    repeats: str
    serves: bool

    @property
    def shown(self) -> list[str]:
        """The first line, and the remedy of an error."""
        return [*self.reason[:1], *(line for line in self.reason[1:] if line.lstrip().startswith("Remedy: "))]

    @property
    def folded(self) -> list[str]:
        """The other lines."""
        return [line for line in self.reason if line not in self.shown]


@dataclass(frozen=True)
class Served:
    """The version that serves now."""

    version: str
    manifest: Manifest | None


@dataclass(frozen=True)
class Front:
    """All that the template shows. `measured`: each metric of any run, judged ones first; `metrics`: some of them."""

    pipeline: str
    options: tuple[str, ...]
    written: str
    served: Served | None
    last_good: FrontRun | None
    last: FrontRun | None
    runs: list[FrontRun]
    waiting: list[Request]
    metrics: list[str]
    measured: list[str]
    charts: list[Chart]
    production: str
    others: list[str]


def write_front(settings: ModelSettings, store: MetadataStore | None = None) -> Path:
    """Write the front page, whole or not at all.

    Raises:
        WorkspaceError: it cannot be written, or there is no workspace.
    """
    path = front_path(settings.root)
    known = list_summaries(store or open_existing_store(settings), settings.record_name)
    return write_whole(render(collect(settings, known)), path, "front page", "free the disk, then `longhaul open`")


def refresh_front(settings: ModelSettings) -> None:
    """Write the front page after something that has been done, and that must be reported whatever becomes of a page."""
    with suppress(Exception):  # a full disk, a store that is moved away: `longhaul open` says what is wrong
        write_front(settings)


def collect(settings: ModelSettings, known: Sequence[Listed]) -> Front:
    """Gather what the page shows.

    Args:
        known: all runs, the newest first.
    """
    base = settings.serving_folder
    version = serving_version(base)
    served = Served(version, serving_manifest(base)) if version else None
    beside = {entry.name for entry in front_path(settings.root).parent.glob("*")}
    as_pushed = str(served.manifest.copy_of) if served and served.manifest and served.manifest.copy_of else version
    runs = [_run(listed, as_pushed, beside) for listed in known]
    metrics = _metrics(settings.evaluation, known)
    known_files = {FRONT, PRODUCTION, *(file for run in runs for file in run.links.values())}
    return Front(
        pipeline=settings.name,
        options=tuple(options_of(settings.root, settings.file)),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        served=served,
        last_good=next((run for run in runs if run.good), None),
        last=runs[0] if runs else None,
        runs=runs,
        waiting=waiting(base),
        metrics=metrics[:MOST_METRICS],
        measured=metrics,
        charts=[
            chart(name, runs, settings.evaluation.thresholds[name]) for name in _judged(settings.evaluation, metrics)
        ],
        production=PRODUCTION if PRODUCTION in beside else "",
        others=sorted(name for name in beside - known_files if name.endswith(".html") and not _is_of_a_run(name)),
    )


def render(front: Front) -> str:
    """Return the page as HTML. Whatever comes from the user is escaped, because everything is."""
    from markupsafe import Markup

    found = templates()
    script = found.get_template("front.js").render()
    return found.get_template("front.html.j2").render(
        front=front,
        data=Markup(safe_json(_data(front))),
        script=Markup(script),
        script_digests=[b64encode(sha256(script.encode()).digest()).decode()],
        address=quote,
    )


def _run(listed: Listed, served: str | None, beside: set[str]) -> FrontRun:
    run, summary = listed.run, listed.summary
    verdict, status = summary.verdict, run.status
    ended = status == "complete"
    outcome = (verdict or "no model") if ended else status
    good = True if ended and verdict == BLESSED else False if status in _BAD or (ended and verdict) else None
    failures = summary.judged.get("failures", [])
    repeats = run.properties.get(REPEATS, "")
    names = {
        "report": (f"{run.run_id}.html", f"{repeats}.html"),
        "card": (f"{run.run_id}-card.html", f"{run.run_id}-card.md"),
        "lineage": (f"{run.run_id}-lineage.html",),
    }
    links = {what: next(filter(beside.__contains__, files), "") for what, files in names.items()}
    links = {what: file for what, file in links.items() if file}
    serves = bool(served) and summary.pushed_version == served and not repeats
    reason = [line for line in run.reason.splitlines() if line.strip()][: MOST_REASONS + 1] or failures
    return FrontRun(listed, outcome, good, reason, links, repeats, serves)


def _is_of_a_run(name: str) -> bool:
    return name[:8].isdecimal() and name[8:9] == "-"


def _metrics(rules: Evaluation, known: Sequence[Listed]) -> list[str]:
    """Return the metrics that some run has, the judged ones first."""
    measured = dict.fromkeys(name for listed in known for name in listed.summary.metrics if name != "example_count")
    judged = [name for name in rules.thresholds if name in measured]
    return [*judged, *(name for name in measured if name not in judged)]


def _judged(rules: Evaluation, metrics: Sequence[str]) -> list[str]:
    return [name for name in metrics if name in rules.thresholds]


def _data(front: Front) -> dict[str, Any]:
    """Return what the script compares: metrics, intervals and settings of all runs."""
    alike: dict[str, int] = {}
    return {
        "runs": [_compared(run, alike) for run in front.runs],
        "metrics": front.measured,
        "settings": differing_settings([run.listed for run in front.runs]),
    }


def _compared(run: FrontRun, alike: dict[str, int]) -> dict[str, Any]:
    summary = run.listed.summary
    judged: Mapping[str, Any] = summary.judged
    return {
        "id": run.listed.run.run_id,
        "metrics": {name: _short(value) for name, value in summary.metrics.items()},
        "intervals": {name: list(map(_short, ends)) for name, ends in judged.get("intervals", {}).items()},
        "differences": {name: list(map(_short, ends)) for name, ends in judged.get("differences", {}).items()},
        "champion": str(judged.get("champion", "")).rpartition(" ")[2],
        "rows": alike.setdefault(repr(summary.same_rows), len(alike)),
        "spans": len(summary.spans),
    }


def _short(value: float | None) -> float | None:
    return None if value is None or value != value else float(f"{value:.5g}")
