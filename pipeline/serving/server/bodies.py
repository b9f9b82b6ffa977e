"""The bodies of requests: whole, in time, and bounded, each and all together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import nullcontext
from types import coroutine
from typing import Any

from pipeline.serving.server.refusal import Code, Refusal, invalid

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_BODY_S = 30
"""Within which a body has to be here."""
_MOST_HALF = 256 << 20
"""Bytes of bodies that are not whole yet, all together; a single body that is allowed has room in any case."""


class Room:
    """The memory that bodies take while they come.

    Attributes:
        taken: bytes, by now.
    """

    taken = 0

    def take(self, size: int, most: int) -> None:
        """Take so much more.

        Raises:
            Refusal: others take too much already.
        """
        self.taken += size
        if self.taken > max(most, _MOST_HALF):
            raise Refusal(Code.RESOURCE_EXHAUSTED, f"{self.taken} bytes of bodies are coming already; ask again later")


def header(scope: Scope, name: bytes) -> bytes:
    """Return the value of a header of the request; empty where there is none."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return b""


async def read_body(scope: Scope, receive: Receive, most: int, room: Room) -> bytes:
    """Return the whole body.

    Raises:
        Refusal: it is too large, does not come, is not whole, or too much of others is coming.
    """
    declared = header(scope, b"content-length")
    if declared.isdigit() and int(declared[:20]) > most:  # before a byte of it: the client may wait for leave to send
        raise _too_large(most)
    parts: list[bytes] = []
    size = taken = 0
    first, waits_for, message = _begun(receive)
    try:
        async with asyncio.timeout(_BODY_S) if message is None or message.get("more_body") else nullcontext():
            if message is None:
                message = await _resumed(first, waits_for)
            while True:
                if message["type"] == "http.disconnect":
                    raise invalid("the connection ended before the body did")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    raise _too_large(most)
                if not message.get("more_body"):
                    break
                taken = size
                room.take(len(parts[-1]), most)
                message = await receive()
    except TimeoutError:
        raise Refusal(Code.DEADLINE_EXCEEDED, "the body did not come in time", 408) from None
    finally:
        room.taken -= taken
    return b"".join(parts)


def _begun(receive: Receive) -> tuple[Any, Any, MutableMapping[str, Any] | None]:
    """Ask for the first message; mostly it is there, and a timeout costs a twentieth of a request.

    Returns:
        What goes on, what it waits for (None also where it only lets others go first), and the message if it is there.
    """
    first: Any = receive()
    try:
        return first, first.send(None), None
    except StopIteration as done:
        return first, None, done.value


@coroutine
def _resumed(first: Any, waits_for: Any) -> Any:
    """Wait for a message that was asked for."""
    try:
        yield waits_for
        return (yield from first)
    finally:
        first.close()


def _too_large(most: int) -> Refusal:
    return Refusal(Code.RESOURCE_EXHAUSTED, f"the body is too large: {most} bytes are allowed", 413)
