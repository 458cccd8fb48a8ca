"""Starts a server and speaks with it over its stdin and stdout.

The SDK's own transport keeps a line of any length in memory, and lets the server write to our
terminal. This one counts what arrives, and keeps the end of what the server says on stderr.
"""

import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from .traffic import TooMuch, Traffic

Received = MemoryObjectSendStream[SessionMessage | Exception]
Sent = MemoryObjectReceiveStream[SessionMessage]

GRACE_S = 1.0
"""How long a server may take to end after its stdin was closed; then it is killed."""
_LAST_WORDS = 2_000
_GONE = (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, OSError)


@asynccontextmanager
async def open_process(
    command: tuple[str, ...], environment: Mapping[str, str], traffic: Traffic
) -> AsyncIterator[Any]:
    """Start a server, and yield the two streams that the SDK's `Client` wants of a transport.

    Raises:
        OSError: the command cannot be started.
    """
    process = await anyio.open_process([*command], env=environment, start_new_session=True)
    received, read = anyio.create_memory_object_stream[SessionMessage | Exception]()
    write, sent = anyio.create_memory_object_stream[SessionMessage]()
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin, "they are pipes by default"
    assert stdout, "they are pipes by default"
    assert stderr, "they are pipes by default"
    async with anyio.create_task_group() as tasks, received, read, write, sent:
        tasks.start_soon(_read, stdout, received, traffic)
        tasks.start_soon(_write, stdin, sent, received)
        tasks.start_soon(_listen, stderr, traffic)
        try:
            yield read, write
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(process)
            tasks.cancel_scope.cancel()


async def _read(stdout: ByteReceiveStream, received: Received, traffic: Traffic) -> None:
    rest = bytearray()
    async with received:
        with suppress(TooMuch, *_GONE):
            while True:
                chunk = await stdout.receive()
                traffic.count(len(chunk))
                *lines, last = chunk.split(b"\n")
                for line in lines:
                    await received.send(_parse(bytes(rest + line)))
                    rest.clear()
                rest += last


def _parse(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


async def _write(stdin: ByteSendStream, sent: Sent, received: Received) -> None:
    with suppress(*_GONE):
        async for message in sent:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            await stdin.send(f"{text}\n".encode())
        return
    await received.aclose()  # or a request would wait for an answer forever


async def _listen(stderr: ByteReceiveStream, traffic: Traffic) -> None:
    said = bytearray()
    with suppress(*_GONE):
        while True:
            said += await stderr.receive()
            del said[:-_LAST_WORDS]
            traffic.last_words = said.decode(errors="replace")


async def _stop(process: Process) -> None:
    """Close the server's stdin, and kill it with all that it started if it does not end."""
    assert process.stdin, "it is a pipe by default"
    with suppress(*_GONE):
        await process.stdin.aclose()
    with anyio.move_on_after(GRACE_S):
        # `wait` would also wait for the processes that the server started.
        while process.returncode is None:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg") and hasattr(signal, "SIGKILL"):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own
        else:
            process.kill()
    with anyio.move_on_after(GRACE_S):
        await process.aclose()
