"""Numbers, shares and moments as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.config.number_text import bound_text as bound_text
from pipeline.config.spans import span_name
from pipeline.evaluation.number_text import NOTHING as NOTHING
from pipeline.evaluation.number_text import number as number
from pipeline.evaluation.number_text import quantity_text
from pipeline.guard.findings import percent


def signed(value: float) -> str:
    """Return a difference of two metrics."""
    size = number(abs(value))
    return size if size == number(0.0) else ("+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else "") + size


def interval(ends: Sequence[float] | None, of_difference: bool = False) -> str:
    """Write from and to; of a difference with signs."""
    if not ends:
        return NOTHING
    return " to ".join(signed(end) if of_difference else number(end) for end in ends)


def share(value: float | None) -> str:
    """Return a part of the whole, in percent."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return percent(value)


def quantity(value: float | None, kind: str = "") -> str:
    """Return a value of a column; one of a timestamp column as a date and time."""
    if value is None or math.isnan(value):
        return NOTHING
    if kind == "timestamp":
        return moment(value)
    return quantity_text(value)


def cell(value: str | float | None, kind: str = "") -> str:
    """Write the value of a row in a column."""
    if value is None:
        return "missing"
    if kind in ("boolean", "bool") and value in (0, 1):
        return "true" if value else "false"
    return value if isinstance(value, str) else quantity(value, kind)


def count_of(value: int | None) -> str:
    """Write how many."""
    return NOTHING if value is None else f"{value:,}"


def distinct_text(value: int | None) -> str:
    """Return how many different values; TFDV counts them up to `EXACT_VALUES`, and estimates more."""
    from pipeline.data.statistics_files import EXACT_VALUES  # with pyarrow, which the terminal can do without

    return ("about " if value is not None and value >= EXACT_VALUES else "") + count_of(value)


def distance(moved: tuple[float, str]) -> str:
    """Return the greatest distance of a column and the span, or 'serving', where that is."""
    value, where = moved
    return f"drift {value:.2f} in span {span_title(where)}" if where.isdecimal() else f"skew {value:.2f} in {where}"


def span_title(span: str) -> str:
    """Return a span of a distance as people name it, its day where it is one; 'serving' stays."""
    return span_name(int(span)) if span.isdecimal() else span


def spread(value: float | None, kind: str = "") -> str:
    """Return a difference of two values of a column; one of a timestamp column in days."""
    if kind == "timestamp" and value is not None and math.isfinite(value):
        return f"{value / 86_400:.4g}\N{NO-BREAK SPACE}days"
    return quantity(value)


def moment(value: float | str) -> str:
    """Return seconds since 1970 or an ISO date and time, to the minute; what is neither stays as it is."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return str(value)
    return f"{at:%Y-%m-%d %H:%M}"


def settings_text(values: Mapping[str, Any]) -> str:
    """Write settings in one line, as people do: `weights train 8 eval 2, refit yes`."""
    return ", ".join(f"{name} {_setting(value)}" for name, value in values.items())


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_setting(one)}" for name, one in value.items() if one)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "-".join(map(str, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)
