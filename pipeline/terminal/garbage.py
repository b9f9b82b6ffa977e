"""What `longhaul gc` and its like print."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from pipeline.lineage.garbage import Plan
from pipeline.terminal.console import console_for, size_text


def print_plan(plan: Plan, root: Path, applied: bool, as_json: bool) -> None:
    """Print what goes, or went, by kind; and how much stays, and why."""
    if as_json:
        items = [
            {
                "kind": item.kind,
                "path": str(item.path),
                "bytes": item.size_bytes,
                "run": item.of,
                "artifact_id": item.artifact_id,
            }
            for item in plan.items
        ]
        print(json.dumps({"applied": applied, "bytes": plan.size_bytes, "items": items, "kept": plan.kept}, indent=1))
        return
    console = console_for(sys.stdout)
    if plan.items:
        counts, sizes = Counter(item.kind for item in plan.items), defaultdict[str, int](int)
        for item in plan.items:
            sizes[item.kind] += item.size_bytes
        table = Table(box=None, pad_edge=False)
        for column in ("removed" if applied else "would go", "number", "space"):
            table.add_column(column, justify="left" if column[0] in "rw" else "right")
        for kind in sorted(counts, key=lambda kind: -sizes[kind]):
            table.add_row(escape(kind), f"{counts[kind]:,}", size_text(sizes[kind]))
        console.print(table)
    for reason, count in plan.kept.items():
        console.print(f"Kept      {count:,} artifacts {escape(reason)}", soft_wrap=True)
    total = f"{len(plan.items):,} things, {size_text(plan.size_bytes)}"
    if not plan.items:
        console.print(f"Nothing to remove in {escape(str(root))}", soft_wrap=True)
    elif applied:
        console.print(f"Removed   {total}; their records stay")
    else:
        console.print(f"Total     {total}; nothing was removed: `longhaul gc --apply` does")
