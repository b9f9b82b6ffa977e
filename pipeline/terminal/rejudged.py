"""What `longhaul rejudge` prints: one model in full, or several side by side on the same rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.config.evaluation import COUNT, lower_is_better
from pipeline.terminal.console import console_for, number_text

_MOST_SLICES = 12
_ENDLESS = 10_000
"""Columns, to measure what a table would take."""


class Model(Protocol):
    """One model, and what came of it."""

    name: str
    run_id: str
    has_seen: tuple[int, ...]
    why_not: str
    verdict: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""


def print_rejudged(
    rows: str,
    models: Sequence[Model],
    serving: str | None,
    metrics: Collection[str],
    unrecorded: str,
    as_json: bool,
) -> None:
    """Print models on the same rows, the oldest first.

    Args:
        rows: in words.
        serving: the name of the model that serves.
        metrics: those with a threshold.
        unrecorded: why it is not on record; empty if it is.
    """
    if as_json:
        told = {"rows": rows, "serving": serving, "unrecorded": unrecorded}
        print(json.dumps(told | {"models": [model.to_json() for model in models]}, indent=1))
        return
    console = console_for(sys.stdout)
    measured = [model for model in models if model.verdict]
    count = int(measured[0].verdict["metrics"][COUNT])
    console.print(f"[bold]{escape(rows)}[/]  {count:,} rows with a label, the same for all", soft_wrap=True)
    _print(console, _table(models, serving, metrics))
    for model in models:
        if model.has_seen:
            said = f"the run of {escape(model.name)} has read these rows: its figures may be flattered"
            console.print(f"[yellow]Note[/]      {said}", soft_wrap=True)
        if model.why_not:
            console.print(
                f"[yellow]Note[/]      {escape(model.name)} is not measured: {escape(model.why_not)}", soft_wrap=True
            )
        for failure in model.verdict.get("failures", []):
            console.print(f"[red]Broken[/]    {escape(model.name)}: {escape(failure)}", soft_wrap=True)
    if len(models) == 1 and measured[0].verdict["slices"]:
        _print(console, _slices(measured[0].verdict, metrics))
    if unrecorded:
        console.print(f"[yellow]Warning[/]   not on record: {escape(unrecorded)}", soft_wrap=True)


def _print(console: Console, table: Table) -> None:
    """Print a table, or where there is no room a line for each of its cells: no figure and no name is cut."""
    if console.measure(table, options=console.options.update(width=_ENDLESS)).maximum <= console.width:
        console.print(table)
        return
    names = [str(column.header) for column in table.columns]
    room = max(map(len, names[1:]))
    for first, *cells in zip(*(column.cells for column in table.columns), strict=True):
        console.print(str(first))
        for name, cell in zip(names[1:], cells, strict=True):
            if cell:
                console.print(f"  {name:<{room}}  {cell}")


def _table(models: Sequence[Model], serving: str | None, metrics: Collection[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("run", no_wrap=True)
    for metric in metrics:
        table.add_column(metric, justify="right", no_wrap=True)
    table.add_column("verdict")
    best = {metric: _best(models, metric) for metric in metrics}
    before: dict[str, float] = {}
    for model in models:
        values = model.verdict.get("metrics", {})
        cells = [
            _cell(model, metric, before.get(metric), is_best=best[metric] == model.name) if metric in values else "-"
            for metric in metrics
        ]
        verdict = "[green]holds[/]" if model.verdict.get("blessed") else "[red]does not hold[/]" if values else ""
        mark = "● " if model.name == serving else ""
        table.add_row(f"{mark}{escape(model.name)}", escape(model.run_id), *cells, verdict)
        before |= values
    return table


def _cell(model: Model, metric: str, before: float | None, *, is_best: bool) -> str:
    """Return the value, its interval, and what it is more or less than that of the model above."""
    value = model.verdict["metrics"][metric]
    spread = model.verdict["intervals"].get(metric)
    text = number_text(value) + (f" [dim]{spread[0]:.4f}-{spread[1]:.4f}[/]" if spread else "")
    if before is not None:
        change = value - before
        better = change < 0 if metric in lower_is_better(model.verdict) else change > 0
        shown = f"{change:+.4f}"
        text += f" {shown}" if float(shown) == 0 else f" [{'green' if better else 'red'}]{shown}[/]"
    return f"▲ {text}" if is_best else text


def _best(models: Sequence[Model], metric: str) -> str:
    """Return the name of the one model that did best to the digits that are shown; "" if there is no such one."""
    values = {m.name: round(m.verdict["metrics"][metric], 4) for m in models if metric in m.verdict.get("metrics", {})}
    if len(values) < 2:
        return ""
    verdict = next(m.verdict for m in models if m.name in values)
    best = (min if metric in lower_is_better(verdict) else max)(values.values())
    names = [name for name, value in values.items() if value == best]
    return names[0] if len(names) == 1 else ""


def _slices(verdict: dict[str, Any], metrics: Collection[str]) -> Table:
    """Return the slices that break a rule, then the largest."""
    table = Table(box=None, pad_edge=False)
    table.add_column("slice")
    table.add_column("rows", justify="right")
    for metric in metrics:
        table.add_column(metric, justify="right")
    ranked = sorted(verdict["slices"], key=lambda one: (not one["failed"], -one["metrics"][COUNT]))
    for one in ranked[:_MOST_SLICES]:
        name = escape(", ".join(f"{column}={value}" for column, value in one["slice"].items()))
        cells = [
            f"[red]{number_text(one['metrics'].get(metric))}[/]" if metric in one["failed"]
            else number_text(one["metrics"].get(metric))
            for metric in metrics
        ]  # fmt: skip
        table.add_row(name, f"{one['metrics'][COUNT]:,.0f}", *cells)
    if len(ranked) > _MOST_SLICES:
        table.add_row(f"[dim]… {len(ranked) - _MOST_SLICES:,} more; --json has them all[/]")
    return table
