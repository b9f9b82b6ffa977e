"""Prints what came of a prediction."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.errors import shown
from pipeline.guard.findings import percent
from pipeline.reports.judgement import FEW_ROWS
from pipeline.serving.met import LIMITED_BY, Kind, Met
from pipeline.terminal.console import console_for

_MOST = 10
_NAME = 30
"""Letters of a column's name that stay in one line."""
"""Lines of the table of what was met; `--json` has all."""
_SAYS = {
    Kind.UNKNOWN: "unknown to the model",
    Kind.OUT_OF_RANGE: "out of range",
    Kind.MISSING: "missing, filled in",
    Kind.UNREADABLE: "unreadable, taken as missing",
}


@dataclass(frozen=True)
class Predictions:
    """What was written.

    Attributes:
        output: None if nothing was, because of `too_much`.
        version: of the model, or the beginning of its digest.
        resumed_rows: those of them that an interrupted prediction had finished.
        columns: those that the predictions added.
        seconds: in all; `loading_s` of them until TensorFlow and Beam were there.
        classes: rows of each predicted class, all of them in order; empty for a regression.
        values: least, mean and greatest predicted number; empty for a classification.
        unrecorded: why ML Metadata does not know of it; "" if it does, or if nothing was written.
        judging: rows that the model was judged by; None where it has no manifest.
        met: what the model was not made for, the worst first; too_much: of that what is beyond its limit, a share.
    """

    output: str | None
    model: str
    version: str
    rows: int
    resumed_rows: int
    columns: list[str]
    seconds: float
    loading_s: float
    classes: dict[str, int]
    values: dict[str, float]
    met: list[Met]
    too_much: list[tuple[Met, float]]
    unrecorded: str
    judging: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return vars(self) | met_to_json(self.met, self.too_much)


def print_predictions(predictions: Predictions, label: str, as_json: bool) -> None:
    """Print what was predicted.

    Args:
        label: the column that was predicted.
    """
    if as_json:
        print(json.dumps(predictions.to_json(), indent=1))
        return
    p = predictions
    shares = [f"{escape(name)} {percent(count / p.rows)}" for name, count in p.classes.items()]
    values = [f"{name} {value:.4g}" for name, value in p.values.items()]
    console = console_for(sys.stdout)
    earlier = f"; {p.resumed_rows:,} were finished before" if p.resumed_rows else ""
    loading = f"{p.loading_s:.1f} of them to load TensorFlow and Beam"
    console.print(f"Rows      {p.rows:,} in {p.seconds:.1f} s, {loading}{earlier}")
    console.print(f"Predicted {escape(label)}: {', '.join(shares + values)}", soft_wrap=True)
    console.print(f"Columns   {escape(', '.join(p.columns))}", soft_wrap=True)
    console.print(f"Model     {escape(p.model)}", soft_wrap=True)
    if p.judging is not None and p.judging < FEW_ROWS:
        few = f"it was judged by {p.judging:,} row{'' if p.judging == 1 else 's'} only: how good it is, is hardly known"
        console.print(f"[yellow]Note[/]      {few}", soft_wrap=True)
    print_met(console, p.met, p.too_much)
    if p.output is None:
        console.print(f"Output    none was written: {_limits(p.too_much)}", soft_wrap=True)
    else:
        console.print(f"Output    {escape(p.output)}", soft_wrap=True)
    if p.unrecorded:
        console.print(f"[yellow]Note[/]      not recorded: {escape(p.unrecorded)}", soft_wrap=True)


def _limits(too_much: Sequence[tuple[Met, float]]) -> str:
    settings = [*dict.fromkeys(LIMITED_BY[met.kind] for met, _ in too_much)]
    named = " and ".join(filter(None, [", ".join(settings[:-1]), settings[-1]]))
    says = "says" if len(settings) == 1 else "say"
    return f"{named} in the YAML file {says} how much may be met, --strict that none may"


def met_to_json(found: Sequence[Met], too_much: Sequence[tuple[Met, float]]) -> dict[str, Any]:
    """Return what was met, and what of it was too much, as plain data."""
    return {
        "met": [met.to_json() for met in found],
        "too_much": [
            {"column": met.column, "kind": met.kind, "share": round(met.share, 6), "limit": limit}
            for met, limit in too_much
        ],
    }


def print_met(console: Console, found: Sequence[Met], too_much: Sequence[tuple[Met, float]]) -> None:
    """Print a small table of what the model was not made for, the worst first, and what of it was too much; nothing if
    there was nothing."""
    if not found:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    longest = max(len(shown(met.column)) for met in found[:_MOST])
    for heading in ("Met in", "what", "rows", "share", "for example"):
        justify: Literal["left", "right"] = "right" if heading in ("rows", "share") else "left"
        least = min(longest, _NAME) if heading == "Met in" else None
        table.add_column(heading, justify=justify, overflow="fold", min_width=least)
    several = len({example.file for met in found for example in met.examples}) > 1
    for met in found[:_MOST]:
        what = "missing, as the model expects" if met.expected else _SAYS[met.kind]
        color = "dim" if met.expected else "yellow"
        table.add_row(
            escape(shown(met.column)),
            f"[{color}]{what}[/]",
            f"{met.rows:,}",
            percent(met.share),
            escape(_examples(met, several)),
        )
    console.print(table)
    if len(found) > _MOST:
        console.print(f"          {len(found) - _MOST:,} more; --json has them all")
    for met, limit in too_much:
        console.print(
            f"[bold red]Too much[/]  {escape(repr(met.column))}: {met.rows:,} of {met.of:,} rows are "
            f"{_SAYS[met.kind]}; {percent(limit) if limit else 'none'} may be",
            soft_wrap=True,
        )


def _examples(met: Met, with_file: bool) -> str:
    return ", ".join(
        (f"{example.value!r} in " if met.kind is not Kind.MISSING else "")
        + (f"{PurePath(example.file).name} " if with_file else "")
        + f"row {example.row:,}"
        for example in met.examples
    )
