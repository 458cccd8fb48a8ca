"""What the loops of this folder share: `python with_<what>.py URL STEPS THREADS AT_ONCE`.

Each module gives `measure` a context that yields `one(name, steps)`: it runs a thread until its
model says that it is done, durable in the SQLite file at a path after each step. One line of JSON
says what a step took, without the imports and without a first thread of three steps.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

URL = sys.argv[1]
STEPS, THREADS, AT_ONCE = map(int, sys.argv[2:5])
SYSTEM = "You look at places until you are done. Answer with the next step."
One = Callable[[str, int], Awaitable[object]]
Opened = Callable[[str], AbstractAsyncContextManager[One]]


def hello(name: str, steps: int) -> str:
    """Return the first message of a thread, by which the model knows it."""
    return f"thread {name} of {steps}: look around"


async def look(at: str) -> str:
    """Look at a place."""
    return f"saw a door and two windows at {at}"


def count_bytes() -> int:
    """Return how many bytes this process wrote to files so far."""
    lines = Path("/proc/self/io").read_text("utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes")))


async def run_all(one: One) -> None:
    names = iter([f"t{os.getpid()}x{place}" for place in range(THREADS)])

    async def some() -> None:
        for name in names:
            await one(name, STEPS)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def main(opened: Opened) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with opened(str(Path(folder, "threads.db"))) as one:
            await one(f"w{os.getpid()}", 3)
            written, cpu, start = count_bytes(), time.process_time(), time.perf_counter()
            await run_all(one)
            took, cpu = time.perf_counter() - start, time.process_time() - cpu
            written = count_bytes() - written
    steps = STEPS * THREADS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    taken = {"cpu": 1000 * cpu / steps, "pace": steps / took, "kB": written / steps / 1000}
    print(json.dumps(taken | {"MB": peak}))


def measure(opened: Opened) -> None:
    """Print what a step takes."""
    asyncio.run(main(opened))
