"""Numbers that people read in sentences, with every digit: bounds, values, how many there are of something."""

from __future__ import annotations


def bound_text(value: float) -> str:
    """Write a bound, or a value, with all of its digits: 1e+06 for 1048576 would refuse what it seems to allow."""
    if not (isinstance(value, int) or float(value).is_integer()) or abs(value) >= 1 << 63:
        return f"{float(value):,}"
    return f"{int(value):,}" if abs(value) >= 10_000 else str(int(value))  # a year has no comma


def count_text(count: int, noun: str) -> str:
    """Return `1 row`, `2,001 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
