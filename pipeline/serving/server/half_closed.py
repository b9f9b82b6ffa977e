"""Answers a client that has said all and closed its side of the connection, which uvicorn would hang up on."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Protocol(HttpToolsProtocol):
    """uvicorn's own, but for the end of what a client sends: `shutdown(SHUT_WR)`, as `nc -N` does."""

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Keep the connection until the newest request, which is whole, has its answer; TLS knows no half of one."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or self.scheme == "https":
            return None
        cycle.keep_alive = False
        return True
