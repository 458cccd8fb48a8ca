"""Bounds what a server may send during one connection, whatever it sends and however often."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2

MAX_BYTES = 10_000_000
"""What a server may send during one connection, headers and compression apart."""


class TooMuch(httpx2.StreamError):
    """The server sent more than it may."""


@dataclass
class Traffic:
    most: int = MAX_BYTES
    problem: str = ""
    """Why the connection was given up, in words that continue "the server"."""
    status: int = 0
    """The last status of HTTP."""
    last_words: str = ""
    """The end of what a server said on stderr."""

    def count(self, size: int) -> None:
        """Count bytes that arrived. Raises TooMuch."""
        self.most -= size
        if self.most < 0:
            self.problem = "sent more than it may: it has a limit of 10 MB a call"
            raise TooMuch(self.problem)

    async def watch(self, response: httpx2.Response) -> None:
        """Count what a response brings while it is read: a hook of an HTTP client."""
        self.status = response.status_code
        if response.headers.get("content-encoding", "identity") != "identity":
            self.problem = "compressed its answer although it was asked not to"
            raise TooMuch(self.problem)
        assert isinstance(response.stream, httpx2.AsyncByteStream), "the client is asynchronous"
        response.stream = _Counted(response.stream, self)


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, traffic: Traffic) -> None:
        self._stream = stream
        self._traffic = traffic

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._traffic.count(len(chunk))
            yield chunk
            await asyncio.sleep(0)  # a server that never pauses does not keep others waiting

    async def aclose(self) -> None:
        await self._stream.aclose()
