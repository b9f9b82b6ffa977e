"""The rules that a model was held against, broken or not, from the verdict: for the page and the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config.evaluation import METRICS
from pipeline.reports.formats import NOTHING, bound_text, number

MOST_RULES = 200
"""On the page: the broken ones first, then the nearest."""
_WORDS = {
    "at_least": "at least {bound}",
    "at_most": "at most {bound}",
    "may_lose": "at most {bound} worse than {than}",
    "gap": "at most {bound} apart",
}


@dataclass(frozen=True)
class Held:
    """One rule.

    Attributes:
        where: all rows, a slice, or of a gap what it is between.
        room: how far the value is on the good side of its bound; negative if the rule is broken, None if the value
            cannot be computed.
        group: (metric, kind, the configuration's text): rules on the slices of one setting share it.
    """

    metric: str
    where: str
    rule: str
    value: str
    room: float | None
    held: bool
    group: tuple[str, str, str]

    @property
    def near(self) -> str:
        """How near the value is to the bound, in words."""
        if self.room is None:
            return NOTHING
        return f"{number(abs(self.room))} {'to spare' if self.held else 'too far'}"


def held_rules(verdict: Mapping[str, Any]) -> list[Held]:
    """Return all rules of a verdict, the broken ones first, then those with the least room; none of an older one."""
    return sorted(map(_held, verdict.get("rules", [])), key=_order)


def beyond_tfma(verdict: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return {metric: threshold over all rows} of metrics that stand in no EvalConfig, in TFMA's words."""
    known = {name for names in METRICS.values() for name in names}
    own_lower = verdict.get("own_lower_is_better", ())
    found: dict[str, dict[str, Any]] = {}
    for rule in verdict.get("rules", []):
        metric, kind, bound = rule["metric"], rule["kind"], rule["bound"]
        if metric in known or rule["of"] or kind == "gap":
            continue
        threshold = found.setdefault(metric, {"valueThreshold": {}})
        if kind != "may_lose":
            threshold["valueThreshold"]["lowerBound" if kind == "at_least" else "upperBound"] = bound
        elif metric in own_lower:
            threshold["changeThreshold"] = {"absolute": bound, "direction": "LOWER_IS_BETTER"}
        else:
            threshold["changeThreshold"] = {"absolute": -bound}
    return found


def nearest(rules: Iterable[Held]) -> list[tuple[Held, int]]:
    """Return, of the rules on the slices of one setting, the nearest, with how many they are; every broken one for
    itself."""
    groups: dict[tuple[str, str, str], list[Held]] = {}
    for rule in rules:
        groups.setdefault(rule.group if rule.held else (*rule.group[:2], rule.where), []).append(rule)
    return [(group[0], len(group)) for group in groups.values()]


def rule_line(rule: Held, count: int = 1) -> str:
    """Return one rule in a line: `✓ auc at least 0.66: 0.7118, 0.0518 to spare`."""
    on = "" if rule.where == "all rows" else f" {rule.where}" if rule.where.startswith("by ") else f" on {rule.where}"
    others = f"; the nearest of {count} slices" if count > 1 else ""
    value = rule.value if rule.room is not None else "cannot be computed"
    near = f", {rule.near}" if rule.room is not None else ""
    return f"{'✓' if rule.held else '✗'} {rule.metric} {rule.rule}{on}: {value}{near}{others}"


def _held(rule: Mapping[str, Any]) -> Held:
    kind, value, bound = rule["kind"], rule["value"], rule["bound"]
    room = None if value is None else value - bound if kind == "at_least" else bound - value
    where = (f"by {rule['of']} ({rule['on']})" if kind == "gap" else rule["on"]) or "all rows"
    text = NOTHING if value is None else f"{number(value)} worse" if kind == "may_lose" else number(value)
    if kind == "may_lose" and value is not None and value < 0:
        text = f"{number(-value)} better"
    return Held(
        rule["metric"],
        where,
        _WORDS[kind].format(bound=bound_text(bound), than=rule.get("than") or "the champion"),
        f"{text} apart" if kind == "gap" else text,
        room,
        rule["held"],
        (rule["metric"], kind, rule["of"]),
    )


def _order(rule: Held) -> tuple[bool, float]:
    return rule.held, rule.room if rule.room is not None else float("-inf")


def few_rows_note(metrics: Mapping[str, float], few: int) -> str:
    """Return what a figure of so few rows is worth, in words; empty if they are not few.

    Args:
        metrics: over all rows, `example_count` among them.
    """
    rows = int(metrics.get("example_count", 0))
    if not 0 < rows < few:
        return ""
    said = f"{rows:,} rows were evaluated"
    if "accuracy" in metrics:
        return f"{said}: one row is {100 / rows:.1f} points of accuracy."
    return f"{said}: a few of them decide every figure."


def weighted_note(verdict: Mapping[str, Any]) -> str:
    """Return by which column the evaluated rows are weighted, and what they are worth then; empty if by none."""
    if not verdict.get("weighted_by"):
        return ""
    rows, effective = verdict["metrics"].get("example_count", 0), verdict.get("effective_rows") or 0
    return (
        f"Metrics, slices and thresholds are weighted by {verdict['weighted_by']}: {rows:,.0f} rows tell as much as "
        f"{effective:,.0f} that count alike, and so many are counted in curves and decision."
    )


def few_to_learn_note(rows: int) -> str:
    """Return what a table of so few rows is worth, in words; empty if they are not few."""
    if rows >= _FEW_TO_LEARN:
        return ""
    return f"{rows:,} {'row tells' if rows == 1 else 'rows tell'} little: what is measured may be chance"


_FEW_TO_LEARN = 100
