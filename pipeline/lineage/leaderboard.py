"""Runs filtered, sorted and compared: which was best, and which settings set it apart.

Whatever a run is filtered or sorted by has a name: one of FACTS, a metric (`auc`) or a hyperparameter (`dropout`).
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config.evaluation import lower_is_better
from pipeline.errors import PipelineError
from pipeline.lineage.summary import Listed

Value = str | float
FACTS: dict[str, Callable[[Listed], Value]] = {
    "run": lambda listed: listed.run.run_id,
    "started": lambda listed: listed.run.started,
    "status": lambda listed: listed.run.status,
    "seconds": lambda listed: listed.run.seconds,
    "verdict": lambda listed: listed.summary.verdict,
    "rows": lambda listed: float(sum(listed.summary.rows.values())),
    "spans": lambda listed: float(len(listed.summary.spans)),
    "schema": lambda listed: float(listed.run.properties.get("schema_version") or math.nan),
    "pushed": lambda listed: _yes(bool(listed.summary.pushed_version)),
    "version": lambda listed: listed.summary.pushed_version,
    "pinned": lambda listed: _yes("pinned" in listed.run.properties),
    "imported": lambda listed: _yes(listed.run.imported),
}
"""What is known of every run."""

_PERFECT = {"calibration": 1.0}  # mean prediction over mean label
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Condition:
    """`auc>0.7`: a name, a comparison, a value as it was written."""

    name: str
    sign: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read one.

        Raises:
            PipelineError: it is none.
        """
        found = re.fullmatch(r"\s*([\w.]+)\s*(>=|<=|!=|=|>|<)\s*(.*?)\s*", text)
        if not found:
            raise PipelineError(
                f"--filter {text!r} is not a condition", "write a name, one of = != > >= < <=, and a value: 'auc>0.7'"
            )
        return cls(*found.groups())

    def holds(self, listed: Listed) -> bool:
        """Compare numbers by size, texts by their letters; never of a run that lacks the value."""
        value = value_of(listed, self.name)
        if value is None:
            return False
        wanted: Value = self.value
        if isinstance(value, float):
            try:
                wanted = float(self.value)
                if math.isnan(wanted):
                    raise ValueError("nothing is larger, smaller or the same")
            except ValueError as exc:
                raise PipelineError(
                    f"--filter: {self.name} is a number, {self.value!r} is not", "write it as 0.7 or 1e-3"
                ) from exc
        return _COMPARE[self.sign](value, wanted)


def select(
    runs: Sequence[Listed],
    conditions: Iterable[str] = (),
    sort: str | None = None,
    *,
    reverse: bool = False,
    limit: int | None = None,
) -> list[Listed]:
    """Return the runs that hold all conditions, in order.

    Args:
        runs: newest first, and so they stay without `sort`.
        sort: metrics best first, everything else largest (latest) first; runs that lack the value come last.

    Raises:
        PipelineError: a condition cannot be read, or no run has a value of that name.
    """
    parsed = [Condition.parse(text) for text in conditions]
    for name in (*(condition.name for condition in parsed), *([sort] if sort else ())):
        if runs:
            _check_name(name, runs)
    chosen = [listed for listed in runs if all(condition.holds(listed) for condition in parsed)]
    if sort:
        have = [listed for listed in chosen if value_of(listed, sort) is not None]
        have.sort(key=lambda listed: goodness(sort, value_of(listed, sort), listed), reverse=not reverse)
        chosen = have + [listed for listed in chosen if value_of(listed, sort) is None]
    elif reverse:
        chosen.reverse()
    return chosen[:limit]


def value_of(listed: Listed, name: str) -> Value | None:
    """Return a fact, a metric or a hyperparameter of a run; None if it lacks it."""
    if name in FACTS:
        value = FACTS[name](listed)
        return None if value == "" or (isinstance(value, float) and math.isnan(value)) else value
    found = listed.summary.metrics.get(name, listed.summary.hyperparameters.get(name))
    if found is None:
        return None
    return float(found) if isinstance(found, int | float) else str(found)


def goodness(name: str, value: Any, of: Listed) -> Any:
    """Return a key to sort by, which grows with how good a metric is, and with everything else itself."""
    if name in _PERFECT:
        return -abs(value - _PERFECT[name])
    return -value if name in lower_is_better(of.summary.judged) else value


def is_metric(runs: Sequence[Listed], name: str) -> bool:
    """Return whether some run measured it."""
    return name not in FACTS and any(name in listed.summary.metrics for listed in runs)


def best_and_worst(runs: Sequence[Listed], metric: str) -> tuple[str, str] | None:
    """Return ids of the runs that did best and worst in a metric, to the digits that are shown; "" where several did.

    Args:
        runs: all that are to be compared, shown or not.

    Returns:
        None unless they differ in it.
    """
    ranked = sorted(
        (goodness(metric, round(listed.summary.metrics[metric], 4), listed), listed.run.run_id)
        for listed in runs
        if metric in listed.summary.metrics
    )
    if not ranked or ranked[0][0] == ranked[-1][0]:
        return None
    best, worst = ranked[-1][0] != ranked[-2][0], ranked[0][0] != ranked[1][0]
    return (ranked[-1][1] if best else "", ranked[0][1] if worst else "")


def extremes_of_same_rows(runs: Sequence[Listed], metric: str) -> list[tuple[str, str] | None]:
    """Return `best_and_worst` of each set of runs whose models were judged by the same rows: what was measured on
    other rows says nothing of which model is better."""
    sets: dict[Any, list[Listed]] = {}
    for listed in runs:
        sets.setdefault(repr(listed.summary.same_rows), []).append(listed)
    return [best_and_worst(alike, metric) for alike in sets.values()]


def differing_hyperparameters(runs: Sequence[Listed]) -> list[str]:
    """Return those settings that are not the same in all runs that trained, in the order in which they are recorded."""
    trained = [listed.summary.hyperparameters for listed in runs if listed.summary.hyperparameters]
    names = dict.fromkeys(name for settings in trained for name in settings)
    return [name for name in names if any(settings.get(name) != trained[0].get(name) for settings in trained)]


def _check_name(name: str, runs: Sequence[Listed]) -> None:
    measured = (name for listed in runs for name in (*listed.summary.metrics, *listed.summary.hyperparameters))
    known = list(dict.fromkeys([*FACTS, *measured]))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise PipelineError(
            f"no run has a value {name!r}", f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
