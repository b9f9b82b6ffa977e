"""Prints what `longhaul explain` found of one feature."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.config.spans import span_name
from pipeline.errors import shown
from pipeline.evaluation.number_text import quantity_text
from pipeline.guard.findings import Distances, percent
from pipeline.reports.artifacts import SplitStatistics
from pipeline.reports.one_feature import Explained
from pipeline.terminal.console import console_for

_ROLES = {
    "label": "the label: what is predicted",
    "weight": "how much a row counts (data.weight); not shown to the model",
    "excluded": "not shown to the model (features.exclude)",
    "dropped": "never read (data.drop)",
    "retired": "not shown to the model: the schema retires it (lifecycle_stage)",
}


def print_explained(feature: Explained, as_json: bool) -> None:
    """Print it as lines and a table, or as JSON."""
    if as_json:
        plain = asdict(feature) | {"findings": [one.sentence() for one in feature.findings]}
        print(json.dumps(plain, indent=1))
        return
    console = console_for(sys.stdout)
    console.print(f"[bold]{escape(shown(feature.name))}[/] in run {feature.run_id}", soft_wrap=True)
    for heading, text in _lines(feature):
        console.print(f"{heading:<12}{escape(text)}", soft_wrap=True)
    if feature.statistics:
        console.print(_statistics(feature.statistics))
    _print_troubles(console, feature)


def _lines(feature: Explained) -> Iterator[tuple[str, str]]:
    kind = f"{feature.kind}, " if feature.kind else ""
    stored = f"stored as {feature.storage}, " if feature.storage and not feature.expression else ""
    yield "Is", _ROLES.get(feature.role) or f"{kind}{stored}{'may be missing' if feature.optional else 'always there'}"
    if feature.expression:
        yield "Expression", feature.expression
        yield "Reads", _names(feature.inputs) or "nothing"
    if feature.used_by:
        yield "Read by", _names(feature.used_by)
    if feature.settings:
        yield "Named in", ", ".join(feature.settings)
    if known := feature.vocabulary:
        first = f": {_names(known.first)}{', …' if known.words > len(known.first) else ''}" if known.first else ""
        yield "Vocabulary", f"{known.words:,} values of {known.at_most:,} at most{first}"
    for one in feature.learned:
        other = "nothing" if one.any_other is None else quantity_text(one.any_other)
        top = ", ".join(f"{shown(key)} {quantity_text(value)} ({rows:,} rows)" for key, value, rows in one.top)
        yield (
            "Learned",
            f"{one.function} of {one.keys:,} {'key' if one.keys == 1 else 'keys'}{': ' * bool(top)}{top}; "
            f"any other key {other}",
        )
    if worth := feature.importance:
        noise = ", within noise" if worth.is_within_noise else ""
        yield (
            "Importance",
            f"{worth.rank} of {worth.of}: {worth.metric} gets worse by {worth.drop:.4g} without it "
            f"(± {worth.spread:.2g}{noise})",
        )
    yield from _distances("Drift", feature.drift, "span ")
    yield from _distances("Skew", feature.skew, "")


def _distances(heading: str, by_column: Mapping[str, Distances], what: str) -> Iterator[tuple[str, str]]:
    for column, one in by_column.items():
        (last, distance), *_ = sorted(one.by.items(), key=lambda entry: -_number(entry[0]))
        place = f"{what}{span_name(int(last))}" if last.isdigit() else last
        over = ", too far" if distance > one.threshold else ""
        yield heading, f"{shown(column)}: {one.measure} {distance:.4f} of {one.threshold:g} allowed, {place}{over}"


def _number(span: str) -> int:
    return int(span) if span.isdigit() else 0


def _names(names: list[str]) -> str:
    return ", ".join(map(shown, names))


def _statistics(splits: Mapping[str, SplitStatistics]) -> Table:
    is_number = any(one.mean is not None for one in splits.values())
    headings = ("mean", "std", "least", "median", "greatest") if is_number else ("different", "commonest")
    table = Table(box=None, pad_edge=False)
    for place, heading in enumerate(("split", "values", "missing", *headings)):
        table.add_column(heading, justify="right" if place else "left")
    for split, one in splits.items():
        if is_number:
            cells = [
                "-" if value is None else f"{value:.5g}" for value in (one.mean, one.std, one.low, one.median, one.high)
            ]
        else:
            distinct = "-" if one.distinct is None else f"{one.distinct:,}"
            cells = [distinct, ", ".join(f"{shown(value)} {percent(share)}" for value, share in one.top[:3])]
        table.add_row(escape(split), f"{one.values:,}", percent(one.missing), *map(escape, cells))
    return table


def _print_troubles(console: Console, feature: Explained) -> None:
    for finding in feature.findings:
        console.print(f"[yellow]{finding.severity!s:<12}[/]{escape(finding.sentence())}", soft_wrap=True)
    for note in feature.notes:
        console.print(f"[yellow]{'Note':<12}[/]{escape(note)}", soft_wrap=True)
