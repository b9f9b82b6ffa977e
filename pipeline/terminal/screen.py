"""What a person sees while a run works: one line per step, alive as long as the step is."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.text import Text

from pipeline.lineage.records import Step
from pipeline.lineage.states import StepState
from pipeline.observe.log_file import output_to
from pipeline.observe.standard_streams import visible
from pipeline.terminal.console import console_for

_QUIET_PROGRESS_S = 10
"""Where output is not a terminal, a step at work says so this often at most."""


@dataclass
class _AtWork:
    """A step that has begun and not ended."""

    place: str
    thread: int = field(default_factory=threading.get_ident)
    began: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)
    detail: str = ""

    def __rich__(self) -> Spinner:
        seconds = time.monotonic() - self.began
        text = Text.from_markup(f"{self.place}{seconds:7.1f} s  [dim]{escape(visible(self.detail))}[/]")
        text.no_wrap, text.overflow = True, "ellipsis"
        return Spinner("dots", text=text)


@contextmanager
def chatter_to(log: Path, what: str) -> Iterator[None]:
    """Send to a file what heavy packages say, and show meanwhile that something takes seconds.

    Args:
        what: that takes so long; nothing is shown if it is empty.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    with output_to(log) as terminal:
        screen = Screen(console_for(terminal))
        try:
            if what:
                screen.waiting(what)
            yield
        finally:
            screen.close_line()


class Screen(logging.Handler):
    """Watches a local run, whose steps may be at work at the same time.

    As a logging handler on `longhaul.progress` it shows how far a long step is.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self._alone = threading.RLock()
        self._live: Live | None = None
        self._of = 0
        self._numbers: dict[str, int] = {}
        self._steps: dict[str, _AtWork] = {}

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, soft_wrap=True)

    def waiting(self, what: str) -> None:
        """Show that something takes seconds before the first step."""
        if self._console.is_terminal:
            self._open_line(Spinner("dots", text=f"{what} …"))
        else:
            self.say(f"{what} …")

    def planned(self, nodes: list[str]) -> None:
        """Take note of the steps to come."""
        self.close_line()
        self._of = len(nodes)

    def started(self, node: str) -> None:
        """Show that a step begins."""
        with self._alone:
            self._steps[node] = _AtWork(self._place(node))
            if self._console.is_terminal and self._live is None:
                self._open_line(self)

    def finished(self, step: Step) -> None:
        """Show how a step ended."""
        outcome = step.outcome
        mark, color = outcome.mark, outcome.color
        detail = "" if outcome.state is StepState.DONE else f"  {escape(outcome.words)}"
        with self._alone:
            self._steps.pop(step.node, None)
            if not self._steps:
                self.close_line()
            self.say(f"[{color}]{mark}[/] {self._place(step.node)}{step.seconds:7.1f} s[{color}]{detail}[/]")

    def retrying(self, node: str, reason: str, wait_s: float) -> None:
        """Show that a step begins once more."""
        self.say(f"         {node}: {escape(reason)}; once more in {wait_s:g} s")

    def close_line(self) -> None:
        """Take what is alive off the screen."""
        with self._alone:
            if self._live:
                self._live.stop()
                self._live = None

    def emit(self, record: logging.LogRecord) -> None:
        """Show what the step at work logs of its progress."""
        with self._alone:
            # A step logs in the thread in which it began, or in one of its own.
            at_work = sorted(self._steps.items(), key=lambda item: item[1].thread != record.thread)
            if not at_work:
                return
            node, step = at_work[0]
            step.detail = record.getMessage()
            is_due = time.monotonic() - step.said > _QUIET_PROGRESS_S or getattr(record, "milestone", False)
            if is_due and not self._console.is_terminal:
                step.said = time.monotonic()
                self.say(f"         {node}: {escape(step.detail)}")

    def _place(self, node: str) -> str:
        number = self._numbers.setdefault(node, len(self._numbers) + 1)
        return f"{number:2d}/{self._of}  {node:<18}"

    def _open_line(self, what: RenderableType) -> None:
        # Left to itself, Live would catch what others print, which belongs in the log.
        self._live = Live(what, console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False)
        self._live.start()

    def __rich__(self) -> Group:
        return Group(*self._steps.copy().values())
