"""What the adapters of providers share; it imports no SDK.

How long to wait for an answer, what an error means for a person (of SDKs whose errors carry
`response` and `body`), and how to ask for JSON in the strongest way that a server takes.
"""

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ..errors import AgentError, Misconfigured, Unavailable
from ..events import cut
from ..ports import Reply
from ..settings import optional
from .schema import shapes

log = logging.getLogger(__name__)

RUNGS = ("json_schema", "json_object", "words")
Format = dict[str, Any]
Ask = Callable[[str, Format | None], Awaitable[Reply]]
"""`ask(system, response_format)`; raises FormatRefused."""

MAX_RETRY_AFTER_S = 3600.0

_FORMAT = re.compile(
    r"response[_ ]?format|json[_ ]?(schema|object|mode)|structured[_ ]output|guided|grammar", re.I
)


class FormatRefused(Misconfigured):
    """The server does not take the `response_format` it was sent."""


def timeout_s() -> float:
    """Return `MODEL_TIMEOUT_S`. Raises Misconfigured where it is no number above 0."""
    value = optional("MODEL_TIMEOUT_S", "120")
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise Misconfigured(f"MODEL_TIMEOUT_S={value!r} is no number of seconds")
    return seconds


def failure(error: Exception, server: str, key: str, url: str) -> AgentError:
    """Return what to raise for an SDK's error.

    `server` is who was asked, `key` and `url` are the settings that hold its key and address.
    """
    response = getattr(error, "response", None)
    if response is None:
        reason = str(error.__cause__ or "") or str(error)
        hint = f"Does it run, and is {url} right? MODEL_TIMEOUT_S is how long to wait"
        return Unavailable(f"{server} does not answer ({reason}). {hint}.")
    said = _said(error)
    because = f"({response.status_code}: {cut(said, 300)})"
    match response.status_code:
        case 401 | 403:
            return Misconfigured(f"{server} refuses the key {because}. Check {key} and {url}.")
        case status if status != 429 and _FORMAT.search(said):
            return FormatRefused(f"{server} refuses the format {because}. Try another MODEL.")
        case 404:
            return Misconfigured(f"{server} is not there {because}. Check MODEL and {url}.")
        case status if status in (408, 409, 425, 429) or status >= 500:
            after = retry_after_s(response.headers)
            return Unavailable(f"{server} cannot answer now {because}.", after)
    return Misconfigured(f"{server} refuses the request {because}. Check MODEL and {url}.")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the wait that `Retry-After` asks for, at most an hour; None where it does not.

    A date is taken by the server's own clock where it tells it.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return min(float(value), MAX_RETRY_AFTER_S)
    until, now = _date(value), _date(headers.get("date", "")) or datetime.now(UTC)
    if until is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


class Ladder:
    """First a native JSON schema, then JSON mode, then only words; from the second rung on the
    schema stands in the system prompt. Where a server refuses a rung, or takes the schema and
    does not keep to it, it is asked one rung lower for as long as this process lives."""

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


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _said(error: Exception) -> str:
    match getattr(error, "body", None):
        case {"message": str(message)}:
            return message
        case body:
            return str(body or error)


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
