"""Numbers that people read in sentences, with every digit: bounds, values, how many there are of something."""

from __future__ import annotations

from struct import pack, unpack

_FEW, _MOST_OF_FOUR_BYTES = 12, 3.4e38


def bound_text(value: float) -> str:
    """Write a bound, or a value, with all of its digits: 1e+06 for 1048576 would refuse what it seems to allow."""
    if not (isinstance(value, int) or float(value).is_integer()) or abs(value) >= 1 << 63:
        return f"{as_meant(float(value)):,}"
    return f"{int(value):,}" if abs(value) >= 10_000 else str(int(value))  # a year has no comma


def as_meant(value: float) -> float:
    """Return 0.1 for 0.10000000149011612: of a number with many digits the shortest one that four bytes keep as it."""
    if isinstance(value, int) or len(repr(value)) <= _FEW:
        return value
    for digits in range(6, 10):
        short = float(f"{value:.{digits}g}")
        if abs(short) < _MOST_OF_FOUR_BYTES and unpack("f", pack("f", short)) == (value,):
            return short
    return value


def count_text(count: int, noun: str) -> str:
    """Return `1 row`, `2,001 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
