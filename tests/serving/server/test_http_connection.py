"""Connections of HTTP on which nothing goes on, offers of other protocols, heads without an end: against the protocol
alone, behind which an application tells what it got."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from pipeline.serving.server import http_connection
from pipeline.serving.server.bodies import Room, read_body
from pipeline.serving.server.http_connection import Protocol, Stuck, room_for
from pipeline.serving.server.refusal import Refusal

POST = b"POST /x?y HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
LONG = b"Request Header Fields Too Large"
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _tell(scope: Any, receive: Any, send: Any) -> None:
    try:
        body = await read_body(scope, receive, 10_000, Room())
    except Refusal as refusal:
        await send({"type": "http.response.start", "status": refusal.http, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"long"})
        return
    names = sorted(name.decode() for name, _ in scope["headers"])
    told = json.dumps([scope["method"], scope["raw_path"].decode(), body.decode(), names]).encode()
    size = (b"content-length", str(len(told)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [size]})
    await send({"type": "http.response.body", "body": told})


def served(ask: Callable[[Callable[[], Awaitable[Client]], ServerState], Awaitable[None]], **options: Any) -> None:
    """Call `ask` with a way to connect, and what the server knows of its connections."""
    config = uvicorn.Config(
        _tell, http=Protocol, ws="none", lifespan="off", log_level="error", log_config=None, **options
    )
    config.load()
    state = ServerState()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await asyncio.wait_for(ask(lambda: asyncio.open_connection("127.0.0.1", port), state), 20)
        for each in list(state.connections):
            each.transport.abort()
        server.close()

    asyncio.run(run())


async def answer(client: Client, *parts: bytes) -> tuple[bytes, Any]:
    """Send parts one after the other; return the status line and the body."""
    for part in parts:
        client[1].write(part)
        await client[1].drain()
        await asyncio.sleep(0)
    head = await client[0].readuntil(b"\r\n\r\n")
    size = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    return head.splitlines()[0], json.loads(await client[0].readexactly(size))


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_an_offer_of_another_protocol_is_left_alone(protocol: bytes) -> None:
    """As the HTTP client of Java makes it in every request that is not HTTPS; uvicorn drops the body."""
    offer = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %s\r\nHTTP2-Settings: AAE\r\n\r\nabc" % protocol
    expected = b"HTTP/1.1 200 OK", ["POST", "/x", "abc", ["content-length", "host"]]

    async def ask(connect: Callable[[], Awaitable[Client]], _: ServerState) -> None:
        client = await connect()
        for at in range(1, len(offer), 7):
            assert await answer(client, offer[:at], offer[at:]) == expected
        client[1].write(offer * 3)
        assert [await answer(client) for _ in range(3)] == [expected] * 3
        closing = offer.replace(b"Connection: Upgrade", b"Connection: close, Upgrade")
        assert (await answer(client, closing))[0] == expected[0]
        assert await client[0].read() == b""

    served(ask)


def test_a_head_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "_MOST_HEAD", 1000)

    async def ask(connect: Callable[[], Awaitable[Client]], _: ServerState) -> None:
        for head in (POST + b"a: b\r\n" * 300, POST + b"a: " + b"b" * 1000, b"GET /" + b"a" * 1000):
            client = await connect()
            line, body = await answer(client, head[:500], head[500:])
            assert (line, body["error"]) == (
                b"HTTP/1.1 431 " + LONG,
                "the request line and the headers are longer than 1000 bytes",
            )
            assert await client[0].read() == b""
        for head in (
            POST + b"a: b\r\n" * 300,
            POST + b"a: " + b"b" * 1000 + b"\r\n",
            b"GET /%s HTTP/1.1\r\n" % (b"a" * 1000),
        ):
            for before in (b"", POST + b"\r\nabc"):  # one piece: the parser meets the end of the head at once
                client = await connect()
                client[1].write(before + head + b"\r\nabc" * 2)
                assert (await client[0].read()).count(b" 431 " + LONG) == 1
        client = await connect()  # what comes behind the head counts for nothing
        whole = POST + b"\r\nabc"
        client[1].write(whole * 50)
        assert {(await answer(client))[0] for _ in range(50)} == {b"HTTP/1.1 200 OK"}
        long = POST.replace(b"3", b"9000") + b"\r\n"
        for sizes in ((9000,), (0, 9000), (1, 8999), (4000, 4000, 1000), (8999, 1)):  # the end may be a long piece, too
            parts = [b"a" * size for size in sizes]
            assert (await answer(client, long + parts[0], *parts[1:]))[1][2] == "a" * 9000
            assert (await answer(client, long, *parts))[1][2] == "a" * 9000

    served(ask)


def test_what_is_no_http_is_answered_in_json_and_fills_no_log(capfd: pytest.CaptureFixture[str]) -> None:
    async def ask(connect: Callable[[], Awaitable[Client]], _: ServerState) -> None:
        for rubbish in (b"\x16\x03\x01\r\n\r\n", b"GET /\xe9 HTTP/1.1\r\n\r\n", POST + b"Content-Length: 4\r\n\r\n"):
            client = await connect()
            assert await answer(client, rubbish) == (
                b"HTTP/1.1 400 Bad Request", {"error": "Invalid HTTP request received."}
            )  # fmt: skip
            assert await client[0].read() == b""

    served(ask)
    assert capfd.readouterr().err == ""


def test_headers_behind_the_body_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(connect: Callable[[], Awaitable[Client]], _: ServerState) -> None:
        head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        found = await answer(await connect(), head, b"3\r\nabc\r\n0\r\n" + b"authorization: x\r\n", b"\r\n")
        assert found[1][2:] == ["abc", ["host", "transfer-encoding"]]
        long = b"%x\r\n%s\r\n0\r\na: b\r\n\r\n" % (9000, b"a" * 9000)
        monkeypatch.setattr(http_connection, "_MOST_HEAD", 1000)
        assert (await answer(await connect(), head, long))[1][2:] == ["a" * 9000, ["host", "transfer-encoding"]]
        endless = await connect()
        assert (await answer(endless, head, b"3\r\nabc\r\n0\r\n", *[b"a: b\r\n" * 5000] * 3))[0].endswith(
            b" 431 " + LONG
        )
        endless = await connect()  # in one header
        assert (await answer(endless, head, b"3\r\nabc\r\n0\r\na: ", *[b"b" * 500] * 3))[0].endswith(b" 431 " + LONG)

    served(ask)


def test_who_asks_for_a_tunnel_stops_nobody() -> None:
    async def ask(connect: Callable[[], Awaitable[Client]], _: ServerState) -> None:
        client = await connect()
        line, body = await answer(client, b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
        assert (line, body["error"]) == (b"HTTP/1.1 405 Method Not Allowed", "this is no proxy")
        assert await client[0].read() == b""
        assert (await answer(await connect(), POST + b"\r\nabc"))[0] == b"HTTP/1.1 200 OK"

    served(ask)


def test_only_a_new_request_ends_the_wait_for_one() -> None:
    """What else comes set no new time: load balancers met a connection that had ended after 30 seconds."""

    async def ask(connect: Callable[[], Awaitable[Client]], state: ServerState) -> None:
        refused = POST.replace(b"3", b"20000") + b"\r\n"  # before its body is here
        whole = POST + b"\r\nabc"
        for first, rest in ((whole, b"\r\n"), (refused, b"a" * 20000), (refused, b"a" * 5)):
            client = await connect()
            if first is refused:
                client[1].write(first)
                assert b"413" in await client[0].readuntil(b"\r\n\r\nlong")
            else:
                await answer(client, first)
            connection: Any = next(each for each in state.connections if each.client[1] == _port(client))
            until = connection.timeout_keep_alive_task
            client[1].write(rest)
            await asyncio.sleep(0.01)
            assert connection.timeout_keep_alive_task is until is not None
            assert connection.hangs_in() is None
            if len(rest) > 5:
                long = POST + b"a: " + b"b" * 70_000
                assert (await answer(client, whole[:9], whole[9:]))[1][2] == "abc"
                assert connection.timeout_keep_alive_task is not until
                assert b" 431 " in (await answer(client, long[:40_000], long[40_000:]))[0]

    served(ask)


def _port(client: Client) -> int:
    return int(client[1].get_extra_info("sockname")[1])


def test_connections_on_which_nothing_is_asked_make_room() -> None:
    async def ask(connect: Callable[[], Awaitable[Client]], state: ServerState) -> None:
        working = await connect()
        working[1].write(POST + b"\r\na")  # its body is not here yet
        while not any(each.cycle for each in state.connections):
            await asyncio.sleep(0.001)
        idle = [await connect() for _ in range(20)]
        assert (await answer(await connect(), POST + b"\r\nabc"))[0] == b"HTTP/1.1 200 OK"
        assert len(state.connections) < 5
        assert len([1 for reader, _ in idle if reader.at_eof()]) >= 16
        assert (await answer(working, b"bc"))[1][2] == "abc"

    served(ask, limit_concurrency=5)


def test_who_has_asked_nothing_for_longest_makes_room_and_no_answer_is_lost() -> None:
    async def ask(connect: Callable[[], Awaitable[Client]], state: ServerState) -> None:
        clients = []
        for _ in range(4):
            clients.append(await connect())
            await answer(clients[-1], POST + b"\r\nabc")
        clients[0][1].write(POST)  # half a head, and longest
        await answer(clients[1], POST + b"\r\nabc")
        for each in state.connections:
            if each.client[1] == _port(clients[2]):  # type: ignore[index]
                each.transport.get_write_buffer_size = lambda: 1  # type: ignore[method-assign, union-attr]
        for ended in (0, 3, 1):
            clients.append(await connect())
            assert await asyncio.wait_for(clients[ended][0].read(), 5) == b""
        assert not clients[2][0].at_eof()

    served(ask, limit_concurrency=5)


class Connection:
    """One that hangs in something."""

    def __init__(self, what: Any) -> None:
        self.what, self.ended, self.transport = what, 0, self

    def hangs_in(self) -> Any:
        return self.what

    def abort(self) -> None:
        self.ended += 1


def test_who_hangs_in_the_same_for_too_long_is_ended() -> None:
    silent, busy, slow, gone = Connection((None, 0)), Connection(None), Connection((1, 9)), Connection((None, 0))
    stuck = Stuck()
    for now in range(0, 31, 5):
        stuck.end([silent, busy, slow, *([gone] if now < 10 else [])], now)
        slow.what = (1, 9 - now // 5)  # it takes a part of its answer
    assert [each.ended for each in (silent, busy, slow, gone)] == [1, 0, 0, 0]


def test_what_a_connection_hangs_in() -> None:
    async def ask(connect: Callable[[], Awaitable[Client]], state: ServerState) -> None:
        client = await connect()
        while not state.connections:
            await asyncio.sleep(0.001)
        (connection,) = state.connections
        assert connection.hangs_in() == (None, 0)  # type: ignore[union-attr]
        client[1].write(POST)
        await asyncio.sleep(0.01)
        assert connection.hangs_in() == (None, 0)  # type: ignore[union-attr]
        client[1].write(b"\r\na")
        await asyncio.sleep(0.01)
        assert connection.hangs_in() is None  # type: ignore[union-attr]  # for the body another limit holds
        await answer(client, b"bc")
        assert connection.hangs_in() is None  # type: ignore[union-attr]  # uvicorn waits for the next one, 75 s
        client[1].write(b"P")
        await asyncio.sleep(0.01)
        assert connection.hangs_in() == (connection.cycle, 0)  # type: ignore[union-attr]

    served(ask)


def test_as_many_connections_as_the_system_lets_us_have(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [(1024, 4096)]
    monkeypatch.setattr(http_connection.resource, "getrlimit", lambda _: now[-1])
    monkeypatch.setattr(http_connection.resource, "setrlimit", lambda _, wanted: now.append(wanted))
    assert (room_for(1000), now[-1]) == (1000, (3024, 4096))  # of each of two protocols
    assert (room_for(100_000), now[-1]) == (1920, (4096, 4096))
    now.append((1024, http_connection.resource.RLIM_INFINITY))
    assert (room_for(5000), now[-1]) == (5000, (11_024, http_connection.resource.RLIM_INFINITY))


def test_who_waits_for_leave_to_send_and_sends_rubbish_is_refused_in_peace(capsys: pytest.CaptureFixture[str]) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def ask(connect: Callable[[], Awaitable[Client]], _: ServerState) -> None:
        client = await connect()
        client[1].write(head + b"no size\r\n")
        told = await client[0].read()
        assert told.startswith(b"HTTP/1.1 400 ")
        assert told.count(b"HTTP/1.1") == 1

    served(ask)
    assert not capsys.readouterr().err


def test_requests_leave_nothing_for_a_collection() -> None:
    async def ask(connect: Callable[[], Awaitable[Client]], state: ServerState) -> None:
        for _ in range(5):
            client = await connect()
            for _ in range(5):
                await answer(client, POST + b"\r\nabc")
            client[1].close()
        while state.connections:
            await asyncio.sleep(0.001)
        await connect()
        gone = (Protocol, RequestResponseCycle)
        assert sum(isinstance(one, gone) for one in gc.get_objects()) - before <= 3

    gc.collect()
    before = sum(isinstance(one, (Protocol, RequestResponseCycle)) for one in gc.get_objects())
    gc.disable()
    try:
        served(ask)
    finally:
        gc.enable()


def test_a_server_that_ends_waits_for_nobody_whom_it_refused() -> None:
    async def ask(connect: Callable[[], Awaitable[Client]], state: ServerState) -> None:
        refused = await connect()
        refused[1].write(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nno size\r\n")
        assert (await refused[0].read()).startswith(b"HTTP/1.1 400 ")
        (connection,) = state.connections
        assert connection.is_idle()  # type: ignore[union-attr]
        connection.shutdown()
        while state.connections:
            await asyncio.sleep(0.001)
        coming = await connect()
        coming[1].write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n")
        while not state.connections:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        (connection,) = state.connections
        connection.shutdown()
        coming[1].write(b"a" * 5000)
        await asyncio.sleep(0.01)
        connection.send_400_response("no")  # type: ignore[union-attr]
        began = asyncio.get_running_loop().time()
        while state.connections:
            coming[1].write(b"a")
            await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - began < 4

    served(ask)
