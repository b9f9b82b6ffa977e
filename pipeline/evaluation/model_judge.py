"""Holds a model's metrics against the thresholds and gaps of a configuration. Plain data in, sentences out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pipeline.config.evaluation import Bounds, Evaluation, slice_rule
from pipeline.config.number_text import bound_text
from pipeline.errors import shown
from pipeline.evaluation.number_text import number

_MOST_NAMED = 8
"""Slices in one sentence."""


@dataclass(frozen=True)
class Measured:
    """One slice, or all rows.

    Attributes:
        slice: {column: value}, the columns in alphabetical order; empty for all rows.
        metrics: those that are defined, the challenger's; champion: the same of the champion, empty without one.
        undefined: {metric: why it cannot be computed}.
        rows: how many, or of rows with weights how many that count alike would tell as much; `unit` says which.
        references: {name: metrics} of other models that set a bound for `may_lose`.
    """

    slice: dict[str, str]
    rows: int
    metrics: dict[str, float]
    champion: dict[str, float] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    references: dict[str, dict[str, float]] = field(default_factory=dict)
    unit: str = "rows"

    @property
    def name(self) -> str:
        """The slice in words."""
        return ", ".join(f"{shown(column)}={shown(value)}" for column, value in self.slice.items())


@dataclass(frozen=True)
class Rule:
    """One rule as it was held against the figures, broken or not.

    Attributes:
        kind: at_least, at_most, may_lose or gap.
        of: the configuration's text for the slices that it is about; empty for all rows.
        on: the slice; of a gap the worst and the best one with their values; empty for all rows.
        value: of the metric; of may_lose what it is worse than that of `than`, of a gap how far the slices lie apart;
            None where it cannot be computed.
        than: of may_lose, the model that sets the bound where it is not the champion.
    """

    metric: str
    kind: str
    of: str
    on: str
    value: float | None
    bound: float
    held: bool
    than: str = ""


@dataclass(frozen=True)
class ModelVerdict:
    """Why not, and what else must be said.

    Attributes:
        rules: all that were judged, held or broken.
        failures: one sentence per broken rule.
        notes: what was not judged, and why.
        failed_slices: (slice's name, metric) of each broken rule; the name of all rows is empty.
        bounds: {metric: {model, value}} that `may_lose` is measured from over all rows.
        judged: names of the slices that a threshold was held against, by its text; empty for all rows.
    """

    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed_slices: list[tuple[str, str]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list, compare=False)
    bounds: dict[str, dict[str, str | float]] = field(default_factory=dict)
    judged: dict[str, set[str]] = field(default_factory=dict, compare=False)


def judge(
    measured: Sequence[Measured],
    rules: Evaluation,
    lower_is_better: frozenset[str],
    champion: str | None,
) -> ModelVerdict:
    """Hold every rule against what was measured.

    Args:
        measured: all rows first, then slices.
        champion: how to name it, for example 'champion run 20261121-…'; None without one.
    """
    verdict = ModelVerdict()
    for metric, threshold in rules.thresholds.items():
        if not threshold.is_empty:
            _judge_one(verdict, measured[0], metric, "", threshold, lower_is_better, champion)
        for text, bounds in threshold.slices.items():
            found = slice_rule(text, rules.slices)
            assert found is not None, f"{text!r} passed the check of the configuration"
            least = rules.min_rows if bounds.min_rows is None else bounds.min_rows
            members = _members(measured, *found)
            verdict.judged.setdefault(text, set())
            for member in _enough(verdict, members, metric, text, least):
                _judge_one(verdict, member, metric, text, bounds, lower_is_better, champion)
    for metric, gaps in rules.gaps.items():
        for text, allowed in gaps.items():
            found = slice_rule(text, rules.slices)
            assert found is not None, f"{text!r} passed the check of the configuration"
            _judge_gap(verdict, _members(measured, *found), metric, text, allowed, rules.min_rows, lower_is_better)
    notes = list(dict.fromkeys(verdict.notes))  # a threshold and a gap may leave the same slices out
    return replace(verdict, notes=notes)


def _members(measured: Sequence[Measured], columns: tuple[str, ...], values: tuple[str, ...] | None) -> list[Measured]:
    of_columns = [one for one in measured if tuple(one.slice) == columns]
    if values is None:
        return of_columns
    named = [one for one in of_columns if tuple(one.slice.values()) == values]
    words = tuple(_BOOLEANS.get(value, value) for value in values)
    return named or [one for one in of_columns if tuple(one.slice.values()) == words]


_BOOLEANS = {"0": "false", "1": "true"}
"""A rule may name a slice of a boolean column by the number, too."""


def _enough(verdict: ModelVerdict, members: Sequence[Measured], metric: str, text: str, least: int) -> list[Measured]:
    """Choose the slices that can be judged; of the others the verdict says why not."""
    if not members:
        verdict.notes.append(f"{metric} on {text} is not judged: there are no such rows")
    small = [member for member in members if member.rows < least]
    if small:
        verdict.notes.append(
            f"{metric} on {_listed(f'{member.name} ({member.rows:,} {member.unit})' for member in small)} is not"
            f" judged: fewer than {least:,} {small[0].unit}"
        )
    large = [member for member in members if member.rows >= least]
    by_reason: dict[str, list[str]] = {}
    for member in large:
        if metric in member.undefined:
            by_reason.setdefault(member.undefined[metric], []).append(member.name)
    for reason, names in by_reason.items():
        verdict.notes.append(f"{metric} on {_listed(names)} is not judged: it cannot be computed ({reason})")
    return [member for member in large if metric in member.metrics]


def _judge_one(
    verdict: ModelVerdict,
    one: Measured,
    metric: str,
    of: str,
    bounds: Bounds,
    lower_is_better: frozenset[str],
    champion: str | None,
) -> None:
    on = f" on {one.name}" if one.slice else ""
    sentences = []
    verdict.judged.setdefault(of, set()).add(one.name)

    def hold(kind: str, value: float | None, bound: float, held: bool, than: str = "") -> bool:
        verdict.rules.append(Rule(metric, kind, of, one.name, value, bound, held, than))
        return held

    if metric not in one.metrics:  # all rows: a slice was sorted out before
        sentences.append(f"{metric}{on} cannot be computed: {one.undefined.get(metric, 'it is not a number')}")
        for kind, bound in bounds.given.items():
            hold(kind, None, bound, held=False)
    else:
        value, before = one.metrics[metric], one.champion.get(metric)
        had = f"; {champion} had {number(before)}" if champion and before is not None else ""
        if bounds.at_least is not None and not hold("at_least", value, bounds.at_least, value >= bounds.at_least):
            sentences.append(f"{metric}{on} is {number(value)}, needs at least {bound_text(bounds.at_least)}{had}")
        if bounds.at_most is not None and not hold("at_most", value, bounds.at_most, value <= bounds.at_most):
            sentences.append(f"{metric}{on} is {number(value)}, may be at most {bound_text(bounds.at_most)}{had}")
        if bounds.may_lose is not None and (best := _best(one, metric, lower_is_better, champion)):
            name, most = best
            if not one.slice:
                verdict.bounds[metric] = {"model": name, "value": most}
            lost = value - most if metric in lower_is_better else most - value
            if not hold("may_lose", lost, bounds.may_lose, lost <= bounds.may_lose, "" if name == champion else name):
                sentences.append(
                    f"{metric}{on} is {number(value)}, {name} had {number(most)}: {number(lost)} worse,"
                    f" {bound_text(bounds.may_lose)} is allowed"
                )
    verdict.failures.extend(sentences)
    if sentences:
        verdict.failed_slices.append((one.name, metric))


def _best(
    one: Measured, metric: str, lower_is_better: frozenset[str], champion: str | None
) -> tuple[str, float] | None:
    """Whose value is best of those that set a bound, and that value; the champion's if it is as good as another's."""
    known = {champion: one.champion[metric]} if champion and metric in one.champion else {}
    known |= {name: metrics[metric] for name, metrics in one.references.items() if metric in metrics}
    if not known:
        return None
    return (min if metric in lower_is_better else max)(known.items(), key=lambda item: item[1])


def _judge_gap(
    verdict: ModelVerdict,
    members: Sequence[Measured],
    metric: str,
    text: str,
    allowed: float,
    least: int,
    lower_is_better: frozenset[str],
) -> None:
    compared = _enough(verdict, members, metric, text, least)
    if len(compared) < 2:
        if members:
            verdict.notes.append(f"the gap of {metric} by {text} is not judged: fewer than two slices to compare")
        return
    ordered = sorted(compared, key=lambda one: one.metrics[metric], reverse=metric in lower_is_better)
    worst, best = ordered[0], ordered[-1]
    gap = abs(best.metrics[metric] - worst.metrics[metric])
    low, high = number(worst.metrics[metric]), number(best.metrics[metric])
    ends = f"{worst.name} {low}, {best.name} {high}"
    verdict.rules.append(Rule(metric, "gap", text, ends, gap, allowed, gap <= allowed))
    if gap > allowed:
        verdict.failures.append(
            f"{metric} by {text} lies {number(gap)} apart, may be {bound_text(allowed)}: {low} on {worst.name},"
            f" {high} on {best.name}"
        )
        verdict.failed_slices.append((worst.name, metric))


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - _MOST_NAMED
    return ", ".join(listed[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def why_undefined(metric: str, is_one_class: bool) -> str:
    """Why a metric cannot be computed.

    Args:
        is_one_class: all rows have the same label, of a binary task.
    """
    if is_one_class and metric in ("auc", "auc_precision_recall", "calibration"):
        return "one class only"
    return "labels or predictions do not vary" if metric == "squared_correlation" else "it is not a number"
