"""Prints what `longhaul suspects` found."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from pipeline.reports.single_rows import place_text
from pipeline.terminal.console import console_for, linked

_SHOWN = 10


def print_suspects(found: dict[str, Any], as_json: bool, *, is_applied: bool) -> None:
    """Print the first rows, and where all are, or JSON. `is_applied`: the configuration names the file."""
    if as_json:
        print(json.dumps(found, indent=1))
        return
    console = console_for(sys.stdout)
    rows, looked_at = found["rows"], found["looked_at"]
    console.print(
        f"[bold]{len(rows):,} labels worth a second look[/], of {looked_at:,} rows that trained run {found['run_id']};"
        f" confident learning calls {found['errors']:,} an error ({found['errors'] / looked_at:.1%})",
        soft_wrap=True,
    )
    if found["note"]:
        console.print(f"[yellow]Note[/]      {found['note']}", soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for name in ("row", "label", "rather", "score", "why"):
        table.add_column(name)
    for one in rows[:_SHOWN]:
        place = place_text(one["file"], one["file_row"]) or one["row"]
        table.add_row(*map(escape, (place, one["given"], one["suggested"], f"{one['score']:.3f}", one["why"])))
    if rows:
        console.print(table)
    page = Path(found["page"])
    console.print(f"Page      {linked(page, escape(str(page)))}", soft_wrap=True)
    console.print(f"File      {escape(found['file'])}", soft_wrap=True)
    if found["decided"]:
        console.print(f"Decided   {found['decided']:,} rows before, which stay in the file", soft_wrap=True)
    if rows and not is_applied:
        console.print(f"Then      data.label_decisions: {escape(found['file'])}, and `longhaul run`", soft_wrap=True)
