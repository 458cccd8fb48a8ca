"""Ends tasks of this process that may not notice a cancellation."""

import asyncio
from typing import Any

AGAIN_S = 3.0


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks until they have ended: connecting to a database may swallow a cancellation."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN_S)
