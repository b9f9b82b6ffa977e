"""What somebody may do who does not know the server: odd hosts, bodies that do not come, a terminal that closes, a
supervisor that is killed."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.commands import serve as served
from pipeline.commands.serve import serve_models
from pipeline.errors import ConfigError
from pipeline.serving.server import bodies, workers
from pipeline.serving.server.bodies import Room, read_body
from pipeline.serving.server.process import Options, bound, reserved
from pipeline.serving.server.refusal import Refusal
from pipeline.serving.server.workers import supervise
from tests.serving.server.conftest import Server, push
from tests.waiting import eventually


def test_a_host_that_is_none_of_this_machine_is_named_and_not_its_port() -> None:
    with pytest.raises(ConfigError, match=r"--host '192\.0\.2\.1' is no address of this machine") as refused:
        serve_models(Options({}, host="192.0.2.1", port=0))
    assert "127.0.0.1" in refused.value.remedy


@pytest.mark.parametrize("host", ["", "a" * 70, "a..b", "127.0.0.1:80", "fe80::1", "127.0.0.1/8"])
def test_a_host_that_is_no_address(host: str) -> None:
    with pytest.raises(ConfigError, match="is no address of this machine"):
        serve_models(Options({}, host=host, port=0))


@pytest.mark.parametrize("workers", [1, 2])
def test_one_port_for_both_protocols_is_refused(workers: int) -> None:
    """Several workers could have bound it twice: clients would have met either."""
    with pytest.raises(ConfigError, match="--port and --grpc-port are both 8500") as refused:
        serve_models(Options({}, port=8500, workers=workers))
    assert "--grpc-port" in refused.value.remedy


def test_a_port_that_is_kept_for_others_or_taken_names_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    with reserved("127.0.0.1", 0, shared=False) as taken:
        port = taken.getsockname()[1]
        for option, options in (
            ("--port", Options({}, port=port)),
            ("--grpc-port", Options({}, port=0, grpc_port=port)),
        ):
            with pytest.raises(ConfigError, match=f"{option} {port} on 127.0.0.1: Address already in use"):
                serve_models(options)

    def keep(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(served, "reserved", keep)
    with pytest.raises(ConfigError, match=r"--port 80 on 127\.0\.0\.1: Permission denied: .* below 1024") as refused:
        serve_models(Options({}, port=80))
    assert "CAP_NET_BIND_SERVICE" in refused.value.remedy


def test_a_host_may_have_the_brackets_of_an_url(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[int, str]] = []

    def run(options: Options, at: socket.socket, _: Any) -> None:
        found.append((at.family, options.host))
        at.close()

    monkeypatch.setattr(served, "run", run)
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    serve_models(Options({}, host="[::1]", port=0, grpc_port=None))
    assert found == [(socket.AF_INET6, "::1")]


def read(receive: Any, **headers: str) -> bytes:
    scope = {"headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    return asyncio.run(read_body(scope, receive, 10, Room()))


def test_a_body_of_which_nothing_comes_is_waited_for_no_longer_than_its_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> Any:
        await asyncio.sleep(60)

    monkeypatch.setattr(bodies, "_BODY_S", 0.05)
    with pytest.raises(Refusal, match="did not come in time"):
        read(never)


def test_a_body_that_lets_others_go_first_is_read() -> None:
    async def receive() -> Any:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"abc"}

    assert read(receive) == b"abc"


@pytest.mark.parametrize("waits", [0, 1, 2])
def test_bodies_in_parts_are_whole_whichever_of_them_is_waited_for(waits: int) -> None:
    parts = [b"abc", b"", b"defg"]

    async def receive() -> Any:
        if len(parts) == 3 - waits:
            await asyncio.sleep(0.01)
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    assert read(receive) == b"abcdefg"


def test_bodies_that_come_take_no_more_memory_together_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_MOST_HALF", 25)
    room, scope = Room(), {"headers": []}

    async def client(go_on: asyncio.Event) -> bytes:
        parts = [b"12345678", b"9"]

        async def receive() -> Any:
            if len(parts) == 1:
                await go_on.wait()
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        return await read_body(scope, receive, 10, room)

    async def all_clients() -> list[Any]:
        go_on = asyncio.Event()
        waiting = [asyncio.create_task(client(go_on)) for _ in range(4)]
        await asyncio.sleep(0.01)
        assert room.taken == 24
        go_on.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    *good, refused = asyncio.run(all_clients())
    assert good == [b"123456789"] * 3
    assert (refused.http, room.taken) == (429, 0)


def test_who_is_gone_before_the_body_is_told_to_the_log_as_that() -> None:
    async def gone() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(Refusal, match="the connection ended before the body did"):
        read(gone)


def test_a_body_that_says_that_it_is_too_long_is_refused_before_it_comes(server: Server) -> None:
    """A client that asks for leave to send (curl does so of long ones) is spared from sending it."""
    with socket.create_connection((urlsplit(server.rest).hostname, urlsplit(server.rest).port), timeout=20) as asking:
        asking.sendall(
            b"POST /v1/models/flights:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert asking.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "head", [b"Content-Length: 200000000\r\n\r\n", b"a: ", b"Host\r\n"], ids=["body", "head", "rubbish"]
)
def test_a_client_that_sends_all_before_it_reads_still_reads_the_refusal(server: Server, head: bytes) -> None:
    with socket.create_connection((urlsplit(server.rest).hostname, urlsplit(server.rest).port), timeout=20) as asking:
        asking.sendall(b"POST /v1/models/flights:predict HTTP/1.1\r\nHost: x\r\n" + head)
        for _ in range(40):
            asking.sendall(b"a" * 1_000_000)
        asking.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: asking.recv(1000), b""))
    assert answer.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_client_that_has_said_all_and_closed_its_side_is_answered(server: Server) -> None:
    asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((urlsplit(server.rest).hostname, urlsplit(server.rest).port), timeout=20) as asking:
        asking.sendall(asked * 3)
        asking.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: asking.recv(1000), b""))
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.endswith(b"ok\n")


@pytest.mark.skipif(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, reason="these tests run under nohup")
def test_a_terminal_that_closes_ends_the_server_as_sigterm_does(
    exported: dict[str, Path], tmp_path: Path, serve: Callable[..., Server]
) -> None:
    push(exported["first"], tmp_path / "flights", 1)
    assert serve("--model", tmp_path / "flights").end(signal.SIGHUP) == 0


def test_workers_that_are_still_starting_may_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """That they are gone before they answered is what was asked for."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*_: Any) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "60"]))
        return started[-1]

    def sleep(_: float) -> None:
        signal.raise_signal(signal.SIGTERM)
        for one in started:
            one.wait()

    monkeypatch.setattr(workers, "_worker", start)
    monkeypatch.setattr(workers, "ending_signals", lambda: [signal.SIGTERM])
    monkeypatch.setattr(time, "sleep", sleep)
    before = signal.getsignal(signal.SIGTERM)
    try:
        supervise(Options({}, workers=2), bound("127.0.0.1", 0, shared=True), lambda: None)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [one.returncode for one in started] == [-signal.SIGTERM] * 2


