"""Prints what a replay found: a line for each policy, then the best in hindsight."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from pipeline.terminal.console import console_for


def print_replay(found: dict[str, Any], page: Path, as_json: bool) -> None:
    """Print it as a table, or as JSON."""
    if as_json:
        print(json.dumps(found))
        return
    console = console_for(sys.stdout)
    table = Table(box=None, pad_edge=False)
    for name in ("policy", found["loss"], "gain", "runs", "CPU hours", "pages", "regret"):
        table.add_column(name, justify="left" if name == "policy" else "right")
    for one in found["policies"]:
        gain = "-" if one["gain"] is None else f"{one['gain']:.0%}"
        table.add_row(
            *(escape(one["name"]), f"{one['loss']:.5f}", gain, str(one["runs"]), f"{one['cpu_hours']:.3f}"),
            *(str(one["pages"]), f"{one['regret']:.5f}"),
        )
    console.print(table)
    best = found["best"]
    console.print(
        f"The best schedule in hindsight: {best['loss']:.5f} with {best['runs']} runs; a run each {found['tick']}: "
        f"{found['always']:.5f}; none: {found['never']:.5f}.",
        soft_wrap=True,
    )
    console.print(
        f"{found['trained']} models, each trained once, {escape(found['model'])}: exact for every policy. "
        f"{found['cpu_seconds']:.0f} s of CPU.",
        soft_wrap=True,
    )
    console.print(f"Page      {escape(str(page))}", soft_wrap=True)
