"""Prints the pushed versions of a model, and what a rollback did."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from pipeline.lineage.pushes import Approval, Rollback
from pipeline.serving.approvals import Request, is_past
from pipeline.serving.versions import Manifest, Version
from pipeline.terminal.console import console_for


def print_versions(known: list[Version], metrics: Collection[str], asked: Sequence[Request], as_json: bool) -> None:
    """Print the pushed versions, the newest first, each with these metrics, and what waits for a person."""
    if as_json:
        requests = [{"version": None, "state": "waiting", **asdict(request)} for request in asked]
        print(json.dumps([*map(_plain, known), *requests], indent=1))
        return
    console = console_for(sys.stdout)
    rows = [_row(version, metrics) for version in known]
    longest = max((len(word) for *_, what in rows for word in what.split()), default=0)
    shorter = _table([row[:-1] for row in rows])
    is_narrow = console.measure(shorter).maximum + 1 + longest > console.width
    if not known:
        console.print("no version yet; `longhaul run` pushes one")
    elif is_narrow:  # no name of a metric is broken: what there is to say stands below, a line for each version
        console.print(shorter)
        for number, *_, what in rows:
            console.print(f"{number}  {what}")
    else:
        console.print(_table(rows))
    for request in asked:
        figures = _figures(Manifest.from_json(request.manifest), metrics)
        console.print(f"[yellow]Waiting[/]   run {request.run_id} ({figures}) {escape(request.words)}", soft_wrap=True)


def _row(version: Version, metrics: Collection[str]) -> Sequence[str]:
    color = {"served": "green", "withdrawn": "red"}.get(version.state, "default")
    cells = ("", "", "", "no manifest")
    if found := version.manifest:
        cells = (found.pushed[:16].replace("T", " "), found.pushed_by, found.run_id, _what(found, metrics))
    if version.damage:
        cells = (*cells[:3], f"damaged: {', '.join(version.damage[:3])}; {cells[3]}")
    return str(version.number), f"[{color}]{version.state}[/]", *map(escape, cells)


def _table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    columns = ("version", "state", "pushed (UTC)", "by", "run", "what")
    for column in columns[: max(map(len, rows), default=0)]:
        table.add_column(column, no_wrap=column != "what")
    for row in rows:
        table.add_row(*row)
    return table


def _what(manifest: Manifest, metrics: Collection[str]) -> str:
    origin = f"copy of {manifest.copy_of}, in place of {manifest.replaces}; " if manifest.copy_of else ""
    note = f"; {manifest.note}" if manifest.note else ""
    return origin + _figures(manifest, metrics) + approval_words(manifest) + note


def _figures(manifest: Manifest, metrics: Collection[str]) -> str:
    return ", ".join(f"{name} {manifest.metrics[name]:.4g}" for name in metrics if name in manifest.metrics)


def approval_words(manifest: Manifest) -> str:
    """Say who let a version serve, and until when; "" where nobody had to."""
    if not manifest.approved_by:
        return ""
    if is_past(manifest.approved_until):
        return f"; approved by {manifest.approved_by}, which has run out on {manifest.approved_until}"
    until = f" until {manifest.approved_until}" if manifest.approved_until else ""
    return f"; approved by {manifest.approved_by}{until}"


def print_approval(done: Approval, as_json: bool) -> None:
    """Print what was decided."""
    if as_json:
        print(json.dumps(asdict(done), indent=1))
        return
    console = console_for(sys.stdout)
    if done.forced_over:
        console.print(f"[yellow]Warning[/]   --force overruled: {escape(done.forced_over)}", soft_wrap=True)
    if done.version:
        until = f" until {done.until}" if done.until else ""
        console.print(
            f"Version {done.version} serves: the model of run {done.run_id}, approved by {escape(done.by)}{until}",
            soft_wrap=True,
        )
    else:
        console.print(f"Rejected: the model of run {done.run_id} stays away; no run asks again", soft_wrap=True)


def _plain(version: Version) -> Mapping[str, Any]:
    found = version.manifest.to_json() if version.manifest else None
    told = {"version": version.number, "state": version.state, "path": version.path}
    return told | {"damage": list(version.damage), "manifest": found}


def print_rollback(done: Rollback, as_json: bool) -> None:
    """Print what was done, or would be."""
    if as_json:
        print(json.dumps(asdict(done), indent=1))
        return
    console = console_for(sys.stdout)
    if done.forced_over:
        problem = f"the model does not accept today's schema, which --force overrules: {done.forced_over}"
        console.print(f"[yellow]Warning[/]   {escape(problem)}", soft_wrap=True)
    model = f"the model of version {done.to_version} (run {done.run_id})"
    if done.new_version is None:
        console.print(f"Would publish {model} again, instead of version {done.from_version}", soft_wrap=True)
        return
    console.print(
        f"Version {done.new_version} serves: {model}, instead of version {done.from_version}\n"
        f"No run pushes that one again; `longhaul rollback --to {done.from_version}` brings it back",
        soft_wrap=True,
    )
