"""Puts requests that wait at the same time into one call of the model, and gives each its own rows back.

A request that finds the model idle is answered as soon as the event loop has nothing else at hand: while its turns
bring more requests, those come along, for two milliseconds at most. (gRPC hands over one request a turn, and each would
be asked by itself.) While the model works, others wait; when it is free, as many as fit go together. There is no timer,
and nobody waits for company that is not there already.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from pipeline.serving.server.calls import Answer
from pipeline.serving.server.model import LoadedModel
from pipeline.serving.server.refusal import Code, Refusal
from pipeline.serving.server.tensors import Arrays, Columns

_SWEEP_S = 0.05
_QUIET_TURNS = 8
"""Of the event loop, without a new request, before the model is asked: some 5 microseconds each."""
_GATHER_S = 0.002
"""After which it is asked in any case."""

_MANY_ROWS = 64
"""From which on a request's numbers become arrays, a column each; of fewer it takes longer than to read the lists."""


@dataclass(eq=False)
class _Job:
    model: LoadedModel
    signature: str
    columns: Columns
    rows: int
    shapes: tuple[Any, ...]
    until: float
    answer: asyncio.Future[Answer]

    def goes_with(self, other: _Job) -> bool:
        return self.model is other.model and self.signature == other.signature and self.shapes == other.shapes


