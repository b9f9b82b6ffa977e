"""Prints the pushed versions of a model, and what a rollback did."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from pipeline.lineage.pushes import Rollback
from pipeline.serving.versions import Manifest, Version
from pipeline.terminal.console import console_for


def print_versions(known: list[Version], metrics: Collection[str], as_json: bool) -> None:
    """Print the pushed versions, the newest first, each with these metrics."""
    if as_json:
        print(json.dumps([_plain(version) for version in known], indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("version", "state", "pushed (UTC)", "by", "run", "what"):
        table.add_column(column, no_wrap=column != "what")
    for version in known:
        color = {"served": "green", "withdrawn": "red"}.get(version.state, "default")
        cells = ("", "", "", "no manifest")
        if found := version.manifest:
            cells = (found.pushed[:16].replace("T", " "), found.pushed_by, found.run_id, _what(found, metrics))
        if version.damage:
            cells = (*cells[:3], f"damaged: {', '.join(version.damage[:3])}; {cells[3]}")
        table.add_row(str(version.number), f"[{color}]{version.state}[/]", *map(escape, cells))
    console_for(sys.stdout).print(table if known else "no version yet; `longhaul run` pushes one")


def _what(manifest: Manifest, metrics: Collection[str]) -> str:
    origin = f"copy of {manifest.copy_of}, in place of {manifest.replaces}; " if manifest.copy_of else ""
    note = f"; {manifest.note}" if manifest.note else ""
    return (
        origin
        + ", ".join(f"{name} {manifest.metrics[name]:.4g}" for name in metrics if name in manifest.metrics)
        + note
    )


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
