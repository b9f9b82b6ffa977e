"""Prints what `watch` saw: a line for each window, then alarms, then labels."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.terminal.console import console_for, number_text
from pipeline.watch.watched import Watched

_SHOWN = 16
_COLUMNS = (
    *("window", "version", "rows", "valid", "harmful"),
    *("metric", "promised", "estimated", "by labels", "labelled", "what moved"),
)


def print_watched(done: Watched, as_json: bool, all_windows: bool = False, window: str = "") -> None:
    """Print it as a table, or as JSON; `window`: what a window is."""
    if as_json:
        plain = {
            "windows": done.verdicts,
            "alarms": [one.to_json() for one in done.alarms],
            "labels": done.labels,
            "changed": done.changed,
            "told": done.told,
            "watermark": done.watermark,
            "unrecorded": done.unrecorded,
            "unknown_versions": [one.to_json() for one in done.strangers],
            "detectable": done.detectable.to_json() if done.detectable else None,
        }
        print(json.dumps(plain))
        return
    console = console_for(sys.stdout)
    table = Table(*_COLUMNS, box=None, pad_edge=False)
    shown = done.verdicts if all_windows else done.verdicts[-_SHOWN:]
    for one in shown:
        table.add_row(*map(escape, _cells(one)))
    console.print(table)
    if len(shown) < len(done.verdicts):
        console.print(f"and {len(done.verdicts) - len(shown)} windows before (--all, --json)")
    _print_alarms(console, done)
    for stranger in done.strangers:
        if not any(alarm.version == stranger.version and not alarm.closed for alarm in done.alarms):
            console.print(escape(stranger.sentence))
    if done.labels:
        rows, repeated, strange, alone = (sum(one[k] for one in done.labels) for k in _ODD)
        console.print(
            f"labels: {rows:,} in {len(done.labels)} files, up to {done.watermark or 'no request yet'}; "
            f"{repeated:,} repeated, {strange:,} without key or label, {alone:,} without a request"
        )
    if done.detectable:
        console.print(escape(done.detectable.sentence(window)))
    for sentence in done.told:
        console.print(escape(sentence))
    if done.unrecorded:
        console.print(f"[yellow]not on record: {escape(done.unrecorded)}[/]")


def _print_alarms(console: Console, done: Watched) -> None:
    for alarm in done.alarms:
        if not alarm.closed:
            color = "red" if alarm.severity == "page" else "yellow"
            console.print(f"[{color}]{alarm.severity}[/] {escape(alarm.key)}: {escape(alarm.evidence)}")
            if alarm.cause:
                console.print(f"  likely cause: {escape(alarm.cause)}")
            if alarm.is_silent(done.now):
                console.print(f"  silenced until {alarm.silenced_until}: {escape(alarm.reason)}")
            for command in alarm.commands:
                console.print(f"  {escape(command)}")


_ODD = ("rows", "repeated", "strange", "unmatched")


def _cells(one: dict[str, Any]) -> list[str]:
    known = one["promise"] or one["realized"]["metrics"]
    metric = next((name for name in ("auc", "log_loss", "mse", "rmse") if name in known), "")
    estimated = one["estimated"].get(metric)
    realized = one["realized"]["metrics"].get(metric)
    harmful = "-" if "unknown" in one else "YES" if one["harmful"] else "no"
    moved = ", ".join(found["column"] for found in one["moved"][:3])
    more = f" and {one['moved_count'] - 3} more" if one["moved_count"] > 3 else ""
    return [
        *(one["name"], one["version"], f"{one['rows']:,}", "yes" if one["valid"] else "NO"),
        *(harmful, metric, number_text(one["promise"].get(metric))),
        f"{estimated[2]:.4f} to {estimated[3]:.4f}" if estimated else "-",
        *(number_text(realized), f"{one['realized']['share']:.0%}", moved + more),
    ]
