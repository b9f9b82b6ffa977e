"""What is known of the request under way, and what of it goes into the log when it ends.

A request is one task of the event loop, so the one under way is a context variable: the protocols need not hand it on.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from pipeline.serving.request_layout import STABLE, Entry
from pipeline.serving.request_log import RequestLog
from pipeline.serving.server.model import DEFAULT, LoadedModel
from pipeline.serving.server.refusal import Code
from pipeline.serving.server.tensors import Arrays, Columns

_LONGEST = 128
"""Characters of an id or of a caller's label."""
_OF_A_STRANGER = (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED)
"""Errors that are not logged: else anybody could fill the disk."""


class Answer(NamedTuple):
    """What a model said to a request.

    Attributes:
        columns, all_outputs: of all requests that it was asked together, and
        at, rows: where this one's begin there, and how many there are.
    """

    outputs: Arrays
    columns: Columns
    all_outputs: Arrays
    at: int
    rows: int


@dataclass(slots=True)
class Part:
    """Rows of a request that one version was asked.

    Attributes:
        places: of the rows in the request; all when None.
        answer: what the model said to it, and to requests beside it.
    """

    model: LoadedModel
    signature: str
    columns: Columns
    rows: int
    size: int
    answer: Answer | None = None
    route: str = STABLE
    places: Sequence[int] | None = None


@dataclass(slots=True)
class Call:
    """A request under way.

    Attributes:
        is_named: whether the caller gave the id.
        began: by the clock of `time.perf_counter`.
        pinned: whether it names a version or a label, which no rollout changes.
    """

    request_id: str
    caller: str | None
    time: float
    began: float
    parts: list[Part] = field(default_factory=list)
    pinned: bool = False
    is_named: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether the id may stand in a header."""
        return self.request_id.isascii() and self.request_id.isprintable()

    @property
    def answered(self) -> LoadedModel | None:
        """The version that answered last, if one did."""
        return next((part.model for part in reversed(self.parts) if part.answer), None)


_CALL: ContextVar[Call | None] = ContextVar("call", default=None)


def current() -> Call | None:
    """Return the request under way; None where nobody asks for its id."""
    return _CALL.get()


def name_call(request_id: object) -> None:
    """Give the request under way the id that its body has, if no header gave it one."""
    call = _CALL.get()
    if call and not call.is_named and isinstance(request_id, str) and request_id:
        call.request_id, call.is_named = request_id[:_LONGEST], True


def answering(model: LoadedModel) -> LoadedModel:
    """Return the version that answered the request under way, which was meant for `model`."""
    call = _CALL.get()
    return (call.answered if call else None) or model


class Journal:
    """Gives each request its id, and writes down what became of it.

    Args:
        log: None where requests are not logged.
    """

    def __init__(self, log: RequestLog | None = None) -> None:
        self.log = log
        self._prefix, self._number = secrets.token_hex(6), count(1)

    def begin(self, request_id: bytes, caller: bytes) -> Call:
        """Note that a request came; empty where it has no id or no label of its caller."""
        given = request_id[:_LONGEST].decode(errors="replace") or f"{self._prefix}-{next(self._number):x}"
        label = caller[:_LONGEST].decode(errors="replace") or None
        call = Call(given, label, time.time(), time.perf_counter(), is_named=bool(request_id))
        _CALL.set(call)
        return call

    def shadowed(self, call: Call, part: Part, latency_s: float, error: str | None) -> None:
        """Have written what the shadow answered."""
        if self.log and self.log.wants(call.request_id):
            self.log.add(_entry(call, part, latency_s, error))

    def close(self) -> None:
        """Write down what waits."""
        if self.log:
            self.log.close()

    def end(self, call: Call, model: LoadedModel | None, status: Code, message: str) -> None:
        """Have a request written.

        Args:
            model: the one whose columns the request should have had, where none was asked.
        """
        log = self.log
        if log is None or status in _OF_A_STRANGER:
            return
        error = f"{status.name}: {message}" if status else None
        if error is None and not log.wants(call.request_id):
            return
        latency_s = time.perf_counter() - call.began
        for part in call.parts:
            log.add(_entry(call, part, latency_s, error))
        if not call.parts and error and model:
            layout = model.layout(DEFAULT)
            log.add(
                Entry(model.name, layout, call.request_id, call.time, "", caller=call.caller, latency_s=latency_s,
                      error=error)
            )  # fmt: skip


def _entry(call: Call, part: Part, latency_s: float, error: str | None) -> Entry:
    model, answer = part.model, part.answer
    version, columns, outputs, at, whole = None, part.columns, None, 0, None
    if answer:
        version, columns, outputs, at, whole = (
            model.version, answer.columns, answer.all_outputs, answer.at, answer.rows
        )  # fmt: skip
    # In the order of the fields: with their names it would take three times as long.
    return Entry(
        model.name, model.layout(part.signature), call.request_id, call.time, part.signature, part.rows, version,
        part.route, call.caller, latency_s, error, columns, outputs, at, whole, part.places, part.size,
    )  # fmt: skip
