"""Asks a provider for JSON in the strongest way that it accepts.

A native JSON schema comes first, then JSON mode, then words alone. The schema is also part of the
system prompt unless the server is known to show it to the model: a server that only enforces it
leaves the model blind. Replies are read in the same way for all (`output.py`).
"""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from ..context.window import Prompt
from ..loop.ports import Reply
from .providers import FormatRefused, MarksRefused
from .schema import list_shapes

log = logging.getLogger(__name__)

NATIVE = "json schema"
BROKEN = 2
"""Replies in a row that do not follow the schema, after which it is not used any more."""


@dataclass(frozen=True)
class Form:
    """How to ask for a reply."""

    format: str
    """`json schema`, `json mode` or `words`."""
    marks: bool
    """With marks that say where a cache ends."""


Ask = Callable[[Form, Prompt, dict[str, Any]], Awaitable[Reply]]
"""Raises FormatRefused or MarksRefused."""


@dataclass
class _Rung:
    """Where the ladder stands for one schema."""

    schema: dict[str, Any]
    at: int = 0
    broken: int = 0
    why: str = ""


class Ladder:
    """Steps down if a server refuses a format, or does not follow a schema twice in a row.

    It stays there as long as this process lives, for this schema only.
    """

    def __init__(self, *formats: str, marks: bool = False, schema_in_prompt: bool = True) -> None:
        self._formats = formats
        self._marks = marks
        self._schema_in_prompt = schema_in_prompt
        self._rungs: dict[int, _Rung] = {}

    async def get_reply(self, prompt: Prompt, schema: dict[str, Any], ask: Ask) -> Reply:
        """Return the reply in the strongest format that the server accepts."""
        rung = self._find_rung(schema)
        while True:
            at, form = rung.at, Form(self._formats[rung.at], self._marks)
            try:
                reply = await ask(form, self.complete(prompt, schema), schema)
            except MarksRefused as error:
                if not form.marks:
                    raise
                self._drop_marks(str(error))
            except FormatRefused as error:
                if at == len(self._formats) - 1:
                    raise
                self._step_down(rung, at, str(error))
            else:
                self._look_at(rung, at, reply)
                return replace(reply, format=f"{form.format}: {rung.why}") if at else reply

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Prompt:
        """Return the prompt as it is sent now: with the schema, where the model has to read it."""
        native = self._formats[self._find_rung(schema).at] == NATIVE
        return prompt if native and not self._schema_in_prompt else _add_schema(prompt, schema)

    def _find_rung(self, schema: dict[str, Any]) -> _Rung:
        return self._rungs.setdefault(id(schema), _Rung(schema))

    def _look_at(self, rung: _Rung, at: int, reply: Reply) -> None:
        if self._formats[at] != NATIVE or reply.stop != "end":
            return
        rung.broken = 0 if _follows(reply.text, rung.schema) else rung.broken + 1
        if rung.broken >= BROKEN and at < len(self._formats) - 1:
            self._step_down(rung, at, f"{BROKEN} replies in a row did not follow it")

    def _step_down(self, rung: _Rung, at: int, why: str) -> None:
        if rung.at == at:
            rung.at, rung.why = at + 1, why
            log.warning("%s does not work here, using %s: %s", *self._formats[at : at + 2], why)

    def _drop_marks(self, why: str) -> None:
        if self._marks:
            self._marks = False
            log.warning("cache marks do not work here, going on without: %s", why)


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
