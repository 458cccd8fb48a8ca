"""A model that replays the recorded replies of another to the same prompts, for evals and tests.

With an inner model, it asks that for what is not recorded yet, and records the reply. Without one
it never uses the network: a prompt, tool or schema that changed is an error, not a guess. A line
`{"about": …}` in the file is for people.
"""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from ..context.window import Prompt
from ..log.errors import Misconfigured, ModelRefused
from ..loop.ports import LLM, Reply
from .scripted import read_lines


class RecordedLLM:
    def __init__(self, inner: LLM | None, path: str | Path) -> None:
        self._inner = inner
        self._path = Path(path)
        lines = [] if inner and not self._path.exists() else read_lines(self._path)
        try:
            replies = (line for line in lines if "about" not in line)
            self._replies = {line["key"]: Reply(**line["reply"]) for line in replies}
        except (KeyError, TypeError):
            raise Misconfigured(f"{str(path)!r} is not a recording of a model") from None

    @classmethod
    def from_env(cls, path: str) -> Self:
        """`MODEL=recorded:<file>`: replay only."""
        if not path:
            raise Misconfigured("MODEL=recorded does not name a file. Write MODEL=recorded:<file>")
        return cls(None, path)

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        key = _hash_prompt(prompt, schema)
        if key not in self._replies:
            self._replies[key] = await self._record(key, prompt, schema)
        reply = self._replies[key]
        return replace(reply, model=f"recorded:{reply.model}")

    async def _record(self, key: str, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        if self._inner is None:
            raise ModelRefused(
                f"{str(self._path)!r} has {len(self._replies)} replies, but none to this prompt: "
                f"the prompts, the tools or the thread changed. To record again, delete the file "
                f"and run once with RecordedLLM(<a model>, {str(self._path)!r})."
            )
        reply = await self._inner(prompt, schema)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "reply": asdict(reply)}) + "\n")
        return reply


def _hash_prompt(prompt: Prompt, schema: dict[str, Any]) -> str:
    read = json.dumps([prompt.system, prompt.blocks, prompt.ask, schema])
    return hashlib.sha256(read.encode()).hexdigest()[:32]
