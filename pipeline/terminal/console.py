"""The console that every command prints to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.control import Control
from rich.segment import Segment

from pipeline.observe.standard_streams import visible


def console_for(stream: TextIO) -> Console:
    """A console that is never narrower than a line of ours: a pipe has no width."""
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
