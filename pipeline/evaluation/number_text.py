"""A metric as people read it, in verdicts and on pages."""

from __future__ import annotations

import math

NOTHING = "\N{EN DASH}"
"""Stands where there is no number."""


def number(value: float | None) -> str:
    """Write a metric with four digits after the point, and fewer for large values."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.{4 if abs(value) < 10 else 2 if abs(value) < 1000 else 0}f}"


def bound_text(value: float) -> str:
    """Write a bound with all of its digits, as it was set."""
    return f"{value:,.10g}"
