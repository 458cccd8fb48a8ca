"""Bounds what strangers can hold open: how many connections, and how long a request may take.

uvicorn has neither limit, so this adds them to its protocol. A connection waits while its request
is incomplete. If there are too many connections, the one that has waited longest is closed, so
that whoever sends a whole request gets in. One whose request is being answered is never closed.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 1_000
ACCEPTED = 32
"""Connections that asyncio accepts at a time; it calls this the backlog."""
QUEUE = 1_024
"""Connections that the system holds until they are accepted."""
RESERVED = 8 * ACCEPTED
"""Open files that are not connections, and connections on their way in or out."""
HEAD_S = 10.0
"""How long the head of a request may take to arrive."""
BODY_S = 60.0
"""How long the whole request may take."""
PIECE = 65_536
"""Bytes of a body that are read at a time, and only when the application asks for them."""
LINGER_S = 1.0
"""How long a client has to read why its request was refused before all of it arrived."""
SILENCE_S = 60.0
"""Seconds between two lines in the log about the same thing."""

log = logging.getLogger(__name__)


def find_most_connections() -> int:
    """Return how many connections the limit on open files of this process leaves room for."""
    try:
        import resource
    except ImportError:  # Windows
        return MAX_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(MAX_CONNECTIONS, files - RESERVED))


def lengthen_queue(listener: socket.socket) -> None:
    """Let the system hold more connections than are accepted at a time."""
    with listener.dup() as same:  # asyncio's own object cannot listen
        same.listen(QUEUE)


def limit_connections(most: int) -> type[H11Protocol]:
    """Return a protocol for uvicorn of which there are at most so many connections."""

    class Limited(_Connection):
        all = _Waiting(most)

    return Limited


class _Waiting:
    """The connections that wait, whoever has waited longest first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.line: dict[_Connection, None] = {}
        self.closed = Seldom("%d connections were closed before their request had arrived")


class _Connection(H11Protocol):
    all: ClassVar[_Waiting]
    _timer: asyncio.TimerHandle | None = None
    _is_in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, _Lingering(transport, self)))
        cast(Any, transport).max_size = PIECE  # of asyncio; it would be 256 KiB
        self._wait()
        if len(self.connections) > self.all.most:
            next(iter(self.all.line))._close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._follow()

    def is_refused(self) -> bool:
        """Say whether there is a response, but not yet all of its request."""
        return bool(self.cycle and self.cycle.response_complete and self.cycle.more_body)

    def on_response_complete(self) -> None:
        is_refused = self.is_refused()
        self._wait()
        super().on_response_complete()
        if is_refused and not self.transport.is_closing():
            # Reading the rest costs more than the refusal; closing at once could lose it.
            self.flow.pause_reading()
            self._set_timer(LINGER_S)
        else:
            self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def _follow(self) -> None:
        """See how much of a request there is: its head, or all of it."""
        if self.cycle is None or self.cycle.response_complete:
            return
        if not self.cycle.more_body:
            self._rest()
            return
        if not self._is_in_body:
            self._set_timer(BODY_S)
        if self.cycle.body or not self._is_in_body:
            self.flow.pause_reading()  # until the application asks for more
        self._is_in_body = True

    def _wait(self) -> None:
        self.all.line.pop(self, None)
        self.all.line[self] = None
        self._is_in_body = False
        self._set_timer(HEAD_S)

    def _rest(self) -> None:
        self.all.line.pop(self, None)
        if self._timer:
            self._timer.cancel()

    def _set_timer(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._close)

    def _close(self) -> None:
        self._rest()
        self.transport.abort()
        self.all.closed.count()


class _Lingering:
    """A transport that stays open after a refusal, though the client wanted it to be closed.

    Otherwise the client gets a reset while it still sends, and does not read the response.
    """

    def __init__(self, transport: asyncio.Transport, connection: _Connection) -> None:
        self._transport = transport
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """Close it, unless its timer does so."""
        if not self._connection.is_refused():
            self._transport.close()


class Seldom:
    """Logs that something happened, with its number, at most once a minute."""

    def __init__(self, text: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`text` has a `%d` for the number."""
        self._text = text
        self._clock = clock
        self._last = -SILENCE_S
        self._count = 0

    def count(self) -> None:
        self._count += 1
        if self._clock() - self._last >= SILENCE_S:
            log.warning(self._text, self._count)
            self._last, self._count = self._clock(), 0


def drop_repeated(
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[logging.LogRecord], bool]:
    """Return a filter that passes each warning of a logger once a minute."""
    last: dict[object, float] = {}

    def passes(record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        now, before = clock(), last.get(record.msg, -SILENCE_S)
        if now - before < SILENCE_S:
            return False
        last[record.msg] = now
        return True

    return passes