class Batcher:
    """The queue in front of the models of one process; used in its event loop only.

    Args:
        most_rows: in one call, if it is of several requests.
        most_waiting: rows, of all requests that wait.
    """

    def __init__(self, most_rows: int, most_waiting: int) -> None:
        self._most_rows, self._most_waiting = most_rows, most_waiting
        self._waiting: deque[_Job] = deque()
        self._waiting_rows = 0
        self._working: list[_Job] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._sweeper: asyncio.TimerHandle | None = None
        self._quiet_turns, self._gather_until = 0, 0.0
        self.batches = 0

    async def ask(self, model: LoadedModel, signature: str, columns: Columns, timeout_s: float) -> Answer:
        """Return what the model answers to these columns.

        Raises:
            Refusal: too many rows wait, the time is over, or the model cannot answer.
        """
        loop = asyncio.get_running_loop()
        rows, shapes = _form(columns)
        if self._waiting and self._waiting_rows + max(rows, 1) > self._most_waiting:
            raise Refusal(Code.RESOURCE_EXHAUSTED, f"{self._waiting_rows} rows wait already; ask again later")
        job = _Job(model, signature, columns, max(rows, 1), shapes, time.monotonic() + timeout_s, loop.create_future())
        if not self._waiting and not self._working:
            self._gather(loop)
        self._quiet_turns = 0
        self._waiting.append(job)
        self._waiting_rows += job.rows
        if self._sweeper is None:
            self._sweeper = loop.call_later(_SWEEP_S, self._sweep)
        return await job.answer

    def close(self) -> None:
        """End the thread when it is done."""
        self._thread.shutdown(wait=False)

    def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to collect what is already under way."""
        self._quiet_turns, self._gather_until = 0, time.monotonic() + _GATHER_S
        loop.call_soon(self._next)

    def _next(self) -> None:
        if self._working or not self._waiting:
            return
        self._quiet_turns += 1
        full = self._waiting_rows >= self._most_rows
        if not full and self._quiet_turns < _QUIET_TURNS and time.monotonic() < self._gather_until:
            asyncio.get_running_loop().call_soon(self._next)
            return
        self._working = self._take()
        self.batches += 1
        asyncio.get_running_loop().run_in_executor(self._thread, _answers, self._working).add_done_callback(self._done)

    def _take(self) -> list[_Job]:
        """Take the first job, and those behind it that go with it."""
        first = self._waiting.popleft()
        taken, rows = [first], first.rows
        if first.signature not in first.model.asked_alone:
            left: deque[_Job] = deque()
            for job in self._waiting:
                if rows + job.rows <= self._most_rows and job.goes_with(first):
                    taken.append(job)
                    rows += job.rows
                else:
                    left.append(job)
            self._waiting = left
        self._waiting_rows -= rows
        return taken

    def _done(self, ended: asyncio.Future[list[Answer | BaseException] | None]) -> None:
        jobs, self._working = self._working, []
        try:
            answers = ended.result()
        except Exception as exc:
            answers = [exc] * len(jobs)
        if answers is None:  # its answers are not one row each: from now on it is asked alone
            jobs[0].model.asked_alone.add(jobs[0].signature)
            for job in reversed(jobs):
                self._waiting.appendleft(job)
                self._waiting_rows += job.rows
        if self._waiting:
            self._gather(asyncio.get_running_loop())
        for job, answer in zip(jobs, answers or (), strict=answers is not None):
            if job.answer.done():
                continue
            if isinstance(answer, BaseException):
                job.answer.set_exception(answer)
            else:
                job.answer.set_result(answer)

    def _sweep(self) -> None:
        """Answer those whose time is over."""
        now = time.monotonic()
        late = [job for job in (*self._waiting, *self._working) if job.until < now]
        for job in late:
            if not job.answer.done():
                job.answer.set_exception(Refusal(Code.DEADLINE_EXCEEDED, "the model did not answer in time"))
        if late:
            self._waiting = deque(job for job in self._waiting if job.until >= now)
            self._waiting_rows = sum(job.rows for job in self._waiting)
        going_on = self._waiting or self._working
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep) if going_on else None


def _form(columns: Columns) -> tuple[int, tuple[Any, ...]]:
    """Return the number of rows, and what has to be equal for columns to be joined; -1 rows of what has none."""
    sizes, shapes = set(), []
    for name, column in columns.items():
        if type(column) is list:
            sizes.add(len(column))
            continue
        shape = np.shape(column)
        sizes.add(shape[0] if shape else -1)
        if len(shape) > 1:
            shapes.append((name, shape[1:]))
    rows = (sizes.pop() or -1) if len(sizes) == 1 else -1
    return rows, tuple(shapes) if rows > 0 else (object(),)


def _joined(columns: Sequence[Any]) -> Any:
    """Return the values of several requests: numbers as an array, as the model and the log want them."""
    if not any(type(column) is list for column in columns):
        return np.concatenate(columns)
    return _as_array(list(chain.from_iterable(columns)))


def _as_array(values: list[Any]) -> Any:
    """Return numbers as an array, in which they take a quarter of the memory while they wait for the log."""
    if isinstance(values[0], str | bytes):
        return values
    if type(values[0]) is float:
        return np.fromiter(values, np.float64, len(values))  # in three quarters of the time
    found = np.array(values)
    return found if found.dtype != object else np.array(values, np.float64)  # whole numbers beyond 64 bits


def _answers(jobs: Sequence[_Job]) -> list[Answer | BaseException] | None:
    """Return the answer of each, or why there is none; None if the answers of several cannot be told apart."""
    if len(jobs) == 1:
        return [_alone(jobs[0])]
    try:
        together = {name: _joined([job.columns[name] for job in jobs]) for name in jobs[0].columns}
        outputs = jobs[0].model.ask(jobs[0].signature, together)
    except Exception:  # of which of them? each gets what it would have got alone
        return [_alone(job) for job in jobs]
    rows = sum(job.rows for job in jobs)
    if any(array.ndim == 0 or len(array) != rows for array in outputs.values()):
        return None
    return _apart(jobs, together, outputs, rows)


def _apart(jobs: Sequence[_Job], columns: Columns, outputs: Arrays, rows: int) -> list[Answer | BaseException]:
    found: list[Answer | BaseException] = []
    at = 0
    for job in jobs:
        its = {name: array[at : at + job.rows] for name, array in outputs.items()}
        found.append(Answer(its, columns, outputs, at, rows))
        at += job.rows
    return found


def _alone(job: _Job) -> Answer | BaseException:
    try:
        columns = job.columns
        if job.rows >= _MANY_ROWS:
            columns = {name: _as_array(one) if type(one) is list else one for name, one in columns.items()}
        outputs = job.model.ask(job.signature, columns)
    except Exception as exc:
        return exc
    return Answer(outputs, columns, outputs, 0, job.rows)
