"""Prints what `longhaul relocate` did."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.markup import escape

from pipeline.lineage.relocation import Relocation
from pipeline.terminal.console import console_for


def print_relocation(done: Relocation | None, root: Path, *, dry_run: bool, as_json: bool) -> None:
    """Print from where to where a workspace was moved, and how many artifacts that concerns."""
    if as_json:
        print(json.dumps(asdict(done) if done else {"before": None, "now": str(root), "artifacts": 0}, indent=1))
        return
    console = console_for(sys.stdout)
    if done and done.shared:
        console.print(f"[yellow]Note[/]      {escape(done.shared)}", soft_wrap=True)
        return
    if done is None:
        console.print(f"The records name the folders of {escape(str(root))}: nothing is to be done", soft_wrap=True)
        return
    lines = {
        "From": f"{done.before}{', which is left alone: this is a copy' if done.copied else ''}",
        "To": done.now,
        "Artifacts": f"{done.artifacts:,}",
    }
    lines |= {"Backup": done.backup} if done.backup else {}
    for word, text in lines.items():
        console.print(f"{word:<10}{escape(text)}", soft_wrap=True)
    if dry_run:
        console.print("Nothing was rewritten: `longhaul relocate` without --dry-run does", soft_wrap=True)
