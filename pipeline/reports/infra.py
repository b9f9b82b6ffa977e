"""What the check before the push found, for the page."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.reports.headline import Headline
from pipeline.serving.verdict import ServingVerdict

_MB = 1_000_000


@dataclass(frozen=True)
class Comparison:
    """How far predictions differ from those of `serving_default`."""

    what: str
    difference: float
    held: bool


@dataclass(frozen=True)
class Latency:
    """Requests of one size by one signature; milliseconds."""

    signature: str
    batch: str
    p50_ms: float
    p99_ms: float
    calls: int
    budget_ms: float | None
    held: bool


@dataclass(frozen=True)
class Figure:
    """A size with its limit, as text; `held` is None without a limit."""

    what: str
    value: str
    limit: str
    held: bool | None


@dataclass(frozen=True)
class Infra:
    """The section; `failures` in full, none of a model that is fit."""

    failures: list[str]
    comparisons: list[Comparison]
    tolerance: float
    latencies: list[Latency]
    figures: list[Figure]


def infra_section(verdict: ServingVerdict | None) -> Infra | None:
    """Return None where no model was asked."""
    if verdict is None:
        return None
    latencies = [
        Latency(
            signature, size, found["p50_ms"], found["p99_ms"], int(found["calls"]), verdict.p99_ms[size],
            (budget := verdict.p99_ms[size]) is None or found["p99_ms"] <= budget,
        )
        for signature, by_size in verdict.latency.items()
        for size, found in by_size.items()
    ]  # fmt: skip
    figures = [
        _size("SavedModel", verdict.size_bytes, verdict.max_size_mb),
        _size("Memory of the process that served it (peak)", verdict.memory_bytes, verdict.max_memory_mb),
        _size("TensorFlow alone", verdict.memory_before_bytes, None),
        _duration("Loading", verdict.load_s),
        _duration("First request", verdict.first_call_s),
        _waiting(verdict),
    ]
    return Infra(
        failures=verdict.failures,
        comparisons=[
            Comparison(_in_words(what), difference, difference <= verdict.tolerance)
            for what, difference in verdict.differences.items()
        ],
        tolerance=verdict.tolerance,
        latencies=latencies,
        figures=[figure for figure in figures if figure],
    )


def headline_after_check(headline: Headline, verdict: ServingVerdict | None) -> Headline:
    """Return what stands on top of the page: a model that no check lets pass is not shipped, however good it is."""
    if not headline.good or verdict is None or verdict.blessed:
        return headline
    return Headline(False, "Not pushed: not fit to serve", list(verdict.failures))


def _size(what: str, found: int | None, most_mb: float | None) -> Figure | None:
    if found is None:
        return None
    limit = "" if most_mb is None else f"at most {most_mb:g} MB"
    return Figure(what, f"{found / _MB:,.1f} MB", limit, None if most_mb is None else found <= most_mb * _MB)


def _in_words(compared: str) -> str:
    """Return a title; a signature's name stays as it is written."""
    return compared if compared.isidentifier() else f"{compared[:1].upper()}{compared[1:]}"


def _waiting(verdict: ServingVerdict) -> Figure | None:
    """Draw it for a verdict that knows it; those of earlier versions do not."""
    if not any("waited" in found for by_size in verdict.latency.values() for found in by_size.values()):
        return None
    what = "Time that requests waited for a core of a busy machine, not counted above (at most)"
    return Figure(what, f"{verdict.waited:.0%}", "", None)


def _duration(what: str, seconds: float | None) -> Figure | None:
    return None if seconds is None else Figure(what, f"{seconds:,.2f} s", "", None)
