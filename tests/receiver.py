"""A server that takes JSON by POST, on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import sleep
from typing import Any


@dataclass(frozen=True)
class Taken:
    """A request."""

    path: str
    headers: dict[str, str]
    content: dict[str, Any]


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent; `slow_s` later answers with `status` and what it `says`, or a redirect to /elsewhere."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 201
        self.slow_s = 0.0
        self.says = b""
        self.taken: list[Taken] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sleep(self.server.slow_s)
        self.server.taken.append(Taken(self.path, dict(self.headers), body))
        self._answer()

    def do_GET(self) -> None:
        self.server.taken.append(Taken(self.path, dict(self.headers), {}))
        self._answer()

    def _answer(self) -> None:
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(self.server.says)))
        self.end_headers()
        self.wfile.write(self.server.says)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening() -> Iterator[Receiver]:
    """A receiver at work."""
    with Receiver() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
