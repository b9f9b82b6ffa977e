"""The console that every command prints to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.control import Control
from rich.markup import escape
from rich.segment import Segment
from rich.text import Text

from pipeline.config.command_texts import as_given
from pipeline.observe.standard_streams import visible

STATUS_COLORS = {"complete": "green", "failed": "red", "blocked": "red"}
"""Of runs; others are yellow."""


_LABEL = 10
"""Columns of what stands before most lines: `Warning   …`."""
_COMMAND = re.compile(r"(?:\w+ +| +)longhaul ")
_WORD = re.compile(r"\s*(?:[^\s`]*`longhaul [^`\n]*`\S*|\S+)")
"""A command within a sentence is one, so that it can be copied."""
_LABELLED = re.compile(rf"(?:Not \w+ |.{{{_LABEL - 1}}} )(?=\S)")


def console_for(stream: TextIO) -> Console:
    """Return a console that is never narrower than a line of ours: a pipe has no width.

    On a terminal what is printed with `soft_wrap` breaks between words, below where its text began; elsewhere it stays
    one line.
    """
    console = _OurConsole(file=stream, highlight=False, emoji=False)  # a name may hold :a:
    if not console.is_terminal:
        console.width = 120
    console.push_render_hook(_Visible())
    return console


class _OurConsole(Console):
    """Breaks long lines of ours itself, on a terminal, and has commands name the pipeline that a person named."""

    def print(self, *objects: Any, soft_wrap: bool | None = None, **settings: Any) -> None:
        """See rich."""
        escaping = str if settings.get("markup") is False else escape
        objects = tuple(as_given(one, escaping) if isinstance(one, str) else one for one in objects)
        if soft_wrap is None and objects and all(isinstance(one, str) for one in objects):
            soft_wrap = True  # rich would break a path or a command
        if self.is_terminal and soft_wrap and len(objects) == 1 and isinstance(objects[0], str):
            objects = (_Hanging(self.render_str(objects[0], markup=settings.get("markup"), highlight=False)),)
        super().print(*objects, soft_wrap=soft_wrap, **settings)


@dataclass(frozen=True)
class _Hanging:
    """Lines that break between words; a path or a command stays whole, so that it can be copied."""

    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.text.split("\n"):
            plain = line.plain
            has_label = bool(_LABELLED.match(plain))
            blanks = len(plain) - len(plain.lstrip())
            indent = _LABEL if has_label else blanks + 2 if blanks else 0
            breaks = [] if _COMMAND.match(plain) else _breaks(plain, options.max_width, indent)
            for place, piece in enumerate(line.divide(breaks)):
                piece.rstrip()
                whole = Text(" " * indent if place else "", no_wrap=True, overflow="ignore")
                yield whole.append_text(piece)


def _breaks(plain: str, width: int, indent: int) -> list[int]:
    """Return where the further lines begin."""
    found: list[int] = []
    used = 0
    for word in _WORD.finditer(plain):
        size = cell_len(word[0])
        if used and used + size > width:
            found.append(word.end() - len(word[0].lstrip()))
            used = indent + cell_len(word[0].lstrip())
        else:
            used += size
    return found


def linked(path: Path, text: str) -> str:
    """Return markup that leads to a file of this machine, on a terminal that knows such links."""
    return f"[link={path.absolute().as_uri()}]{escape(text)}[/link]"


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
