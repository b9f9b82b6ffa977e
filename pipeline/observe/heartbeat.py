"""A dead man's switch: a service that calls someone when it has not heard of a job in time.

It is pinged as healthchecks.io (which anybody may also run themselves) has it: `/start` when a run begins, the address
itself when it ended well, `/fail` when it did not, `/log` when nothing is wrong but time has to pass. Of a process that
was killed, and of a machine that is off, it hears nothing, which is the point.
"""

from __future__ import annotations

import time
import uuid
from typing import Literal
from urllib.parse import urlencode, urlsplit

from pipeline.config.notify import Ending, Notify
from pipeline.errors import EXIT_CODES, LATER, PipelineError
from pipeline.observe.posting import address_of, not_set, post

Signal = Literal["start", "", "fail", "log"]
_AGAIN_LATER = {one.code for one in EXIT_CODES if one.then == LATER}
_ENDS_WITH_0: tuple[Ending, ...] = ("complete", "waits_for_approval")
_PAUSES_S = (0.5, 1.5)
"""Before a ping that got lost is sent again: the switch would call someone for nothing."""


def signal_of(ending: Ending, error: BaseException | None) -> Signal:
    """Return what the switch hears of a run. What has to be tried again later is no failure, and no success."""
    if isinstance(error, PipelineError) and error.exit_code in _AGAIN_LATER:
        return "log"
    return "" if ending in _ENDS_WITH_0 else "fail"


class Heartbeat:
    """The pings of one command."""

    def __init__(self, settings: Notify) -> None:
        self._settings = settings
        self._id = str(uuid.uuid4())  # by which the service knows which start belongs to which end

    @property
    def is_wanted(self) -> bool:
        """Whether the configuration names a switch."""
        return bool(self._settings.heartbeat or self._settings.heartbeat_env)

    def ping(self, signal: Signal, body: bytes, timeout_s: float | None = None) -> str:
        """Send a signal; return a sentence about what went wrong, "" if nothing did.

        Args:
            timeout_s: of somebody who is in a hurry: the ping is sent once.
        """
        if not self.is_wanted:
            return ""
        name = "heartbeat_env" if self._settings.heartbeat_env else "heartbeat"
        address = address_of(self._settings.heartbeat, self._settings.heartbeat_env)
        if not address:
            return f"notify.{name}: {not_set(self._settings.heartbeat_env)}"
        problem = self._post(_with_signal(address, signal, self._id), body, timeout_s)
        return f"notify.{name}: {problem}" if problem else ""

    def _post(self, address: str, body: bytes, timeout_s: float | None) -> str:
        problem = post(address, body, timeout_s or self._settings.timeout_s)
        for pause_s in _PAUSES_S if timeout_s is None else ():
            if not _may_pass(problem):
                break
            time.sleep(pause_s)
            problem = post(address, body, self._settings.timeout_s)
        return problem


def _may_pass(problem: str) -> bool:
    return problem.startswith(("not reached", "no answer (", "the receiver answered 5"))


def _with_signal(address: str, signal: Signal, run: str) -> str:
    """Put a signal at the end of the path, before the query, and the run's id into the query."""
    parts = urlsplit(address)
    path = f"{parts.path.rstrip('/')}/{signal}" if signal else parts.path.rstrip("/")
    query = "&".join(filter(None, [parts.query, urlencode({"rid": run})]))
    return parts._replace(path=path, query=query).geturl()
