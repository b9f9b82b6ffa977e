"""The sections of a run's page, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OF_SOME = ("tuning", "decide", "next", "own")
"""Sections that not every run has: nobody misses them."""
SECTIONS = [
    (id_, title, f"{id_}.html.j2")
    for id_, title in {
        "run": "Run and data",
        "metrics": "Metrics",
        "next": "What to try next",
        "slices": "Slices",
        "decide": "Decide",
        "curves": "Curves",
        "importance": "What the model looks at",
        "infra": "Serving",
        "tuning": "Tuning",
        "training": "Training",
        "anomalies": "Anomalies",
        "drift": "Drift",
        "columns": "Columns",
        "steps": "Steps",
        "own": "Your own steps",
        "provenance": "Provenance",
        "card": "Model card",
    }.items()
]
"""Id, title and template of each section, in the page's order."""


def in_order(is_there: Mapping[str, Any], first: str = "") -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return the sections that have something to show, and the titles of those that are missed.

    Args:
        is_there: by id, whatever is true where there is something; a section that it does not name is always there.
        first: the id of the one that goes before the others.
    """
    shown = [section for section in SECTIONS if is_there.get(section[0], True)]
    shown.sort(key=lambda section: section[0] != first)
    missing = [title for id_, title, _ in SECTIONS if not is_there.get(id_, True) and id_ not in OF_SOME]
    return shown, missing
