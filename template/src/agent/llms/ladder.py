"""Asking for JSON in the strongest way that a server takes.

First its native JSON schema, then its JSON mode, then only words. Below the first rung the
schema stands in the system prompt. A server that refuses a rung, or takes the schema and does
not keep to it, is asked one rung lower from then on, as long as this process lives.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from ..ports import Reply
from .failures import FormatRefused
from .schema import shapes

log = logging.getLogger(__name__)

RUNGS = ("json_schema", "json_object", "words")

Format = dict[str, Any]
Ask = Callable[[str, Format | None], Awaitable[Reply]]
"""`ask(system, response_format)`; raises FormatRefused."""


class Ladder:
    def __init__(self) -> None:
        self._rung = 0

    async def reply(self, system: str, schema: dict[str, Any], ask: Ask) -> Reply:
        """Return the reply of the highest rung that the server takes."""
        while True:
            rung = self._rung
            try:
                reply = await ask(*_request(RUNGS[rung], system, schema))
            except FormatRefused as error:
                if rung == len(RUNGS) - 1:
                    raise
                self._descend(rung, str(error))
                continue
            if rung == 0 and reply.stop == "end" and not _obeys(reply.text, schema):
                self._descend(rung, "the reply does not keep to it")
            return reply

    def _descend(self, rung: int, why: str) -> None:
        if self._rung == rung:
            self._rung += 1
            log.warning("no %s here, going on with %s: %s", RUNGS[rung], RUNGS[rung + 1], why)


def _request(rung: str, system: str, schema: dict[str, Any]) -> tuple[str, Format | None]:
    if rung == "json_schema":
        named = {"name": "next_step", "strict": True, "schema": schema}
        return system, {"type": "json_schema", "json_schema": named}
    fits = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    order = "Answer with one JSON object that fits this JSON schema, and with nothing else:"
    told = f"{system}\n\n{order}\n{fits}"
    return told, {"type": "json_object"} if rung == "json_object" else None


def _obeys(text: str, schema: dict[str, Any]) -> bool:
    try:
        step = json.loads(text)["next_step"]
        return any(
            step["intent"] in shape["properties"]["intent"]["enum"]
            and step.keys() == shape["properties"].keys()
            for shape in shapes(schema)
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
