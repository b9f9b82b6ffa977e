"""What `longhaul diff` prints: first what was changed, then what that did."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.config.evaluation import lower_is_better
from pipeline.config.number_text import bound_text
from pipeline.errors import shown
from pipeline.guard.distances import Moved
from pipeline.guard.findings import percent
from pipeline.lineage.diff import Change, RunDiff, SliceChange
from pipeline.lineage.runs import Run
from pipeline.terminal.console import console_for, number_text

_MOST_FILES, _MOST_COLUMNS, _MOST_SLICES = 12, 8, 12
_WORTH_TELLING = 0.005
"""Columns that moved less are not named."""
_SKIPPED = ("example_count", "weighted_example_count")


def print_diff(diff: RunDiff, moved: list[Moved] | None, as_json: bool) -> None:
    """Print what differs. `moved`: distances of the columns, None if they cannot be told."""
    if as_json:
        print(json.dumps(_plain(diff, moved), indent=1))
        return
    console = console_for(sys.stdout)
    for sign, run in (("-", diff.before), ("+", diff.after)):
        console.print(f"{sign} [bold]{run.run_id}[/]  {run.status}, {run.seconds:.0f} s")
    console.print("\n[bold]What changed[/]")
    said = [
        _say(console, "Config", [_arrow(change) for change in diff.config]),
        _say(console, "Code", _files(diff.code)),
        _say(console, "Packages", [_arrow(change) for change in diff.packages]),
        _say(console, "Data", [_arrow(change) for change in diff.data]),
        _say(console, "Columns", _columns(moved or [])),
        _say(console, "Schema", diff.schema, _diff_color),
        _say(console, "Model", [_arrow(change) for change in diff.hyperparameters]),
    ]
    if not any(said):
        console.print("Nothing" + (" that is on record" if diff.notes else ""))
    for note in diff.notes:
        console.print(f"[yellow]Note[/]      {escape(note)}", soft_wrap=True)
    if moved is None:
        console.print("[yellow]Note[/]      the statistics of a run are gone: columns cannot be compared")
    console.print("\n[bold]What it did[/]")
    outcome = _say(console, "Outcome", [_arrow(change) for change in diff.outcome])
    if diff.metrics:
        overall, *slices = diff.metrics
        lower = lower_is_better(diff.after.verdict)
        console.print(_metrics_table(overall, lower))
        if slices:
            console.print(_slices_table(slices, lower))
    elif not outcome:
        console.print("Nothing that was measured in both")


def _say(console: Console, heading: str, lines: Sequence[str], style: Any = None) -> bool:
    """Return lines under a heading, if there are any."""
    for number, line in enumerate(lines):
        color = style(line) if style else ""
        text = f"[{color}]{escape(line)}[/]" if color else escape(line)
        console.print(f"{'' if number else heading:<10}{text}", soft_wrap=True)
    return bool(lines)


def _diff_color(line: str) -> str:
    return {"+": "green", "-": "red"}.get(line[:1], "")


def _arrow(change: Change) -> str:
    return f"{change.what}: {_text(change.before)} → {_text(change.after)}{_relative(change)}"


def _text(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool | str):
        return str(value)
    return bound_text(value) if isinstance(value, int | float) else json.dumps(value)


def _relative(change: Change) -> str:
    old, new = change.before, change.after
    if type(old) is int and type(new) is int and old > 100:
        return f" ({(new - old) / old:+.1%})"
    return ""


def _files(code: list[Change]) -> list[str]:
    kinds = {(True, False): "added", (False, True): "removed"}
    lines = [f"{one.what} {kinds.get((one.before is None, one.after is None), 'changed')}" for one in code]
    more = len(lines) - _MOST_FILES
    return lines[:_MOST_FILES] + ([f"and {more} more files"] if more > 0 else [])


def _columns(moved: list[Moved]) -> list[str]:
    lines = [
        f"{one.column}: {one.measure} {one.distance:.3f}, {one.what}"
        + (f", missing from {percent(one.missing_before)} to {percent(one.missing_after)}" if _missing(one) else "")
        for one in moved
        if one.distance >= _WORTH_TELLING or _missing(one)
    ]
    more = len(lines) - _MOST_COLUMNS
    return lines[:_MOST_COLUMNS] + ([f"and {more} more columns, less"] if more > 0 else [])


def _missing(one: Moved) -> bool:
    return abs(one.missing_after - one.missing_before) >= _WORTH_TELLING


def _metrics_table(overall: SliceChange, lower: Collection[str]) -> Table:
    table = _table("metric", "before", "after", "difference")
    for metric in dict.fromkeys([*overall.before, *overall.after]):
        old, new = overall.before.get(metric), overall.after.get(metric)
        table.add_row(metric, number_text(old), number_text(new), _difference(metric, old, new, lower))
    return table


def _slices_table(slices: list[SliceChange], lower: Collection[str]) -> Table:
    shared = slices[0].after.keys() & slices[0].before.keys()
    metrics = [name for name in ("auc", "accuracy", "rmse", "log_loss", "mae") if name in shared][:2]
    table = _table("slice", "rows", *(part for name in metrics for part in (f"{name}", "after", "difference")))
    for one in slices[:_MOST_SLICES]:
        cells = [
            text
            for name in metrics
            for old, new in [(one.before.get(name), one.after.get(name))]
            for text in (number_text(old), number_text(new), _difference(name, old, new, lower))
        ]
        where = ", ".join(f"{shown(column)}={shown(value)}" for column, value in one.slice.items())
        table.add_row(escape(where), number_text(one.after.get("example_count")), *cells)
    if len(slices) > _MOST_SLICES:
        table.caption = f"{len(slices) - _MOST_SLICES} more slices, which moved less; --json has them"
        table.caption_justify = "left"
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, overflow="fold")
    for column in others:
        table.add_column(column, justify="right")
    return table


def _difference(metric: str, old: float | None, new: float | None, lower: Collection[str]) -> str:
    if old is None or new is None or old == new:
        return ""
    if metric in _SKIPPED:
        return f"{new - old:+,.0f}"
    if metric == "calibration":
        return f"{new - old:+.4f}"
    worse = (new > old) == (metric in lower)
    return f"[{'red' if worse else 'green'}]{new - old:+.4f}[/]"


def _plain(diff: RunDiff, moved: list[Moved] | None) -> dict[str, Any]:
    kinds = ("config", "code", "packages", "data", "hyperparameters", "outcome", "metrics")
    return {
        "before": _named(diff.before),
        "after": _named(diff.after),
        **{kind: [asdict(one) for one in getattr(diff, kind)] for kind in kinds},
        "schema": diff.schema,
        "columns": None if moved is None else [asdict(one) for one in moved],
        "notes": diff.notes,
    }


def _named(run: Run) -> dict[str, Any]:
    return {"run_id": run.run_id, "status": run.status, "started": run.started, "seconds": run.seconds}
