"""The console that every command prints to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.control import Control
from rich.segment import Segment

from pipeline.observe.standard_streams import visible

STATUS_COLORS = {"complete": "green", "failed": "red", "blocked": "red"}
"""Of runs; others are yellow."""


def console_for(stream: TextIO) -> Console:
    """Return a console that is never narrower than a line of ours: a pipe has no width."""
    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        console.width = 120
    console.push_render_hook(_Visible())
    return console


class _Visible(RenderHook):
    """Has everything that is printed pass `visible`: names and values of a table may hold what a terminal acts on."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [renderable if isinstance(renderable, Control) else _Shown(renderable) for renderable in renderables]


@dataclass(frozen=True)
class _Shown:
    """What rich makes of something, its text made visible."""

    what: ConsoleRenderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for text, style, control in console.render(self.what, options):
            yield Segment(text if control else visible(text), style, control)


def number_text(value: float | None) -> str:
    """Return a metric, or a count of rows; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 10 else f"{value:.4f}"


def size_text(size: float) -> str:
    """Return bytes as a person reads them."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
