"""A connection of HTTP: uvicorn's own, held to limits that uvicorn does not know, and patient where it hangs up."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterable
from itertools import islice
from typing import Any
from weakref import WeakMethod

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pipeline.serving.server.hanging_up import HangingUp, LongRequest
from pipeline.serving.server.json_text import error_text
from pipeline.serving.server.refusal import Code, Refusal

_MOST_HEAD = 1 << 16
"""Bytes of a request line and its headers."""
_STUCK_S = 30.0
"""For the head of a request to come, and for a client to take a part of its answer."""
_LOOK_S = 5.0
_OTHER_FILES = 1024
"""That a server has open beside its connections."""
_PROTOCOLS = 2
_SOME = 20
"""Idle connections among which the one that is so for longest makes room."""
_HOP_BY_HOP = (b"upgrade", b"http2-settings", b"connection")


class Protocol(HttpToolsProtocol):
    """uvicorn's own, with five differences.

    - It keeps a connection whose client has said all and closed its side: `shutdown(SHUT_WR)`, as `nc -N` does.
    - It answers requests that offer another protocol (the HTTP client of Java offers h2c) as if they did not.
    - A head has a limit, errors are JSON, and hostile bytes fill no log.
    - A connection on which nothing is asked makes room for another, and only a new request ends its time.
    - A client that still sends what is refused can read the refusal.
    """

    _received = 0
    """Bytes since the last of which it is known that they are no part of a head, or of headers behind a body."""
    _hanging_up: HangingUp | None = None
    _is_ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; where there are too many, end one on which nothing has been asked for long."""
        super().connection_made(transport)
        self._long: Any = LongRequest(transport, WeakMethod(self._close_behind))
        self.idle_since = self.loop.time()
        if self.limit_concurrency and len(self.connections) >= self.limit_concurrency:
            connections: Iterable[Any] = self.connections
            idle = (each for each in connections if each is not self and each.is_idle())
            if longest := min(islice(idle, _SOME), key=lambda each: each.idle_since, default=None):
                self.connections.discard(longest)
                longest.transport.abort()

    def on_message_begin(self) -> None:
        """Begin to read a request: only that ends the wait for one, and no rest of the one before."""
        self._unset_keepalive_if_required()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer; where another protocol is offered, `data_received` comes again without the offer."""
        if not self.parser.should_upgrade():
            if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > _MOST_HEAD:
                self._refuse_head()
                raise ValueError  # the parser ends
            self._unset_keepalive_if_required()  # the answer before may have come behind the begin of this head
            super().on_headers_complete()
            if self.scope["method"] != "GET":
                self.cycle.transport = self._long
            self.headers = []  # what comes behind the body is none of the request's
            self._received = 0

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._received = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body; see `on_headers_complete`."""
        if not self.parser.should_upgrade():
            self._received = 0
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request, or several requests."""
        if self._hanging_up:
            self._hanging_up.hear()
            return
        self._received += len(data)
        while data:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as offered:
                if self.parser.get_method() == b"CONNECT":  # which is no offer: it asks for a tunnel
                    self._refuse(405, "this is no proxy")
                    return
                data = self._without_offer() + data[offered.args[0] :]
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return
        if self._received > _MOST_HEAD:
            self._refuse_head()

    def _without_offer(self) -> bytes:
        """Return the head of the request that offers another protocol, without the offer, for a new parser."""
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s" % each for each in self.headers if each[0] not in _HOP_BY_HOP]
        if any(name == b"connection" and b"close" in value.lower() for name, value in self.headers):
            lines.append(b"connection: close")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def send_400_response(self, msg: str) -> None:
        """Say that this is no HTTP, and hang up."""
        self._refuse(400, msg)

    def _refuse_head(self) -> None:
        self._refuse(431, f"the request line and the headers are longer than {_MOST_HEAD} bytes")

    def _refuse(self, status: int, message: str) -> None:
        if self.transport.is_closing() or self._hanging_up:
            return
        body = error_text(Refusal(Code.INVALID_ARGUMENT, message))
        told = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + told + body)
        self._hang_up()

    def _close_behind(self) -> None:
        """Close a connection behind an answer: at once if the newest request is whole, as mostly."""
        if self.cycle.more_body:
            self._hang_up()
        else:
            self.transport.close()

    def _hang_up(self) -> None:
        """Close a connection on which more may be coming; an answer that is still being made is for nobody."""
        if self._hanging_up or self.transport.is_closing():
            return
        if self.pipeline:
            self.transport.close()
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.waiting_for_100_continue = False
            self.cycle.message_event.set()
        self.flow.resume_reading()
        self._hanging_up = HangingUp(self.transport, self.loop, self._is_ending)

    def shutdown(self) -> None:
        """Finish what is asked, since the server ends; not what nobody wants."""
        self._is_ending = True
        if self._hanging_up and self.is_idle():
            self.transport.abort()  # to close waits for the other side of TLS
        else:
            super().shutdown()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Keep the connection until the newest request, which is whole, has its answer; TLS knows no half of one."""
        cycle = self.cycle
        if self._hanging_up or cycle is None or cycle.response_complete or cycle.more_body or self.scheme == "https":
            return None
        cycle.keep_alive = False
        return True

    def is_idle(self) -> bool:
        """Return whether all that was asked is answered, and the client has the answer."""
        is_answered = self._hanging_up or self.cycle is None or self.cycle.response_complete
        return bool(is_answered) and not self.transport.get_write_buffer_size()

    def hangs_in(self) -> tuple[Any, int] | None:
        """Return what this connection waits for if no other limit of time holds for it: where that stays the same, the
        client does nothing. It is the rest of a head, or that the client takes its answer."""
        if unread := self.transport.get_write_buffer_size():
            return self.cycle, unread
        return (self.cycle, 0) if self.is_idle() and self.timeout_keep_alive_task is None else None


class Stuck:
    """Finds the connections on which nothing goes on, at no cost to those on which something does."""

    def __init__(self) -> None:
        self._since: dict[Any, tuple[Any, float]] = {}

    def end(self, connections: Iterable[Any], now: float) -> None:
        """End those that have hung in the same for too long.

        Args:
            now: by a clock that does not jump.
        """
        since = {}
        for each in connections:
            if (what := each.hangs_in()) is not None:
                before, began = self._since.get(each, (None, now))
                since[each] = (what, began if before == what else now)
                if now - since[each][1] >= _STUCK_S:
                    each.transport.abort()
        self._since = since


async def end_stuck(connections: set[Any]) -> None:
    """End connections on which nothing goes on, for as long as the server runs."""
    stuck = Stuck()
    while True:
        await asyncio.sleep(_LOOK_S)
        stuck.end(list(connections), time.monotonic())


def room_for(connections: int) -> int:
    """Let this process have so many connections of each protocol open; return how many it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _PROTOCOLS * connections + _OTHER_FILES
    wanted = max(soft, files) if hard == resource.RLIM_INFINITY else min(hard, max(soft, files))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(1, min(connections, (wanted - _OTHER_FILES // 4) // _PROTOCOLS))
