"""docs/tables.md, of what bench.public_tables found.

python -m bench.public_report OUT
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.public_tables import HERE, load, tables, tallies

DOCS = HERE.parent / "docs" / "tables.md"

LETTERS = {
    "n": "a number", "m": "a number with its unit", "o": "a small whole number", "b": "one of two values",
    "y": "a year", "c": "a category", "g": "a name or code", "z": "a code that looks like a number",
    "t": "text", "i": "an identifier", "d": "a date or time", "e": "part of a date", "x": "constant or empty",
}  # fmt: skip
"""A person's reading, in the words of the report."""


def report(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return docs/tables.md."""
    known = [(table, results[table.file]) for table in tables() if table.file in results]
    columns, misread = tallies(results)
    right = 1 - misread / max(columns, 1)
    ends = Counter(result["ended"] for _, result in known)
    lifted = [table for table, result in known if result["options"]]
    lines = [
        "# Public tables",
        "",
        "Tables that people publish, given to `longhaul init` and `longhaul run` as they were found, without an edit",
        "of the table or of what `init` wrote. Only time was saved: beyond 2,000 rows, 2 members learn for 4 epochs.",
        "The list is `bench/public_tables.toml`; `python -m bench.public_report` wrote this page. The files are not",
        "in this repository; most of their repositories state no licence for the data. The tables also served to find",
        "faults in `init`, which were then fixed: the shares are of these tables, and no forecast for others.",
        "",
        f"- {len(known)} tables: " + ", ".join(f"{count} {end}" for end, count in ends.most_common()) + ".",
        f"- {len(lifted)} of them were refused at first, and read with the option that the refusal names.",
        "- Before `init` recognised formats and values, it read 37 of the 78, and 89.3% of their columns as a person.",
        f"- {columns:,} columns were read, {columns - misread:,} as a person reads them: {right:.1%}.",
        "",
        "Served: a model passed every gate, was loaded by the loader of model servers, and answers. Not blessed: the",
        "model was trained, and is clearly worse than a guess on the rows that judge. Blocked: a gate stopped the run",
        "and said why. Refused: a command said what is wrong with the input, and the remedy. Read: `init` wrote a",
        "configuration; the chain was not run, for want of time. Stopped: the chain had not ended after 20 minutes.",
        "",
        "| Table | Where | Licence | Rows | Columns | Label | Ended | Misread |",
        "|---|---|---|--:|--:|---|---|--:|",
    ]
    for table, result in known:
        ended = result["ended"] + (f" with `{' '.join(result['options'])}`" if result["options"] else "")
        lines.append(
            f"| {table.file} | {table.repository}: {table.path} | {table.licence} | {result['rows']:,} "
            f"| {len(result['read'])} | {_cell(table.label)} | {ended} | {len(result['misread'])} |"
        )
    lines += ["", "## Misread columns", "", "| Table | Column | A person reads | `init` reads |", "|---|---|---|---|"]
    for table, result in known:
        for column, (letter, kind) in result["misread"].items():
            lines.append(f"| {table.file} | {_cell(column)} | {LETTERS[letter.lower()]} | {kind} |")
    if any(result["ended"] in ("refused", "blocked", "failed") for _, result in known):
        lines += ["", "## Not served", ""]
    for table, result in known:
        if result["ended"] not in ("served", "read", "not blessed"):
            lines += [f"**{table.file}** ({result['ended']}):", "", "```text", *_end_of(result["said"]), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    shown = text if len(text) <= 40 else text[:39] + "…"
    return f"`{shown}`".replace("|", "\\|")


def _end_of(said: str) -> list[str]:
    """Return the last lines without the paths of the machine that measured."""
    return [re.sub(r"/[\w./+-]*/", "", row)[:180] for row in said.splitlines()[-4:]]


if __name__ == "__main__":
    DOCS.write_text(report(load(Path(sys.argv[1]))))
