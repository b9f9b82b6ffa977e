"""Tells people how a run ended: a webhook, a command of theirs, or both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.config.notify import Ending, Notify
from pipeline.observe.posting import address_of, not_set, post


@dataclass(frozen=True)
class News:
    """What is told; sent as a JSON object with these keys.

    Attributes:
        ending: how the run ended.
        run_id: "" if it ended before it was on record.
        reason: why, one reason a line; "" of a run that got through.
        metrics: overall, of the run's model.
        pushed_version: of the model that it pushed, or "".
        report, log: files in the workspace, or "".
    """

    pipeline: str
    ending: Ending
    run_id: str = ""
    reason: str = ""
    started: str = ""
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    pushed_version: str = ""
    workspace: str = ""
    report: str = ""
    log: str = ""


@dataclass(frozen=True)
class AlarmNews(News):
    """What is told of an alarm of `longhaul watch`.

    Attributes:
        event: opened, escalated or closed; alarm: see pipeline.watch.alarms.
    """

    event: str = ""
    alarm: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LoopNews(News):
    """What is told of a decision of `longhaul loop`.

    Attributes:
        event: promoted, aborted or asks; decision: its numbers.
    """

    event: str = ""
    decision: dict[str, Any] = field(default_factory=dict)


def notify(settings: Notify, news: News) -> Iterator[str]:
    """Tell the news where the settings say so; yield a sentence about each that could not be told it. Addresses of
    webhooks stand in none of them."""
    if news.ending not in settings.on:
        return
    body = json.dumps(asdict(news)).encode()
    if settings.webhook or settings.webhook_env:
        address = address_of(settings.webhook, settings.webhook_env)
        if problem := post(address, body, settings.timeout_s) if address else not_set(settings.webhook_env):
            yield f"notify.{'webhook_env' if settings.webhook_env else 'webhook'}: {problem}"
    if settings.command and (problem := _call(settings, body)):
        yield f"notify.command: {settings.command[0]} {problem}"


def _call(settings: Notify, body: bytes) -> str:
    with tempfile.TemporaryFile() as chatter:
        try:
            command = subprocess.Popen(
                settings.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=chatter,
                start_new_session=True,  # what it starts can then be stopped with it
            )
        except OSError as exc:
            return f"cannot be started ({exc.strerror})"
        try:
            command.communicate(body, settings.timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(command.pid, signal.SIGKILL)
            command.wait()
            return f"was stopped after {settings.timeout_s:g} s"
        chatter.seek(0)
        said = chatter.read().decode(errors="replace").strip().splitlines()
    if command.returncode == 0:
        return ""
    return f"ended with {command.returncode}" + (f": {said[-1][:200]}" if said else "")