def test_a_worker_that_was_slower_than_the_end_of_its_supervisor_ends_too(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    options = Options({"cats": str(tmp_path)}, port=0, grpc_port=None, workers=2, supervisor=gone.pid)
    worker = [sys.executable, "-m", "pipeline.serving.server", options.to_text()]
    metrics = tmp_path / "metrics"  # which the supervisor made, and removes
    metrics.mkdir()
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(metrics)}
    ended = subprocess.run(worker, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert not metrics.exists()
    assert (ended.returncode, "the process that keeps the workers is gone" in ended.stderr) == (0, True), ended.stderr


def test_workers_do_not_outlive_the_process_that_keeps_them(
    exported: dict[str, Path], tmp_path: Path, serve: Callable[..., Server]
) -> None:
    """They would keep the port, and nobody would replace them."""
    push(exported["first"], tmp_path / "flights", 1)
    server = serve("--model", tmp_path / "flights", "--workers", "2")

    def workers(*of: str) -> list[str]:
        return subprocess.run(["ps", "-o", "pid=", *of], capture_output=True, text=True, check=False).stdout.split()

    known = workers("--ppid", str(server.process.pid))
    assert len(known) == 2
    server.end(signal.SIGKILL)
    eventually(lambda: not workers("-p", ",".join(known)), 60)
