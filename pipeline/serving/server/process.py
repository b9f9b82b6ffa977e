"""A process that serves: both ports, the models and who watches them, until SIGTERM, SIGHUP or Ctrl-C; then it finishes
what it has begun.

`run` in this process for one worker; `workers.supervise` keeps several such processes alive behind the same ports.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import shutil
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.serving.request_upkeep import LogOptions
from pipeline.serving.server.access import VARIABLE, Access, access_from
from pipeline.serving.server.protos import without_tensorflow
from pipeline.serving.server.reloading import Certificate, follow
from pipeline.serving.server.rest import Limits

_BACKLOG = 2048
_OBJECTS = 50_000
"""That are made between two collections: those of a few hundred requests, which hold no circles."""
_SUPERVISOR_S = 1.0
"""Between two looks whether the supervisor lives."""


@dataclass(frozen=True)
class Options:
    """What a server is to do.

    Attributes:
        folders: by name, a folder of versions or one version.
        grpc_port: none when None; a free one when 0, as `port`.
        drain_s: for requests that are under way when the server is to end.
        most_batch: rows of several requests in one call of the model.
        most_waiting: rows that may wait; beyond that requests get 429.
        most_connections: of each protocol and worker.
        log: which requests are written down, and where; none when None.
        supervisor: the process that keeps this worker, which ends with it; None of a server that is no worker.
    """

    folders: Mapping[str, str]
    host: str = "127.0.0.1"
    port: int = 8501
    grpc_port: int | None = 8500
    workers: int = 1
    limits: Limits = field(default_factory=Limits)
    most_batch: int = 1024
    most_waiting: int = 200_000
    most_connections: int = 1000
    tokens: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    cors: bool = False
    drain_s: float = 30.0
    log: LogOptions | None = None
    supervisor: int | None = None

    def to_text(self) -> str:
        """Return what `from_text` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Options:
        """Read what `to_text` wrote."""
        plain = json.loads(text)
        log = plain["log"] and LogOptions(**plain["log"] | {"redact": tuple(plain["log"]["redact"])})
        return cls(**plain | {"limits": Limits(**plain["limits"]), "log": log})

    def access(self) -> Access:
        """Read the tokens.

        Raises:
            ConfigError: they cannot be read.
        """
        return access_from(Path(self.tokens) if self.tokens else None, os.environ.get(VARIABLE, ""))


