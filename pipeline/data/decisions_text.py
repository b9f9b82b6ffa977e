"""What became of labels that people decided, in words; apart, since pages and lists need no reader of tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

PROPERTY = "label_decisions"
"""Of the summary, and custom property of Examples: what became of the decisions, as JSON."""


def decisions_digest(told: Mapping[str, Any]) -> str:
    """Return a digest of what ingestion applies (pipeline.data.decided_labels.Decisions.told); "" of nothing."""
    return hashlib.sha256(json.dumps(dict(told), sort_keys=True).encode()).hexdigest()[:16] if told else ""


def decisions_text(summary: Mapping[str, Any] | None) -> str:
    """Say what became of decisions: `12 changed and 3 rows dropped as people decided (A. Meyer 15)`; "" of none."""
    if not summary:
        return ""
    who = ", ".join(f"{name} {count:,}" for name, count in summary["reviewers"].items() if count)
    rows = "1 row" if summary["dropped"] == 1 else f"{summary['dropped']:,} rows"
    lost = summary["not_found"]
    missed = f"; {lost:,} decision{'' if lost == 1 else 's'} found no training row" if lost else ""
    return f"{summary['relabelled']:,} changed and {rows} dropped as people decided{f' ({who})' if who else ''}{missed}"
