"""A metric as people read it, in verdicts and on pages."""

from __future__ import annotations

import math

NOTHING = "\N{EN DASH}"
"""Stands where there is no number."""


def number(value: float | None) -> str:
    """Write a metric with four digits after the point, and fewer for large values."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:,.{4 if abs(value) < 10 else 2 if abs(value) < 1000 else 0}f}"
    return text.lstrip("-") if text == "-0.0000" else text


def quantity_text(value: float) -> str:
    """Write a value of a column: whole from 1,000 on, four digits below."""
    whole = math.isfinite(value) and (value == round(value) or abs(value) >= 1000) and abs(value) < 1e12
    if not whole:
        return f"{value:.4g}"
    return f"{value:.0f}" if abs(value) < 10_000 else f"{value:,.0f}"  # a year has no comma
