"""The HTTP side: an ASGI application without a framework, as small as the way from the socket to the model can be."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pipeline.serving.server import metrics, openapi, page
from pipeline.serving.server.access import READ, Access
from pipeline.serving.server.bodies import Receive, Room, Scope, header, read_body
from pipeline.serving.server.calls import Journal, current
from pipeline.serving.server.json_text import error_text
from pipeline.serving.server.models import Models
from pipeline.serving.server.paths import PREFIX, target_of
from pipeline.serving.server.refusal import Code, Refusal
from pipeline.serving.server.rest import Rest
from pipeline.serving.server.telemetry import Telemetry
from pipeline.serving.server.v2 import PREFIX as V2_PREFIX
from pipeline.serving.server.v2 import V2

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

_JSON: list[Header] = [(b"content-type", b"application/json")]
_FRESH: list[Header] = [*_JSON, (b"cache-control", b"no-store")]
_BYTES: list[Header] = [(b"content-type", b"application/octet-stream")]
_TEXT: list[Header] = [(b"content-type", b"text/plain")]
_CORS: list[Header] = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
]


@dataclass(slots=True)
class _Asked:
    """What is known of a request so far."""

    name: str = ""
    method: str = ""
    rows: int = 0


class App:
    """Answers one request after another; see `pipeline.serving.server.process` for what runs it.

    Args:
        cors: whether pages of other hosts may ask.
        journal: None where nobody asks for the ids of requests.
        telemetry: None where nobody is told of requests.
    """

    def __init__(
        self,
        models: Models,
        rest: Rest,
        access: Access,
        cors: bool = False,
        journal: Journal | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._models, self._rest, self._access, self._journal = models, rest, access, journal
        self._telemetry = telemetry
        self._v2, self._room = V2(models, rest), Room()
        self._cors = _CORS if cors else []
        self.draining = False
        self._shown: dict[str, Callable[[], tuple[int, list[Header], bytes]]] = {
            metrics.PATH: self._metrics,
            "/metrics": self._metrics,
            page.MODELS: lambda: (200, _FRESH, page.told_of(models)),
            page.FIGURES: lambda: (200, _FRESH, page.figures_of(models)),
            openapi.PATH: lambda: (200, _FRESH, openapi.described(models, access, rest.limits)),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; see the ASGI specification."""
        if scope["type"] != "http":
            return
        try:
            status, headers, body = await self._answered(scope, receive)
        except Refusal as refusal:
            status, headers, body = refusal.http, refused_headers(refusal), error_text(refusal)
        except asyncio.CancelledError:
            raise
        except Exception:
            traceback.print_exc(file=sys.stderr)
            ours = Refusal(Code.INTERNAL, "a bug of ours; the server's log has its traceback")
            status, headers, body = ours.http, _JSON, error_text(ours)
        if (call := current()) and call.is_plain:
            headers = [*headers, (b"x-request-id", call.request_id.encode())]
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, *self._cors, (b"content-length", str(len(body)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answered(self, scope: Scope, receive: Receive) -> tuple[int, list[Header], bytes]:
        path: str = scope["raw_path"].decode("latin-1").partition("?")[0]
        if PREFIX.fullmatch(path):
            return await self._tensorflow_serving(scope, receive, path)
        if V2_PREFIX.fullmatch(path):
            return await self._open_inference(scope, receive, path)
        return self._about_server(scope, path)

    def _about_server(self, scope: Scope, path: str) -> tuple[int, list[Header], bytes]:
        if path == "/healthz":
            return 200, _TEXT, b"ok\n"
        if path == "/readyz":
            ready = self._models.ready and not self.draining
            return (200, _TEXT, b"ready\n") if ready else (503, _TEXT, b"not ready\n")
        if scope["method"] not in ("GET", "HEAD"):
            return 404, _TEXT, b""
        if file := page.file_of(path):
            return 200, *file
        if path not in self._shown:
            return 404, _TEXT, b""
        self._access.check(header(scope, b"authorization"), READ)
        return self._shown[path]()

    def _metrics(self) -> tuple[int, list[Header], bytes]:
        for name, version in self._models.versions().items():
            metrics.VERSION.labels(name).set(version)
        return 200, _TEXT, metrics.page()

    async def _tensorflow_serving(self, scope: Scope, receive: Receive, path: str) -> tuple[int, list[Header], bytes]:
        with self._counted("REST", scope) as asked:
            if scope["method"] == "OPTIONS":
                if not header(scope, b"origin").startswith((b"http://", b"https://")):
                    raise Refusal(Code.FAILED_PRECONDITION, "Origin header is missing in CORS preflight")
                return 200, [], b""
            self._access.check(header(scope, b"authorization"), READ)
            strict = is_strict(scope)
            target = target_of(scope["method"], path, strict)
            asked.name, asked.method = target.name, target.method
            body = await self._body(scope, receive) if scope["method"] == "POST" else b""
            answer, asked.rows = await self._rest.answer(target, body, strict, is_detailed(scope))
        return 200, _JSON, answer

    async def _open_inference(self, scope: Scope, receive: Receive, path: str) -> tuple[int, list[Header], bytes]:
        target = self._v2.target(path)
        if target is None:
            status, answer = self._v2.about_server(path.rstrip("/"), self.draining)
            return status, _JSON, answer
        with self._counted("V2", scope) as asked:
            asked.name, asked.method = target.name, target.method
            self._access.check(header(scope, b"authorization"), READ)
            if (scope["method"] == "POST") != (target.method == "infer"):
                raise Refusal(Code.INVALID_ARGUMENT, f"{path} is not asked by {scope['method']}", 405)
            if scope["method"] != "POST":
                return 200, _JSON, self._v2.about_model(target)
            body = await self._body(scope, receive)
            json_size = header(scope, b"inference-header-content-length")
            answer, asked.rows, its_json = await self._v2.infer(target, body, is_strict(scope), json_size)
        if its_json is None:
            return 200, _JSON, answer
        return 200, [*_BYTES, (b"inference-header-content-length", str(its_json).encode())], answer

    def _body(self, scope: Scope, receive: Receive) -> Awaitable[bytes]:
        return read_body(scope, receive, self._rest.limits.body, self._room)

    @contextmanager
    def _counted(self, entrypoint: str, scope: Scope) -> Iterator[_Asked]:
        """Count and time a request, and write it down, however it ends."""
        began, asked, status, problem = time.perf_counter(), _Asked(), Code.OK, ""
        call = None
        if self._journal and scope["method"] == "POST":
            call = self._journal.begin(header(scope, b"x-request-id"), header(scope, b"x-caller"))
        try:
            yield asked
        except Refusal as refusal:
            status, problem = refusal.code, refusal.message
            raise
        except BaseException as exc:
            status, problem = Code.INTERNAL, type(exc).__name__
            raise
        finally:
            known = asked.name if asked.name in self._models.names else ""  # else anybody could fill the memory
            seconds = time.perf_counter() - began
            metrics.record(known, asked.method, entrypoint, status, seconds, asked.rows)
            if self._telemetry:
                trace = header(scope, b"traceparent"), header(scope, b"tracestate")
                self._telemetry.ended(entrypoint, asked.method, known, status, problem, seconds, asked.rows, *trace)
            if call and self._journal:
                self._journal.end(call, self._models.names[known].current if known else None, status, problem)


def refused_headers(refusal: Refusal) -> list[Header]:
    """Return the headers of an answer that is an error: with when to come again, where that helps."""
    if refusal.code == Code.RESOURCE_EXHAUSTED and refusal.http == 429:
        return [*_JSON, (b"retry-after", b"1")]
    if refusal.code == Code.UNAUTHENTICATED:
        return [*_JSON, (b"www-authenticate", b"Bearer")]
    return [*_JSON, (b"connection", b"close")] if refusal.http in (408, 413) else _JSON


def is_strict(scope: Scope) -> bool:
    """Return whether a request wants the contract to the letter: `?strict=1`."""
    return b"strict=1" in scope["query_string"].split(b"&")


def is_detailed(scope: Scope) -> bool:
    """Return whether a request wants names and probabilities of classes, too: `?detail=1`."""
    return b"detail=1" in scope["query_string"].split(b"&")