def bound(host: str, port: int, shared: bool) -> socket.socket:
    """Return a socket with the address; who serves makes it listen.

    Args:
        shared: with other processes: the system spreads connections among those that listen.

    Raises:
        OSError: the address is taken, or not of this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def reserved(host: str, port: int, shared: bool) -> socket.socket:
    """Return a socket with an address that nobody else has.

    Raises:
        OSError: the address is taken, or not of this machine.
    """
    alone = bound(host, port, shared=False)
    alone.listen(_BACKLOG)  # only now is it known that nobody else does
    if not shared:
        return alone
    found = alone.getsockname()[1]
    alone.close()
    return bound(host, found, shared=True)


def say(text: str) -> None:
    """Tell a person, or a log, in one line."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run(options: Options, listener: socket.socket, announce: Callable[[], None]) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        announce: called as soon as the models answer.
    """
    without_tensorflow()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options, listener, announce))
    if options.supervisor is not None and _is_alone(options.supervisor):
        shutil.rmtree(os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""), ignore_errors=True)  # as the supervisor would


async def _serve(options: Options, listener: socket.socket, announce: Callable[[], None]) -> None:
    import uvicorn

    from pipeline.serving.request_log import RequestLog
    from pipeline.serving.server import metrics
    from pipeline.serving.server.app import App
    from pipeline.serving.server.batching import Batcher
    from pipeline.serving.server.calls import Journal
    from pipeline.serving.server.http_connection import Protocol, end_stuck, room_for
    from pipeline.serving.server.models import Models
    from pipeline.serving.server.rest import Rest
    from pipeline.serving.server.telemetry import telemetry_from

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:  # the loop's own handlers do
            yield

    models = Models({name: Path(folder) for name, folder in options.folders.items()}, say)
    batcher = Batcher(options.most_batch, options.most_waiting)
    access = options.access()
    journal = Journal(RequestLog(options.log, options.folders, say, metrics.record_logged) if options.log else None)
    rest = Rest(models, batcher, options.limits, journal)
    telemetry = telemetry_from(models.versions)
    app = App(models, rest, access, options.cors, journal, telemetry)
    most = room_for(options.most_connections)
    config = uvicorn.Config(
            app, http=Protocol, loop="none", lifespan="off", access_log=False, log_level="error", ws="none",
            server_header=False, date_header=False, timeout_graceful_shutdown=int(options.drain_s), proxy_headers=False,
            timeout_keep_alive=75, limit_concurrency=most + 1,  # from which on uvicorn refuses
            ssl_certfile=options.tls_certificate, ssl_keyfile=options.tls_key,
        )  # fmt: skip
    server = Server(config)
    config.load()
    certificate = Certificate(options.tls_certificate, options.tls_key) if options.tls_certificate else None

    def end() -> None:
        app.draining = True
        server.should_exit = True
        if by_grpc:
            endings.append(loop.create_task(by_grpc.stop(options.drain_s)))

    loop = asyncio.get_running_loop()
    for number in ending_signals():
        loop.add_signal_handler(number, end)
    by_grpc: Any = None
    endings: list[asyncio.Task[None]] = []
    if options.workers > 1:  # a connection would be sent here as soon as this one listens
        await loop.run_in_executor(None, models.look)
    if options.grpc_port is not None:
        from pipeline.serving.server.grpc_api import Services
        from pipeline.serving.server.grpc_server import grpc_server

        by_grpc = grpc_server(
            models, rest, Services(models, rest, access, journal, telemetry),
            address(options.host, options.grpc_port), options.limits.body, options.workers > 1,
            certificate.for_grpc() if certificate else None, most,
        )  # fmt: skip
        await by_grpc.start()
    following = _following(options, certificate, config.ssl, access, end)
    following.append(asyncio.create_task(end_stuck(server.server_state.connections)))
    answering = asyncio.create_task(server.serve(sockets=[listener]))  # at once, for /healthz and /readyz
    try:
        if options.workers == 1:
            await loop.run_in_executor(None, models.look)
        gc.freeze()  # what is there now stays: a collection need not look at it
        gc.set_threshold(_OBJECTS, 50, 50)
        models.watch()
        announce()
        await answering
    finally:
        for task in following:
            task.cancel()
        if by_grpc:
            await by_grpc.stop(options.drain_s)
        models.close()
        rest.close()
        batcher.close()
        await loop.run_in_executor(None, journal.close)


def ending_signals() -> list[int]:
    """Return the signals that ask for an end: also that of a terminal that closes, unless `nohup` had it left out."""
    hung_up = [] if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGTERM, signal.SIGINT, *hung_up]


def _is_alone(supervisor: int) -> bool:
    return os.getppid() != supervisor


async def _end_alone(supervisor: int, end: Callable[[], None]) -> None:
    """End a worker whose supervisor was killed: nobody else would, and it would keep the port."""
    while not _is_alone(supervisor):
        await asyncio.sleep(_SUPERVISOR_S)
    say("the process that keeps the workers is gone")
    end()


def _following(
    options: Options,
    certificate: Certificate | None,
    context: ssl.SSLContext | None,
    access: Access,
    end: Callable[[], None],
) -> list[asyncio.Task[None]]:
    """Begin to follow the files that may change while the server runs, and who started it."""
    found = [_end_alone(options.supervisor, end)] if options.supervisor is not None else []
    if certificate and context:
        certificate.for_http(context)
        files = tuple(filter(None, (options.tls_certificate, options.tls_key)))
        found.append(follow(files, certificate.read, "the certificate's files", say))
    if options.tokens:
        found.append(follow((options.tokens,), lambda: access.follow(options.access()), "the tokens", say))
    return [asyncio.create_task(each) for each in found]


def address(host: str, port: int) -> str:
    """Return both as one text."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
