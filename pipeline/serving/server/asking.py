"""Asks the versions that a request meets: the one that answers, the candidate of a rollout, or both."""

from __future__ import annotations

import asyncio
import time

import numpy as np

from pipeline.serving.request_layout import CANARY, SHADOW
from pipeline.serving.rollout import SHADOW as IN_SHADOW
from pipeline.serving.server.batching import Batcher
from pipeline.serving.server.calls import Call, Journal, Part, current
from pipeline.serving.server.model import LoadedModel
from pipeline.serving.server.models import Models
from pipeline.serving.server.refusal import Refusal
from pipeline.serving.server.routing import Routing, some, together
from pipeline.serving.server.tensors import Arrays, Columns

_MOST_SHADOWED = 10_000
"""Rows that wait for the shadow; beyond, it misses requests."""


class Asking:
    """The way from a request to one version or two.

    Args:
        timeout_s: until a request is answered.
        journal: gets what a shadow answers.
    """

    def __init__(self, models: Models, batcher: Batcher, timeout_s: float, journal: Journal | None) -> None:
        self._models, self._batcher, self._timeout_s, self._journal = models, batcher, timeout_s, journal
        self._shadows: set[asyncio.Task[None]] = set()
        self._shadowed_rows = 0

    async def ask(self, model: LoadedModel, signature: str, columns: Columns, rows: int, size: int) -> Arrays:
        """Return the answer.

        Raises:
            Refusal: there is none.
        """
        call = current()
        if call is None:
            return (await self._batcher.ask(model, signature, columns, self._timeout_s)).outputs
        whole = Part(model, signature, columns, rows, size)
        served = self._models.names.get(model.name)
        routing = served.routing if served else None
        if routing is None or call.pinned or model is not routing.stable:
            if served and routing and model is routing.candidate:
                whole.route = CANARY
            return await self._answer(call, whole)
        theirs = routing.asked(signature, columns, rows)
        if theirs is None:
            return await self._answer(call, whole)
        if routing.rollout.mode == IN_SHADOW:
            outputs = await self._answer(call, whole)
            self._shadow(call, Part(routing.candidate, signature, theirs, rows, size, route=SHADOW))
            return outputs
        return await self._split(call, whole, routing, theirs)

    async def _split(self, call: Call, whole: Part, routing: Routing, theirs: Columns) -> Arrays:
        chosen = routing.chosen(whole.signature, whole.columns, whole.rows, call.request_id)
        if not chosen.any():
            return await self._answer(call, whole)
        candidate = Part(routing.candidate, whole.signature, theirs, whole.rows, whole.size, route=CANARY)
        if chosen.all():
            return await self._answer(call, candidate)
        parts = []
        for part, mine in ((candidate, chosen), (whole, ~chosen)):
            places = np.flatnonzero(mine)
            size = part.size * len(places) // part.rows
            columns = some(part.columns, places)
            one = Part(part.model, part.signature, columns, len(places), size, None, part.route, places.tolist())
            parts.append((places, await self._answer(call, one)))
        merged = together(parts, whole.rows)
        if merged is None:  # answers that are no rows cannot be parted
            call.parts.clear()
            return await self._answer(call, whole)
        return merged

    async def _answer(self, call: Call, part: Part) -> Arrays:
        call.parts.append(part)
        part.answer = await self._batcher.ask(part.model, part.signature, part.columns, self._timeout_s)
        return part.answer.outputs

    def _shadow(self, call: Call, part: Part) -> None:
        """Have the shadow asked, after the answer; not, if it cannot follow."""
        if self._journal is None or self._shadowed_rows + part.rows > _MOST_SHADOWED:
            return
        self._shadowed_rows += part.rows
        task = asyncio.get_running_loop().create_task(self._in_shadow(call, part))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _in_shadow(self, call: Call, part: Part) -> None:
        began, error = time.perf_counter(), None
        try:
            part.answer = await self._batcher.ask(part.model, part.signature, part.columns, self._timeout_s)
        except Refusal as refusal:
            error = f"{refusal.code.name}: {refusal.message}"
        finally:
            self._shadowed_rows -= part.rows
        if self._journal:
            self._journal.shadowed(call, part, time.perf_counter() - began, error)
