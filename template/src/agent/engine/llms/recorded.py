"""A model that replays the recorded replies of another to the same prompts, for evals and tests.

A recording is of one model and one prompt. With an inner model, it asks that for what is not
recorded of it yet, and records the reply. Without one it never uses the network: a prompt, tool or
schema that changed is an error, not a guess. A line `{"about": …}` in the file is for people.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from ..context.window import Prompt
from ..log.errors import Misconfigured, NotRecorded
from ..loop.ports import LLM, Reply
from .scripted import append_line, read_lines


class RecordedLLM:
    def __init__(
        self, inner: LLM | None, path: str | Path, model: str = "", *, again: bool = False
    ) -> None:
        """Replay only what is recorded of `model`, named as in `MODEL`.

        With `again`, what was recorded before is not replayed, so that the model is asked anew.
        """
        self._inner = inner
        self._path = Path(path)
        self._model = model
        new = again or (inner and not self._path.exists())
        known = [] if new else _read_replies(self._path)
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
            raise Misconfigured(
                f"{path!r} has recordings of {names}. Write MODEL=recorded:{path}#<one of them>"
            )
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
            raise NotRecorded(
                f"{str(self._path)!r} has {len(self._replies)} replies, but none to this prompt: "
                f"the prompts, the tools or the thread changed. To record again, delete the file "
                f"and run once with RecordedLLM(<a model>, {str(self._path)!r})."
            )
        reply = await self._inner(prompt, schema)
        append_line(self._path, {"model": self._model, "key": key, "reply": asdict(reply)})
        return reply

    def _is_of(self, line: dict[str, Any]) -> bool:
        return bool(line.get("model", "") == self._model)


def list_models(path: Path) -> list[str]:
    """Return the models that a file has recordings of, named as in `MODEL`; none without it."""
    lines = _read_replies(path) if path.exists() else []
    return list(dict.fromkeys(str(line.get("model", "")) for line in lines))


def is_scripted(model: str) -> bool:
    """Say whether a recording is of no model, but was written by hand."""
    return model.partition(":")[0] == "scripted"


def drop_stale(path: Path, model: str, used: Collection[str]) -> None:
    """Delete the recordings of `model` that are of other prompts than `used`, or were replaced.

    Once a model is recorded, what was written by hand is deleted, too.
    """
    kept: dict[tuple[str, str], dict[str, Any]] = {}
    about: list[dict[str, Any]] = []
    by_hand = False
    for line in read_lines(path):
        name, key = line.get("model", ""), line.get("key", "")
        if "about" in line:
            about.append(line)
        elif is_scripted(name) and not is_scripted(model):
            by_hand = True
        elif name != model or key in used:
            kept[name, key] = line
    lines = [*([] if by_hand else about), *kept.values()]
    new = path.with_suffix(".new")
    new.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    new.replace(path)


def _read_replies(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file that are recordings. Raises Misconfigured."""
    lines = [line for line in read_lines(path) if "about" not in line]
    try:
        for line in lines:
            Reply(**line["reply"])
            line["key"]
    except (KeyError, TypeError):
        raise Misconfigured(f"{str(path)!r} is not a recording of a model") from None
    return lines


def _hash_prompt(prompt: Prompt, schema: dict[str, Any]) -> str:
    read = json.dumps([prompt.system, prompt.blocks, prompt.ask, schema])
    return hashlib.sha256(read.encode()).hexdigest()[:32]
