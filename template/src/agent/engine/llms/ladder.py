"""What goes out to a provider: the prompt, and JSON asked for in the strongest way it takes.

First with a native JSON schema, then in JSON mode, then only in words; where the schema is not
native it stands in the system prompt. The reading (`output.py`) is the same for all.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from ..context.window import Prompt
from ..loop.ports import Reply
from .providers import FormatRefused
from .schema import shapes

log = logging.getLogger(__name__)

Ask = Callable[[str, Prompt, dict[str, Any]], Awaitable[Reply]]
"""`ask(rung, prompt, schema)`; raises FormatRefused."""

NATIVE = ("cache marks", "json schema")
"""Rungs on which the schema itself is sent, beside the prompt."""


class Ladder:
    """Where a server refuses a rung, or takes a schema and does not keep to it, it is asked one
    rung lower for as long as this process lives."""

    def __init__(self, *rungs: str) -> None:
        self._rungs = rungs
        self._at = 0

    async def reply(self, prompt: Prompt, schema: dict[str, Any], ask: Ask) -> Reply:
        """Return the reply of the highest rung that the server takes."""
        while True:
            at = self._at
            native = self._rungs[at] in NATIVE
            told = prompt if native else _told(prompt, schema)
            try:
                reply = await ask(self._rungs[at], told, schema)
            except FormatRefused as error:
                if at == len(self._rungs) - 1:
                    raise
                self._descend(at, str(error))
                continue
            if native and reply.stop == "end" and not _obeys(reply.text, schema):
                self._descend(at, "the reply does not keep to it")
            return reply

    def _descend(self, at: int, why: str) -> None:
        if self._at == at:
            self._at += 1
            log.warning("no %s here, going on with %s: %s", *self._rungs[at : at + 2], why)


def turns(prompt: Prompt, **mark: Any) -> list[dict[str, Any]]:
    """Return the system's and the user's turn: two texts, or with a `mark` parts of them.

    The mark says where a cache ends: after the system, after the last block, and after the last
    block of the call before, which is where it can be read again.
    """
    system: Any = prompt.system
    user: Any = "\n\n".join([*prompt.blocks, prompt.ask])
    if mark:
        ends = {len(prompt.blocks), prompt.seen}
        blocks = [
            _part(f"{block}\n\n", mark if place in ends else {})
            for place, block in enumerate(prompt.blocks, 1)
        ]
        system, user = [_part(system, mark)], [*blocks, _part(prompt.ask, {})]
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _part(text: str, mark: dict[str, Any]) -> dict[str, Any]:
    return {"type": "text", "text": text} | mark


def _told(prompt: Prompt, schema: dict[str, Any]) -> Prompt:
    fits = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    order = "Answer with one JSON object that fits this JSON schema, and with nothing else:"
    return replace(prompt, system=f"{prompt.system}\n\n{order}\n{fits}")


def _obeys(text: str, schema: dict[str, Any]) -> bool:
    try:
        step = json.loads(text)["next_step"]
        return any(
            step["intent"].lower() in map(str.lower, shape["properties"]["intent"]["enum"])
            and step.keys() == shape["properties"].keys()
            for shape in shapes(schema)
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
