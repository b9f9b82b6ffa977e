"""Prints what came of a prediction."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

from rich.markup import escape

from pipeline.guard.findings import percent
from pipeline.terminal.console import console_for


@dataclass(frozen=True)
class Predictions:
    """What was written.

    Attributes:
        resumed_rows: those of them that an interrupted prediction had finished.
        columns: those that the predictions added.
        seconds: in all; `loading_s` of them until TensorFlow and Beam were there.
        classes: rows of each predicted class, all of them in order; empty for a regression.
        values: least, mean and greatest predicted number; empty for a classification.
    """

    output: str
    model: str
    rows: int
    resumed_rows: int
    columns: list[str]
    seconds: float
    loading_s: float
    classes: dict[str, int]
    values: dict[str, float]


def print_predictions(predictions: Predictions, label: str, as_json: bool) -> None:
    """Print what was predicted.

    Args:
        label: the column that was predicted.
    """
    if as_json:
        print(json.dumps(asdict(predictions), indent=1))
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
    console.print(f"Output    {escape(p.output)}", soft_wrap=True)
