"""Limits of time for a run and for each of its steps: `run.timeout`, `run.step_timeout`.

A thread looks at the clock. When a limit is reached the run ends as after Ctrl-C: the step at work ends, its record is
closed, what was finished stays. Whatever does not end on that, such as a call that hangs on a dead disk, is ended with
the process a while later, and what it started with it (pipeline/workspace/guard.py); the next command that writes then
closes the record, with the true reason.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.config.run import RunSettings
from pipeline.config.value_types import seconds_of
from pipeline.errors import EXIT_TIMEOUT, ConfigError, TimeLimitError
from pipeline.runners.local.interruption import expire, expired, expiring
from pipeline.runners.local.recovery import leave_ending

GRACE_S = 60.0
"""So long a run may take to end by itself."""
_LOOK_S = 0.2
_RESUME = "`longhaul resume` goes on after the last finished step; {} in the configuration sets the limit"


class Limits:
    """The limits of one run.

    Args:
        root: the workspace, for the word that is left when the process has to be ended.
    """

    def __init__(self, settings: RunSettings, root: Path, run_id: str) -> None:
        self._settings, self._root, self._run_id = settings, root, run_id
        self._ends: dict[str, tuple[float, str]] = {}
        self._is_over = threading.Event()
        self._says = sys.stderr  # while a step is at work, what is written there goes to the log

    @contextmanager
    def of_run(self) -> Iterator[None]:
        """Limit all that is done in the block; the limits of steps hold in there only.

        Raises:
            TimeLimitError: a limit was reached.
        """
        settings = self._settings
        is_main = threading.current_thread() is threading.main_thread()
        if not (settings.timeout or settings.step_timeout) or not is_main:
            yield
            return
        if settings.timeout:
            self._arm("", settings.timeout, f"the run took longer than run.timeout allows ({settings.timeout})")
        watch = threading.Thread(target=self._watch, name="limits", daemon=True)
        try:
            with expiring():
                watch.start()
                yield
        except KeyboardInterrupt as exc:
            if reason := expired():
                setting = "run.timeout" if "run.timeout" in reason else "run.step_timeout"
                raise TimeLimitError(reason, _RESUME.format(setting)) from exc
            raise
        finally:
            self._is_over.set()

    @contextmanager
    def of_step(self, node: str) -> Iterator[None]:
        """Limit one step, all its tries together."""
        if limit := self._settings.limit_of(node):
            self._arm(node, limit, f"{node} took longer than run.step_timeout allows ({limit})")
        try:
            yield
        finally:
            self._ends.pop(node, None)

    def check(self, nodes: list[str]) -> None:
        """Refuse a limit for a step that there is not.

        Raises:
            ConfigError: there is one.
        """
        named = self._settings.step_timeout if isinstance(self._settings.step_timeout, dict) else {}
        if unknown := sorted(named.keys() - {*nodes, "default"}):
            raise ConfigError(
                f"run.step_timeout: there is no step {unknown[0]!r}", f"the steps are {', '.join(nodes)}; or `default`"
            )

    def _arm(self, name: str, limit: str, reason: str) -> None:
        self._ends[name] = (time.monotonic() + seconds_of(limit), reason)

    def _watch(self) -> None:
        while not self._is_over.wait(_LOOK_S):
            now = time.monotonic()
            if reason := next((reason for end, reason in tuple(self._ends.values()) if now > end), ""):
                expire(reason)
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
                if not self._is_over.wait(GRACE_S):
                    self._end_at_once(reason)
                return

    def _end_at_once(self, reason: str) -> None:
        leave_ending(self._root, self._run_id, {"status": "interrupted", "reason": reason})
        print(f"longhaul: {reason}", file=self._says, flush=True)
        os._exit(EXIT_TIMEOUT)
