"""A client of gRPC that goes away before it is answered."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.serving.server.grpc_api import Services
from pipeline.serving.server.refusal import Code


def test_it_is_written_down_and_told_to_who_counts() -> None:
    ended: list[Any] = []

    class Told:
        def ended(self, *what: Any) -> None:
            ended.append(what)

    models: Any = SimpleNamespace(names={})
    telemetry: Any = Told()
    access: Any = SimpleNamespace(check=lambda *_: None)
    services = Services(models, SimpleNamespace(), access, telemetry=telemetry)  # type: ignore[arg-type]
    context = SimpleNamespace(invocation_metadata=lambda: ())

    async def leave() -> None:
        task = asyncio.create_task(services.counted("Predict", "flights", context, lambda: asyncio.sleep(60)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(leave())
    ((protocol, api, _, status, *_rest),) = ended
    assert (protocol, api, status) == ("GRPC", "Predict", Code.CANCELLED)
