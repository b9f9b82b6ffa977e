"""Prints what `longhaul loop` saw, decided and waits for."""

from __future__ import annotations

import json
import sys

from rich.markup import escape

from pipeline.continuous.looked import Looked
from pipeline.terminal.console import console_for


def print_looked(done: Looked, as_json: bool) -> None:
    """Print it line by line, or as JSON."""
    if as_json:
        print(json.dumps(done.to_json()))
        return
    console = console_for(sys.stdout)

    def line(word: str, text: str, color: str = "bold") -> None:
        console.print(f"[{color}]{word:<10}[/]{escape(text)}", soft_wrap=True)

    for event in done.events:
        line("Event", f"{event.key}: {event.because}{' (answered)' if event.key in done.answered else ''}")
    for reason in done.held:
        line("Held", reason, "yellow")
    for entry in done.entries:
        told = {name: value for name, value in entry.told.items() if name not in ("because", "keys", "before")}
        numbers = ", ".join(f"{name} {value}" for name, value in told.items() if value not in ("", None))
        line(entry.kind.capitalize(), numbers or "a run")
    if done.attempt:
        one = done.attempt
        what = f"run {one.run_id}" if one.run_id else "its run is not done"
        line("Attempt", f"{one.number}, begun {one.began}: {what}{f', version {one.version}' if one.version else ''}")
    if done.waits:
        line("Now", done.waits)
    for sentence in done.told:
        line("Note", sentence, "yellow")
