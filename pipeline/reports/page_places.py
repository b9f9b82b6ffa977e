"""Where the page of a run lies; nothing that draws is imported to know it."""

from __future__ import annotations

from pathlib import Path

from pipeline.lineage.records import REPEATS
from pipeline.lineage.runs import Run

FRONT = "index.html"
"""The front page of a workspace, beside the pages of its runs."""

PRODUCTION = "production.html"
"""The page of what serves, which `longhaul watch` writes."""


def production_path(root: Path) -> Path:
    """Return where the page of what serves lies."""
    return root / "reports" / PRODUCTION


def front_path(root: Path) -> Path:
    """Return where the front page of the workspace lies."""
    return root / "reports" / FRONT


def page_path(root: Path, run_id: str) -> Path:
    """Return where a run's page lies in the workspace."""
    return root / "reports" / f"{run_id}.html"


def page_of(root: Path, run: Run) -> Path:
    """Return the page that tells of a run: its own, or that of the run which it repeats."""
    own = page_path(root, run.run_id)
    repeated = page_path(root, run.properties.get(REPEATS) or run.run_id)
    return repeated if repeated.is_file() and not own.is_file() else own


def pushed_place(run: Run) -> str:
    """Return where the pushed model lies, as people are told: relative to the workspace, if it is there."""
    made = (artifact.uri.rpartition("/artifacts/")[0] for artifact in run.artifacts.get("Pusher", []))
    pushed = run.pushed or ""
    root = next((f"{one}/" for one in made if one and pushed.startswith(f"{one}/")), "")
    return pushed.removeprefix(root)
