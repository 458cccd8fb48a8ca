"""A model that replays the recorded replies of another to the same prompts, for evals and tests.

A recording is of one model and one prompt. With an inner model, it asks that for what is not
recorded of it yet, and records the reply. Without one it never uses the network: a prompt, tool or
schema that changed is an error, not a guess. A line `{"about": …}` in the file is for people.
"""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from ..context.window import Prompt
from ..files import add_path
from ..log.errors import Misconfigured, NotRecorded
from ..loop.ports import LLM, Reply
from .recordings import list_models, read_replies
from .scripted import append_line


class RecordedLLM:
    def __init__(
        self, inner: LLM | None, path: str | Path, model: str = "", *, again: bool = False
    ) -> None:
        """Replay only what is recorded of `model`, named as in `MODEL`.

        With `again`, nothing that was recorded before is replayed: the model is asked again.
        """
        self._inner = inner
        self._path = Path(path)
        self._model = model
        new = again or (inner and not self._path.exists())
        known = [] if new else read_replies(self._path)
        self._replies = {line["key"]: Reply(**line["reply"]) for line in known if self._is_of(line)}
        self.used: set[str] = set()
        """Keys of the prompts that were answered."""

    @classmethod
    def from_env(cls, name: str) -> Self:
        """`MODEL=recorded:<file>`, or `recorded:<file>#<model>` for one of several: replay only."""
        path, _, model = name.partition("#")
        if not path:
            raise Misconfigured("MODEL=recorded does not name a file. Write MODEL=recorded:<file>")
        known = list_models(Path(path))
        if len(known) > 1 and model not in known:
            names = ", ".join(known)
            how = "Write MODEL=recorded:<file>#<one of them>"
            raise add_path(Misconfigured(f"the file has recordings of {names}. {how}"), path)
        return cls(None, path, model or "".join(known))

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        key = _hash_prompt(prompt, schema)
        if key not in self._replies:
            self._replies[key] = await self._record(key, prompt, schema)
        self.used.add(key)
        reply = self._replies[key]
        return replace(reply, model=f"recorded:{reply.model}")

    async def _record(self, key: str, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        if self._inner is None:
            error = NotRecorded(
                f"the recording has {len(self._replies)} replies, but none to this prompt: "
                f"the prompts, the tools or the thread changed. To record again, delete the file "
                f"and run once with RecordedLLM(<a model>, <the file>)."
            )
            raise add_path(error, self._path)
        reply = await self._inner(prompt, schema)
        append_line(self._path, {"model": self._model, "key": key, "reply": asdict(reply)})
        return reply

    def _is_of(self, line: dict[str, Any]) -> bool:
        return bool(line.get("model", "") == self._model)


def _hash_prompt(prompt: Prompt, schema: dict[str, Any]) -> str:
    read = json.dumps([prompt.system, prompt.blocks, prompt.ask, schema])
    return hashlib.sha256(read.encode()).hexdigest()[:32]
