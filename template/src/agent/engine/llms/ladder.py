"""Asks a provider for JSON in the strongest way that it accepts.

A native JSON schema comes first, then JSON mode, then words alone; unless the schema is native, it
is added to the system prompt. Replies are read in the same way for all (`output.py`).
"""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from ..context.window import Prompt
from ..loop.ports import Reply
from .providers import FormatRefused
from .schema import list_shapes

log = logging.getLogger(__name__)

Ask = Callable[[str, Prompt, dict[str, Any]], Awaitable[Reply]]
"""`ask(rung, prompt, schema)`. Raises FormatRefused."""

NATIVE = ("cache marks", "json schema")
"""Rungs on which the schema itself is sent beside the prompt."""


class Ladder:
    """Steps down one rung if a server refuses a format, or accepts a schema and does not follow it.

    It stays there as long as this process lives.
    """

    def __init__(self, *rungs: str) -> None:
        self._rungs = rungs
        self._at = 0

    async def get_reply(self, prompt: Prompt, schema: dict[str, Any], ask: Ask) -> Reply:
        """Return the reply on the highest rung that the server accepts."""
        while True:
            at = self._at
            native = self._rungs[at] in NATIVE
            complete = prompt if native else _add_schema(prompt, schema)
            try:
                reply = await ask(self._rungs[at], complete, schema)
            except FormatRefused as error:
                if at == len(self._rungs) - 1:
                    raise
                self._step_down(at, str(error))
                continue
            if native and reply.stop == "end" and not _follows(reply.text, schema):
                self._step_down(at, "the reply does not follow it")
            return reply

    def _step_down(self, at: int, why: str) -> None:
        if self._at == at:
            self._at += 1
            log.warning("%s does not work here, using %s: %s", *self._rungs[at : at + 2], why)


def build_turns(prompt: Prompt, **mark: Any) -> list[dict[str, Any]]:
    """Return the system's and the user's turn: two texts, or lists of parts if there is a `mark`.

    The mark says where a cache ends: after the system, after the last block, and after the last
    block of the previous call, up to which the cache can be read.
    """
    system: Any = prompt.system
    user: Any = "\n\n".join([*prompt.blocks, prompt.ask])
    if mark:
        ends = {len(prompt.blocks), prompt.seen}
        blocks = [
            _build_part(f"{block}\n\n", mark if place in ends else {})
            for place, block in enumerate(prompt.blocks, 1)
        ]
        system, user = [_build_part(system, mark)], [*blocks, _build_part(prompt.ask, {})]
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _build_part(text: str, mark: dict[str, Any]) -> dict[str, Any]:
    return {"type": "text", "text": text} | mark


def _add_schema(prompt: Prompt, schema: dict[str, Any]) -> Prompt:
    compact = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    order = "Answer with one JSON object that fits this JSON schema, and with nothing else:"
    return replace(prompt, system=f"{prompt.system}\n\n{order}\n{compact}")


def _follows(text: str, schema: dict[str, Any]) -> bool:
    try:
        step = json.loads(text)["next_step"]
        return any(
            step["intent"].lower() in map(str.lower, shape["properties"]["intent"]["enum"])
            and step.keys() == shape["properties"].keys()
            for shape in list_shapes(schema)
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
