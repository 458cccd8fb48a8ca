"""Measure what an agent still does for its people while 2,000 strangers try to stop it.

In an agent with all parts: `uv run python tests/benchmarks/strangers.py`, by its path here. The
server may open 1,024 files.
"""

import asyncio
import os
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

TOKEN = "a0b1c2d3e4f5a6b7c8d90e1f2a3b4c5d"  # noqa: S105 # of a server for half a minute
SECONDS = 30.0
STRANGERS = 2_000
PAUSE_S = 5.0
"""Between two attempts of one stranger, on average."""
MAILGUN = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"


async def hold(port: int, sent: bytes, drip: bytes = b"") -> None:
    """Send a part of a request, then a byte a second."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        for _ in range(20):
            await asyncio.sleep(1)
            writer.write(drip or b"a")
            await writer.drain()
    finally:
        writer.close()


async def post(port: int, path: bytes, size: int, kind: bytes, unit: bytes) -> None:
    """Send a whole body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % (path, kind, size))
        piece = unit * (65_536 // len(unit))
        for start in range(0, size, len(piece)):
            writer.write(piece[: size - start])
            await writer.drain()
        await reader.read(1_000)
    finally:
        writer.close()


FORM, JSON = b"application/x-www-form-urlencoded", b"application/json"
HEAD = b"POST /login HTTP/1.1\r\nHost: a\r\n"
KINDS: list[Callable[[int], Awaitable[None]]] = [
    lambda port: hold(port, b""),
    lambda port: hold(port, HEAD),
    lambda port: hold(port, b"\x00\xff" * 100),
    lambda port: hold(port, HEAD + b"Content-Length: 8000\r\n\r\n"),
    lambda port: hold(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    lambda port: post(port, b"/login", 1_000_000, FORM, b"token=x&"),
    lambda port: post(port, b"/email/mailgun/mime", 25_000_000, FORM, b"%41"),
    lambda port: post(port, b"/threads", 1_000_000, JSON, b"["),
    lambda port: post(port, b"/webhooks/github", 25_000_000, JSON, b"["),
]


async def pester(port: int, number: int, until: float) -> None:
    act = KINDS[number % len(KINDS)]
    while time.monotonic() < until:
        with suppress(OSError, TimeoutError, EOFError):
            async with asyncio.timeout(30):
                await act(port)
        await asyncio.sleep(PAUSE_S * random.random() * 2)  # noqa: S311


async def pester_all(port: int) -> None:
    """Be all strangers at once, until this process is killed."""
    until = time.monotonic() + 2 * SECONDS
    await asyncio.gather(*(pester(port, each, until) for each in range(STRANGERS)))


async def ask(port: int, path: str, until: float) -> list[float]:
    """Return the seconds of one request after another; a failure counts as ten."""
    took = []
    head = f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    while time.monotonic() < until:
        start, answer = time.monotonic(), b""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(10):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(head.encode())
                answer = await reader.readline()
                writer.close()
        took.append(time.monotonic() - start if b" 200 " in answer else 10.0)
        await asyncio.sleep(0.1)
    return took


def memory_mb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


async def main(agent: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "API_TOKENS": f"ana:{TOKEN}", "MODEL": "openai:none", "OPENAI_API_KEY": "none",
            "SQLITE_PATH": f"{folder}/threads.db", "EMAIL_MAILGUN_KEY": MAILGUN,
            "EMAIL_FROM": "agent@example.org", "EMAIL_SMTP_URL": "smtp://localhost",
            "EMAIL_SECRET": "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "EMAIL_AUTHSERV_ID": "mx.example",
            "GITHUB_WEBHOOK_SECRET": "x" * 40, "WEBHOOKS_FILE": f"{folder}/webhooks.toml",
        }  # fmt: skip
        source = '[github]\nscheme = "github"\nsecret = "GITHUB_WEBHOOK_SECRET"\n'
        source += 'conversation = "{ref}"\ntext = "{ref}"\n'
        Path(folder, "webhooks.toml").write_text(source)
        log = Path(folder, "log")
        with log.open("wb") as file:
            server = await asyncio.create_subprocess_exec(
                str(agent / ".venv/bin/agent"), "serve", "--port", "0",
                cwd=agent, env=environment, stderr=file,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)),
            )  # fmt: skip
        while not (found := re.search(r"running on http://\S+?:(\d+)", log.read_text())):
            await asyncio.sleep(0.1)
            assert server.returncode is None, log.read_text()
        port = int(found[1])
        quiet = memory_mb(server.pid)
        until = time.monotonic() + SECONDS
        # In a process of their own: they keep its event loop busy.
        strangers = await asyncio.create_subprocess_exec(sys.executable, __file__, str(port))
        await asyncio.sleep(2)
        paths = ("/healthz", "/threads")
        asked = await asyncio.gather(*(ask(port, path, until) for path in paths))
        strangers.kill()
        for path, took in zip(paths, asked, strict=True):
            worst, middle = max(took) * 1_000, statistics.median(took) * 1_000
            late = sum(each > 0.25 for each in took)
            times = f"median {middle:.0f} ms, worst {worst:.0f} ms, {late} over 250 ms"
            print(f"{path}: {len(took)} asked, {times}")
        print(f"memory: {quiet:.0f} MB before, {memory_mb(server.pid):.0f} MB at most")
        text = log.read_text()
        tracebacks = text.count("Traceback")
        print(f"log: {len(text) / 1e6:.2f} MB, {tracebacks} tracebacks")
        server.terminate()
        await server.wait()
        if tracebacks:
            print(text[text.index("Traceback") - 200 :][:3_000])


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (8_192, most))
    asyncio.run(pester_all(int(sys.argv[1])) if sys.argv[1:] else main(Path.cwd()))
