"""`agent serve` of a rendered agent, in a process of its own."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from .conftest import Agent

TOKENS = {"ana": "a0b1c2d3e4f5a6b7c8d90e1f2a3b4c5d", "bob": "b0c1d2e3f4a5b6c7d8e90f1a2b3c4d5e"}


@contextmanager
def served(agent: Agent, **variables: str) -> Iterator[str]:
    """Serve an agent, and return where; by default it follows its `script.jsonl`."""
    program = str(agent.path / ".venv/bin/agent")
    given = {
        "API_TOKENS": ",".join(f"{name}:{token}" for name, token in TOKENS.items()),
        "MODEL": "scripted:script.jsonl",
    }
    with subprocess.Popen(
        [program, "serve", "--port", "0"], cwd=agent.path,
        env=agent.environment | given | variables, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stderr
        said = ""
        try:
            while not (found := re.search(r"running on (http://\S+)", said)):
                line = server.stderr.readline()
                assert line, said
                said += line
            Thread(target=server.stderr.read, daemon=True).start()  # a full pipe would stop it
            yield found[1]
        finally:
            server.kill()
