"""What strangers may hold open, in a server of this process."""

import asyncio
import logging
import os
import resource
import socket
from asyncio.trsock import TransportSocket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from agent.engine.http import bodies, connections
from agent.engine.http.bodies import BodyLimit
from agent.engine.http.connections import (
    PIECE,
    Seldom,
    drop_repeated,
    find_most_connections,
    lengthen_queue,
    limit_connections,
)

WHOLE = b"GET / HTTP/1.1\r\nHost: agent\r\n\r\n"
HALF = b"GET / HTTP/1.1\r\nHost: agent\r\n"
BODY = b"POST / HTTP/1.1\r\nHost: agent\r\nContent-Length: 9\r\n\r\nhalf"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[bytes], Awaitable[Connection]]


@asynccontextmanager
async def serving(
    most: int, answer: asyncio.Event, pieces: int | None = None, got: list[int] | None = None
) -> AsyncIterator[Connect]:
    """Serve an application that reads a request, waits for `answer` and says `ok`.

    It reads so many `pieces` before it waits, or all; `got` gets the size of another one then.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        read = 0
        while read != pieces and (await receive()).get("more_body"):
            read += 1
        await answer.wait()
        if got is not None:
            got.append(len((await receive())["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    config = uvicorn.Config(
        app, port=0, http=limit_connections(most), lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    work, opened = asyncio.create_task(server.serve()), list[Connection]()
    async with asyncio.timeout(5):
        while not server.started:  # noqa: ASYNC110 # uvicorn has no event for it
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]

    async def connect(sent: bytes) -> Connection:
        opened.append(await asyncio.open_connection("127.0.0.1", port))
        opened[-1][1].write(sent)
        return opened[-1]

    yield connect
    for _, writer in opened:
        writer.close()
    server.should_exit = True
    await work


@pytest.fixture
def answer() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def read(connection: Connection) -> bytes:
    """Return what arrives until the connection is closed, or the whole response."""
    reader, received = connection[0], b""
    try:
        async with asyncio.timeout(5):
            while b"ok" not in received and (more := await reader.read(1000)):
                received += more
    except ConnectionError:
        pass
    return received


@pytest.mark.parametrize("sent", [b"", HALF, BODY, WHOLE + HALF])
async def test_whoever_sends_a_whole_request_gets_in(answer: asyncio.Event, sent: bytes) -> None:
    async with serving(5, answer) as connect:
        strangers = [await connect(sent) for _ in range(20)]
        for _ in range(5):
            assert b"200 OK" in await read(await connect(WHOLE))
        await read(strangers[0])
        assert await read(strangers[0]) == b""


async def test_a_request_that_is_answered_is_not_closed_for_another(answer: asyncio.Event) -> None:
    answer.clear()
    async with serving(3, answer) as connect:
        served = [await connect(WHOLE) for _ in range(3)]
        await asyncio.sleep(0.05)
        for _ in range(5):
            assert await read(await connect(HALF)) == b""
        answer.set()
        assert all([b"200 OK" in await read(one) for one in served])


@pytest.mark.parametrize("sent", [b"", HALF, BODY, WHOLE + HALF])
async def test_a_request_that_takes_too_long_is_closed(
    answer: asyncio.Event, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    for limit in ("HEAD_S", "BODY_S"):
        monkeypatch.setattr(connections, limit, 0.05)
    async with serving(5, answer) as connect:
        connection = await connect(sent)
        await read(connection)
        try:
            async with asyncio.timeout(2):
                assert await connection[0].read() == b""
        except ConnectionResetError:
            pass


@pytest.mark.parametrize("wish", [b"", b"Connection: close\r\n"], ids=["kept", "to be closed"])
async def test_a_client_that_still_sends_can_read_why_it_was_refused(
    answer: asyncio.Event, wish: bytes
) -> None:
    async with serving(5, answer, pieces=0) as connect:
        head = b"POST / HTTP/1.1\r\nHost: agent\r\nContent-Length: 90000\r\n"
        reader, writer = await connect(head + wish + b"\r\n")
        assert b"200 OK" in await reader.readline()
        for _ in range(10):
            writer.write(b"x" * 1_000)
            await writer.drain()
            await asyncio.sleep(0)
        assert b"ok" in await read((reader, writer))


@pytest.mark.parametrize("pieces", [0, 1])
async def test_a_body_is_read_no_faster_than_the_application_asks_for_it(
    answer: asyncio.Event, monkeypatch: pytest.MonkeyPatch, pieces: int
) -> None:
    protocol = limit_connections(5)
    monkeypatch.setitem(globals(), "limit_connections", lambda most: protocol)
    answer.clear()
    got: list[int] = []
    async with serving(5, answer, pieces, got) as connect:
        head = b"POST / HTTP/1.1\r\nHost: agent\r\nContent-Length: 900000\r\n\r\n"
        reader, writer = await connect(head)
        await asyncio.sleep(0.05)
        writer.write(b"x" * 900_000)
        await asyncio.sleep(0.1)
        (held,) = (len(one.cycle.body) for one in protocol.all.line)  # type: ignore[attr-defined]
        assert held <= pieces * PIECE
        answer.set()
        assert b"ok" in await read((reader, writer))
        assert 0 < got[0] <= PIECE


def test_the_log_gets_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    seldom, passes = Seldom("%d were closed", lambda: now[0]), drop_repeated(lambda: now[0])
    warning = logging.makeLogRecord({"levelno": logging.WARNING, "msg": "Invalid HTTP request"})
    passed = 0
    for second in range(0, 130, 10):
        now[0] = float(second)
        seldom.count()
        passed += passes(warning)
    assert passed == 3
    assert passes(logging.makeLogRecord({"levelno": logging.ERROR, "msg": "broken"}))
    assert [record.getMessage() for record in caplog.records] == [
        "1 were closed", "6 were closed", "6 were closed",
    ]  # fmt: skip


def test_connections_leave_files_for_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in ((1_024, 768), (100_000, 1_000), (64, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert find_most_connections() == most


# -- bodies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("announced", [True, False])
async def test_large_bodies_wait_for_a_place_and_small_ones_do_not(
    monkeypatch: pytest.MonkeyPatch, announced: bool
) -> None:
    monkeypatch.setattr(bodies, "PLACES", {10: 1})
    monkeypatch.setattr(bodies, "PATIENCE_S", 0.01)
    held = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        size = len((await receive())["body"])
        if size > 10:
            await held.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    limit = BodyLimit(app, {})

    async def post(size: int) -> int:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"x" * size}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"content-length", str(size).encode())] if announced else []
        with suppress(HTTPException):
            await limit({"type": "http", "path": "/", "headers": headers}, receive, send)
        return int(sent[0]["status"]) if sent else 503

    first = asyncio.create_task(post(11))
    await asyncio.sleep(0)
    assert await post(10) == 200
    async with asyncio.timeout(2):
        assert await post(11) == 503
    held.set()
    assert await first == 200
    assert await post(11) == 200


def test_the_queue_of_a_socket_that_is_no_file_is_lengthened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On Windows, the number of a socket is not one of a file, and cannot be duplicated as one."""

    def refuse(_: int) -> int:
        raise OSError("Bad file descriptor")

    monkeypatch.setattr(os, "dup", refuse)
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        lengthen_queue(TransportSocket(listener))  # type: ignore[arg-type]  # as a server has it
        for _ in range(8):
            socket.create_connection(listener.getsockname(), timeout=10).close()
