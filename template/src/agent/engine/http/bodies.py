"""Bounds the bodies of requests, for every route in one place: their size, and how many are held.

A body is refused before it is read, or as soon as it is too long. Small ones always get through.
For larger ones there are places, because a body is in memory before anything proves its sender.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import MAX_BODY, make_problem

PLACES = {64_000: 16, MAX_BODY: 2}
"""How many bodies that are longer than so many bytes may be in memory at the same time."""
PATIENCE_S = 5.0
"""How long a body waits for a place."""
_BUSY = "The server is reading too many large requests."
_LATER = {"Retry-After": "10"}


class BodyLimit:
    """Refuses bodies that are too long, and large ones while too many are being read."""

    def __init__(self, api: ASGIApp, bodies: Mapping[str, int]) -> None:
        """`bodies` are the sizes of paths that take others than `MAX_BODY`."""
        self._api = api
        self._bodies = bodies
        self._places = {size: asyncio.Semaphore(most) for size, most in PLACES.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._api(scope, receive, send)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        limit, size = self._bodies.get(path, MAX_BODY), 0
        too_long = f"The body has more than {limit} bytes."
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or (announced := int(length)) > limit:
            return await make_problem(413, too_long)(scope, receive, send)

        async with AsyncExitStack() as held:

            async def counted() -> Message:
                nonlocal size
                message = await receive()
                before, size = size, size + len(message.get("body", b""))
                if size > limit:
                    raise HTTPException(413, too_long)
                if not announced and not await self._take_places(held, before, size):
                    raise HTTPException(503, _BUSY, _LATER)
                return message

            if await self._take_places(held, 0, announced):
                await self._api(scope, counted, send)
            else:
                await make_problem(503, _BUSY, _LATER)(scope, receive, send)

    async def _take_places(self, held: AsyncExitStack, before: int, size: int) -> bool:
        """Take a place for each size that a body has passed, until its request is answered."""
        for passed, places in self._places.items():
            if before <= passed < size:
                try:
                    async with asyncio.timeout(PATIENCE_S):
                        await places.acquire()
                except TimeoutError:
                    return False
                held.callback(places.release)
        return True
