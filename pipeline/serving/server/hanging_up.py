"""The end of a connection on which more is coming: its client must be able to read the answer first.

A system that closes a connection with unread bytes resets it, and a client that is told so before it reads loses the
answer. So the server ends its own side, and goes on reading for a while (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

_SILENCE_S, _MOST_S = 5.0, 30.0
"""As nginx's lingering_timeout and lingering_time."""


class HangingUp:
    """A connection whose answer is written, until its client ends it, sends nothing more, or takes too long."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._until = loop.time() + _MOST_S
        if transport.can_write_eof():  # TLS knows no half of a connection
            transport.write_eof()
        self.hear()
        self._look()

    def hear(self) -> None:
        """Note that something came, which nobody wants."""
        self._silent_at = self._loop.time() + _SILENCE_S

    def _look(self) -> None:
        at = min(self._silent_at, self._until)
        if self._transport.is_closing():
            return
        if self._loop.time() >= at:
            self._transport.abort()
        else:
            self._loop.call_at(at, self._look)


class LongRequest:
    """The transport of a request whose body may come for long.

    Args:
        close: called in place of the transport's own.
    """

    def __init__(self, transport: Any, close: Callable[[], None]) -> None:
        self._transport = transport
        self.close = close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
