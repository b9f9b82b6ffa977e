"""The end of a connection on which more is coming: its client must be able to read the answer first.

A system that closes a connection with unread bytes resets it, and a client that is told so before it reads loses the
answer. So the server ends its own side, and goes on reading for a while (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakMethod

_SILENCE_S, _MOST_S = 5.0, 30.0
"""As nginx's lingering_timeout and lingering_time."""
_ENDING_S = 2.0
"""Of a server that is to end."""


class HangingUp:
    """A connection whose answer is written, until its client ends it, sends nothing more, or takes too long."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, is_ending: bool) -> None:
        self._transport, self._loop = transport, loop
        self._until = loop.time() + (_ENDING_S if is_ending else _MOST_S)
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
    """The transport of requests whose bodies may come for long.

    Args:
        close: called in place of the transport's own; not held, or each connection would stay until a collection.
    """

    def __init__(self, transport: Any, close: WeakMethod[Any]) -> None:
        self._transport, self._close = transport, close

    def close(self) -> None:
        """Close the connection behind the answer; one that is gone is closed."""
        if close := self._close():
            close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
