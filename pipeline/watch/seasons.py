"""Whether a loss is that of the season: rows that are harder at this time of each year, for any model.

A harder season loses more than training promised, and training anew does not help. It is told apart from harm by two
things together: rows lose no more than their own scores expect (pipeline.watch.excess), and the same weeks a year
before lost as much more than was promised then. Of a part of the rows the second is asked of the part, and the first
of all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import hypot
from typing import Any, NamedTuple

from pipeline.watch.harm import EXCESS_LOSS
from pipeline.watch.latest import goes_on
from pipeline.watch.sequences import normal_quantile
from pipeline.watch.windows import YEAR

_LEVEL = 0.95
SLICE, SEGMENT = "slice", "segment"


class Part(NamedTuple):
    """What is known of a part of a window's rows: a slice or a segment, its name, and its harm as a verdict has it."""

    kind: str
    name: str
    harm: Mapping[str, Any]


def is_season(verdict: Mapping[str, Any], verdicts: Sequence[Mapping[str, Any]], confidence: float) -> bool:
    """Return whether the harm that labels tell of a window is that of the season.

    Args:
        verdicts: of all windows and versions; confidence: of the intervals in them.
    """
    harmful = [one["metric"] for one in verdict["harm"] if goes_on(one) and one["by"] == "labels"]
    then = [one for one in verdicts if one["window"] == verdict["window"] - YEAR]
    return (
        bool(harmful)
        and _as_expected(verdict)
        and any(
            _as_expected(one) and all(_no_worse(verdict, one, metric, confidence) for metric in harmful) for one in then
        )
    )


def is_season_of_part(part: Part, verdict: Mapping[str, Any], verdicts: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the harm of a slice or a segment is that of the season: it lost as much the year before. A segment
    that another model cuts otherwise is held against the worst ones of then.

    Args:
        verdict: that the part is of; verdicts: of all windows and versions.
    """
    harm, is_of = part.harm, (part.kind, part.name, part.harm["metric"])
    then = [one for one in verdicts if one["window"] == verdict["window"] - YEAR and _as_expected(one)]
    same = [old for one in then for kind, name, old in parts_of(one) if (kind, name, old["metric"]) == is_of]
    if not same and part.kind == SEGMENT:
        others = [one for one in then if one["version"] != verdict["version"]]
        same = [old for one in others for old in one["segments"] if old["metric"] == harm["metric"]]
    return _as_expected(verdict) and any(
        "lost" in old
        and _within(harm["lost"] - harm["promised"], harm["error"], old["lost"] - old["promised"], old["error"])
        for old in same
    )


def parts_of(verdict: Mapping[str, Any]) -> list[Part]:
    """Return what is known of slices, which somebody declared, and then of segments, the worst first."""
    slices = [Part(SLICE, one["slice"], harm) for one in verdict["slices"] for harm in one["harm"]]
    return [*slices, *(Part(SEGMENT, one["segment"], one) for one in verdict["segments"])]


def _as_expected(verdict: Mapping[str, Any]) -> bool:
    """Return whether rows were tested for what they lose more than their scores expect, and do not."""
    tested = [one["harmful"] for one in verdict["harm"] if one["metric"] == EXCESS_LOSS]
    return bool(tested) and not any(tested)


def _no_worse(now: Mapping[str, Any], then: Mapping[str, Any], metric: str, confidence: float) -> bool:
    """Return whether a metric is surely no farther from its promise than it was a year before."""
    sides = [_beyond(one, metric, confidence) for one in (now, then)]
    if None in sides:
        return False
    (lost, error), (before, error_before) = sides  # type: ignore[misc]
    return _within(lost, error, before, error_before)


def _within(lost: float, error: float, before: float, error_before: float) -> bool:
    return bool(lost - before <= float(normal_quantile(_LEVEL)) * hypot(error, error_before))


def _beyond(verdict: Mapping[str, Any], metric: str, confidence: float) -> tuple[float, float] | None:
    """Return how much worse a metric is than promised, and its standard error; None where it is not known."""
    found, promised = verdict["realized"]["metrics"].get(metric), verdict["promise"].get(metric)
    interval = verdict["realized"]["intervals"].get(metric)
    if found is None or promised is None or interval is None:
        return None
    error = (interval[1] - interval[0]) / 2 / float(normal_quantile(0.5 + confidence / 2))
    return (promised - found if metric == "auc" else found - promised), error
